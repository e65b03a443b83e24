"""Holdfast's command line in processes forked from one that has imported its libraries: real processes, without seconds of imports each.

`command.py` is what tests start instead of `python -m holdfast`. The first one starts the server, which ends with pytest.
"""

from __future__ import annotations

import atexit
import gc
import json
import multiprocessing.forkserver
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback

SIZE = struct.Struct("!Q")
READ_AT_START = ("PYTHON", "HF_", "TRANSFORMERS_", "TORCH", "OMP_", "MKL_", "GOMP_", "CUDA_", "XDG_", "HOME", "LD_", "LC_", "LANG", "TZ")


def at_start(environment: dict[str, str]) -> dict[str, str]:
    """Variables that are read while libraries are imported: a command whose own differ needs a process of its own."""
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


def main(place: str, owner: int) -> None:
    """Serve; in a process that is to run a command, run it and leave as the interpreter does, but without freeing every object of every library."""
    serve(place, owner)
    code: object = 0
    try:
        command_line()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def command_line() -> None:
    from holdfast.cli import main

    main()


def serve(place: str, owner: int) -> None:
    """Answer requests until the process `owner` is gone. Returns in a process that is to run the command in `sys.argv`."""
    import holdfast.cli.app
    import holdfast.pipeline
    import holdfast.preloaded
    import holdfast.report.page
    import holdfast.report.render  # noqa: F401
    from holdfast.workers import worker_context

    worker_context("cpu")
    multiprocessing.forkserver.ensure_running()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}.new")
        listener.listen(64)
        os.rename(f"{place}.new", place)
        while running(owner):
            if select.select([listener], [], [], 1.0)[0]:
                connection, _ = listener.accept()
                if os.fork() == 0 and watch(connection):
                    multiprocessing.forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]  # the server's own is there
                    return
                connection.close()
            while reap():
                pass
    os._exit(0)


def watch(connection: socket.socket) -> bool:
    """Start the command that is asked for, and say how it ended. Returns True in the command's own process."""
    size, files, _, _ = socket.recv_fds(connection, SIZE.size, 3)
    request = json.loads(receive(connection, SIZE.unpack(size)[0]))
    pid = os.fork()
    if pid == 0:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["holdfast", *request["arguments"]]
        sys.path.insert(0, request["folder"])
        if request["ignores_hangup"]:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return True
    for file in files:
        os.close(file)
    connection.sendall(SIZE.pack(pid))
    _, status = os.waitpid(pid, 0)
    connection.sendall(struct.pack("!q", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def receive(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            raise EOFError("the other side is gone")
        got += part
    return got


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def reap() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
