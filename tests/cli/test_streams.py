"""Closed, full or abandoned streams, odd places to write, and the signals that end a run: one line where it can be written, the right exit code."""

import os
import signal
import subprocess
import sys
import time

import pytest

from holdfast.cli import options

HOLDFAST = f"{sys.executable} -m holdfast"


def shell(command, **more):
    return subprocess.run(["bash", "-o", "pipefail", "-c", command.replace("holdfast", HOLDFAST, 1)], capture_output=True, text=True, timeout=120, **more)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code", "out", "err"), [
    ("holdfast recipes 2>&-", 0, "embedded", ""),
    ("holdfast recipes <&-", 0, "embedded", ""),
    ("holdfast recipes 2>/dev/full", 0, "embedded", ""),
    ("holdfast recipes >&-", 2, "", "standard output is closed"),
    ("holdfast recipes >&- 2>&-", 2, "", ""),
    ("holdfast recipes >/dev/full", 2, "", "standard output: No space left on device"),
    ("holdfast schema >/dev/full", 2, "", "standard output: No space left on device"),
    ("holdfast schema | head -c 1", 0, "{", ""),
    ("holdfast schema 2>&- | head -c 1", 0, "{", ""),
    ("holdfast nosuch 2>&-", 2, "", ""),
    ("holdfast nosuch 2>/dev/full", 2, "", ""),
    ("holdfast nosuch >/dev/full", 2, "", "No such command 'nosuch'.; see: holdfast"),
    ("holdfast nosuch | true", 2, "", "No such command 'nosuch'.; see: holdfast"),
])  # fmt: skip
def test_streams(command, code, out, err):
    done = shell(command)
    assert done.returncode == code and done.stdout.startswith(out) and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (1 if err else 0) and (not err or done.stderr.startswith(f"holdfast: {err}"))
    if not out:
        assert done.stdout == ""


def test_a_terminal_s_encoding_that_lacks_a_letter_is_no_error():
    done = subprocess.run([sys.executable, "-m", "holdfast", "é\u4e2d"], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["", " ", "\t", "a\nb", "a\x1b[31m", "a\x00b", "a\udcff", "\u202ea", "a\x7f", "a\x85"])
@pytest.mark.parametrize("kind", [options.out_folder, options.out_file])
def test_a_place_that_cannot_be_named_is_refused(kind, place):
    with pytest.raises(options.BadParameter, match="must be a non-empty path in UTF-8 without control characters"):
        kind(place)


@pytest.mark.parametrize("place", ["/dev/null", "/dev/full", "/dev/stdout", "."])
def test_a_device_or_a_folder_is_not_replaced_by_a_file(place):
    with pytest.raises(options.BadParameter, match="is a folder, a device or a pipe; name a file"):
        options.out_file(place)


@pytest.mark.parametrize("place", ["a", "-x", "a b ", "ü/中.md", "~x", "a'b\"c"])
def test_a_place_with_an_ordinary_name_is_taken_as_typed(place):
    assert str(options.out_folder(place)) == str(options.out_file(place)) == place


WAITING = """if True:
    import signal, sys, time
    from holdfast import cli
    def wait():
        print("there", flush=True)
        time.sleep(60)
    cli._run = wait
    cli.main()"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_ends_a_command_in_one_line(number):
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == 130 and said == "holdfast: interrupted; finished cells are kept, run it again to resume\n"


def test_under_nohup_a_command_outlives_its_terminal():
    command = ["bash", "-c", f"trap '' HUP; exec {sys.executable} -c '{WAITING}'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert "interrupted" in process.stderr.read()
    assert process.returncode == 130
