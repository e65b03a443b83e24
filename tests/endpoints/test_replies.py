"""A reply is kept whole or not at all; whoever writes at the same time, nothing is lost, doubled or mixed."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.endpoints.replies import ReplyLog


def test_many_threads_and_two_logs_lose_and_double_nothing(tmp_path):
    logs = [ReplyLog(tmp_path / "replies") for _ in range(2)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: logs[i % 2].put(f"k{i}", {"text": f"é\u2028 {i}"}), range(400)))
    for log in logs:
        log.close()
    again = ReplyLog(tmp_path / "replies")
    assert len(again) == 400 and again.damaged == 0
    assert all(again.get(f"k{i}") == {"text": f"é\u2028 {i}"} for i in range(400))


def test_the_first_reply_counts(tmp_path):
    log = ReplyLog(tmp_path)
    assert log.put("k", {"text": "a"}) == log.put("k", {"text": "b"}) == log.get("k") == {"text": "a"}
    assert len([*tmp_path.glob("*.jsonl")]) == 1 and log.get("other") is None


@pytest.mark.parametrize("damage", [
    lambda raw: raw[:-9], lambda raw: raw.replace(b'"yes"', b'"nay"'), lambda raw: b"[" * 99999 + b"\n", lambda raw: b"\xff\xfe\n",
    lambda raw: raw.replace(b'"key":"k2"', b'"key":"k9"'),
])  # fmt: skip
def test_a_damaged_line_is_no_reply_and_the_others_stay(tmp_path, damage):
    log = ReplyLog(tmp_path)
    for key in ("k1", "k2"):
        log.put(key, {"text": "yes"})
    log.close()
    (file,) = tmp_path.glob("*.jsonl")
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + damage(second))
    again = ReplyLog(tmp_path)
    assert again.damaged == 1 and again.get("k1") == {"text": "yes"} and again.get("k2") is None and again.get("k9") is None
    assert again.put("k2", {"text": "new"}) == {"text": "new"}
    assert ReplyLog(tmp_path).get("k2") == {"text": "new"}


WRITER = """
import sys
from pathlib import Path
from holdfast.endpoints.replies import ReplyLog
log = ReplyLog(Path(sys.argv[1]))
for i in range(10**9):
    log.put(f"k{i}", {"text": "x" * 3000, "i": i})
    print(i, flush=True)
"""


def test_what_was_kept_before_a_kill_is_there_after_it(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as run:
        lines = [run.stdout.readline() for _ in range(200)]
        os.kill(run.pid, signal.SIGKILL)
        lines += run.stdout.read().splitlines()
    told = max(int(line) for line in lines if line.strip())
    log = ReplyLog(tmp_path)
    assert all(log.get(f"k{i}")["i"] == i for i in range(told + 1)) and log.damaged <= 1 and len(log) <= told + 2


def test_a_full_disk_loses_the_line_in_flight_and_nothing_else(tmp_path, monkeypatch):
    log, real, state = ReplyLog(tmp_path), os.write, {"left": 2}
    log.put("k0", {"text": "a"})

    def write(fd, data):
        if len(data) < 10_000:
            return real(fd, data)
        state["left"] -= 1
        if state["left"] == 0:
            raise OSError(28, "No space left on device")
        return real(fd, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space"):
        log.put("big", {"text": "y" * 20_000})
    monkeypatch.undo()
    assert log.put("k1", {"text": "b"}) == {"text": "b"}
    log.close()
    again = ReplyLog(tmp_path)
    assert (again.get("k0"), again.get("big"), again.get("k1"), again.damaged) == ({"text": "a"}, None, {"text": "b"}, 1)


def test_nothing_of_the_line_but_key_and_reply_is_written(tmp_path):
    ReplyLog(tmp_path).put("k", {"text": "a"})
    (file,) = tmp_path.glob("*.jsonl")
    assert set(json.loads(file.read_text())) == {"key", "reply", "sha256"}
