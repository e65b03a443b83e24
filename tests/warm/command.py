"""`holdfast` for tests: the command in a process forked by the server, or one of its own where its environment asks for that."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = str(Path(__file__).parent)
PLACE, OWNER = os.environ.get("HOLDFAST_TEST_SERVER", ""), os.environ.get("HOLDFAST_TEST_OWNER", "")


def main() -> None:
    sys.path.insert(0, HERE)
    from server import SIZE, at_start, receive

    if not PLACE:
        own_process()
    with open(f"{PLACE}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{PLACE}.json"):
            start(at_start(dict(os.environ)))
    if json.loads(Path(f"{PLACE}.json").read_bytes()) != at_start(dict(os.environ)):
        own_process()
    request = {"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ),
               "ignores_hangup": signal.getsignal(signal.SIGHUP) is signal.SIG_IGN}  # fmt: skip
    text = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(PLACE)
        socket.send_fds(server, [SIZE.pack(len(text))], [0, 1, 2])
        server.sendall(text)
        pid = SIZE.unpack(receive(server, SIZE.size))[0]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: pass_on(pid, number))
        code = struct.unpack("!q", receive(server, 8))[0]
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def pass_on(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def start(environment: dict[str, str]) -> None:
    """Start the server and wait for it."""
    code = f"import sys; sys.path.insert(0, {HERE!r}); import server; sys.path.remove({HERE!r}); server.main({PLACE!r}, {OWNER})"
    with open(f"{PLACE}.log", "w") as log:
        server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while not os.path.exists(PLACE):
        if server.poll() is not None:
            raise SystemExit(f"the tests' server did not start: {Path(f'{PLACE}.log').read_text()[-2000:]}")
        time.sleep(0.05)
    Path(f"{PLACE}.json").write_text(json.dumps(environment))


def own_process() -> None:
    os.execv(sys.executable, [sys.executable, "-m", "holdfast", *sys.argv[1:]])


if __name__ == "__main__":
    main()
