"""A cell exists complete or not at all, and is never trusted when its bytes have changed."""

import dataclasses
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast import locks
from holdfast.errors import ConfigError, ResourceError
from holdfast.locks import HOST
from holdfast.records import Message, Prompt
from holdfast.store import MANIFEST, Store, canonical, copy_atomic, digest, is_whole, no_room, write_atomic


@contextmanager
def nobody_special():
    """A folder for anybody, and this process without a superuser's rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        before = os.geteuid()
        os.seteuid(65534 if before == 0 else before)
        try:
            yield Path(folder)
        finally:
            os.seteuid(before)


def make(store, identity, text="x"):
    name = store.name("trials", identity)
    with store.making(name, identity) as draft:
        (draft / "a.txt").write_text(text)
    return name


def test_a_finished_cell_is_found_and_its_name_depends_on_every_input(tmp_path):
    store = Store(tmp_path / "cells")
    name = make(store, {"seed": 0})
    assert (store.find(name) / "a.txt").read_text() == "x"
    assert name != store.name("trials", {"seed": 1}) != store.name("adapter", {"seed": 1})


def test_an_error_while_making_leaves_nothing(tmp_path):
    store = Store(tmp_path / "cells")
    with pytest.raises(RuntimeError), store.making("trials-1", {}) as draft:
        (draft / "a.txt").write_text("half")
        raise RuntimeError
    assert store.find("trials-1") is None and list((tmp_path / "cells").iterdir()) == []


def test_a_corrupted_cell_is_said_and_made_again(tmp_path):
    said = []
    name = make(Store(tmp_path / "cells"), {"seed": 0})
    (tmp_path / "cells" / name / "a.txt").write_text("y")
    store = Store(tmp_path / "cells", said.append)
    assert store.find(name) is None and "made again" in said[0]


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "{}", '{"files": {}}', '{"files": []}', '{"files": {"a.txt": 7}}', '{"files": {"gone": "00"}}',
                                  '{"files": {"..": "00"}}', "[" * 100_000])  # fmt: skip
def test_a_cell_with_a_damaged_manifest_is_said_and_made_again(tmp_path, text):
    said = []
    name = make(Store(tmp_path / "cells"), {"seed": 0})
    (tmp_path / "cells" / name / MANIFEST).write_text(text)
    store = Store(tmp_path / "cells", said.append)
    assert store.find(name) is None and len(said) == 1 and not (tmp_path / "cells" / name).exists()
    assert make(store, {"seed": 0}) == name and (store.find(name) / "a.txt").read_text() == "x"


def test_a_pipe_in_a_file_s_place_is_not_waited_for(tmp_path):
    name = make(Store(tmp_path / "cells"), {"seed": 0})
    (tmp_path / "cells" / name / "a.txt").unlink()
    os.mkfifo(tmp_path / "cells" / name / "a.txt")
    assert Store(tmp_path / "cells").find(name) is None


def test_a_cell_that_may_not_be_read_is_not_taken_for_damaged():
    with nobody_special() as folder:
        name = make(Store(folder / "cells"), {"seed": 0})
        (folder / "cells" / name / "a.txt").chmod(0o000)
        with pytest.raises(PermissionError):
            Store(folder / "cells").find(name)
        (folder / "cells" / name / "a.txt").chmod(0o600)
        assert Store(folder / "cells").find(name) is not None


def test_a_folder_that_may_not_be_written_is_one_clear_error():
    with nobody_special() as folder:
        (folder / "cells").mkdir(mode=0o555)
        with pytest.raises(ConfigError, match=r"-o/--out: .* cannot be written \(Permission denied\)"):
            Store(folder / "cells")


def test_files_of_a_cell_are_those_of_its_manifest(tmp_path):
    store = Store(tmp_path / "cells")
    name = make(store, {"seed": 0})
    place = store.find(name)
    (place / ".DS_Store").write_text("a visitor")
    assert store.files(place) == {"a.txt": digest(b"x")} and Store(tmp_path / "cells").find(name) == place
    assert (place / ".DS_Store").read_text() == "a visitor"


def test_two_writers_of_one_cell_do_not_disturb_each_other(tmp_path):
    first, second = Store(tmp_path / "cells"), Store(tmp_path / "cells")
    with first.making("trials-1", {}) as a, second.making("trials-1", {}) as b:
        (a / "f").write_text("same")
        (b / "f").write_text("same")
    assert Store(tmp_path / "cells").find("trials-1") is not None


def test_a_cell_that_another_process_made_again_meanwhile_is_not_deleted(tmp_path):
    other = Store(tmp_path / "cells")
    name = make(other, {"seed": 0})
    (tmp_path / "cells" / name / "a.txt").write_text("y")

    def meanwhile(_):
        shutil.rmtree(tmp_path / "cells" / name)
        make(other, {"seed": 0})

    assert Store(tmp_path / "cells", meanwhile).find(name) is not None  # once it has been seen to be damaged, before it is taken away
    assert is_whole(tmp_path / "cells" / name) and [p.name for p in (tmp_path / "cells").iterdir()] == [name]


def test_a_damaged_cell_in_the_way_is_replaced_and_a_whole_one_stays(tmp_path):
    said = []
    store = Store(tmp_path / "cells", said.append)
    for inside in ("damaged", "x"):
        with store.making("trials-1", {}) as draft:
            (draft / "a.txt").write_text("x")
            other = Store(tmp_path / "cells")
            shutil.rmtree(tmp_path / "cells" / "trials-1", ignore_errors=True)
            with other.making("trials-1", {}) as theirs:
                (theirs / "a.txt").write_text("x")
            before = (tmp_path / "cells" / "trials-1").stat().st_ino
            (tmp_path / "cells" / "trials-1" / "a.txt").write_text(inside)
        assert (Store(tmp_path / "cells").find("trials-1") / "a.txt").read_text() == "x"
        assert ((tmp_path / "cells" / "trials-1").stat().st_ino == before) == (inside == "x")
    assert len(said) == 1 and [p.name for p in (tmp_path / "cells").iterdir()] == ["trials-1"]


@pytest.mark.parametrize("files", ["[]", "7", '{"a.txt": 7}', '{"../../secret": "x"}', "[" * 99_999])
def test_a_manifest_of_nonsense_is_a_damaged_cell(tmp_path, files):
    name = make(Store(tmp_path / "cells"), {"seed": 0})
    (tmp_path / "cells" / name / MANIFEST).write_text('{"files": ' + files + "}")
    assert Store(tmp_path / "cells").find(name) is None and not (tmp_path / "cells" / name).exists()


def test_foreign_files_are_left_alone_and_drafts_of_dead_processes_swept(tmp_path):
    store = Store(tmp_path / "cells")
    (tmp_path / "cells" / "mine.txt").write_text("keep")
    (tmp_path / "cells" / f".draft-{HOST}-999999999-aa").mkdir()
    (tmp_path / "cells" / f".draft-{HOST}-{os.getpid()}-bb").mkdir()  # of an earlier process with this one's number
    (tmp_path / "cells" / f".draft-{HOST}-1-cc.lock").touch()  # killed before it wrote anything
    for name in ("another.host-1-aa", "long.gone-1-aa"):
        (tmp_path / "cells" / f".draft-{name}").mkdir()
    os.utime(tmp_path / "cells" / ".draft-long.gone-1-aa", (0, 0))
    store.sweep()
    assert sorted(p.name for p in (tmp_path / "cells").iterdir()) == [".draft-another.host-1-aa", "mine.txt"]


def test_a_draft_is_kept_while_its_process_runs_whatever_its_number_means_here(tmp_path, monkeypatch):
    store = Store(tmp_path / "cells")
    with monkeypatch.context() as context:
        context.setattr(os, "getpid", lambda: 999999999)  # a container's number, unknown to the machine it shares its name with
        making = store.making("trials-1", {})
        draft = making.__enter__()
    (draft / "a.txt").write_text("x")
    Store(tmp_path / "cells").sweep()
    making.__exit__(None, None, None)
    assert (Store(tmp_path / "cells").find("trials-1") / "a.txt").read_text() == "x"


def test_the_draft_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path):
    code = """if True:
        import sys, time
        from pathlib import Path
        from holdfast.store import Store
        with Store(Path(sys.argv[1])).making("trials-1", {}) as draft:
            (draft / "a.txt").write_text("half")
            print("there", flush=True)
            time.sleep(600)"""
    store = Store(tmp_path / "cells")
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "cells"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"there\n"
        store.sweep()
        assert len(list((tmp_path / "cells").glob(".draft-*/a.txt"))) == 1
        process.send_signal(signal.SIGKILL)
    store.sweep()
    assert list((tmp_path / "cells").iterdir()) == []


def test_a_lock_that_was_swept_before_it_was_held_is_taken_anew(tmp_path, monkeypatch):
    held = locks.fcntl.flock
    swept = []

    def late(handle, how):
        if not swept and how == locks.fcntl.LOCK_EX:
            swept.append(True)
            locks.sweep(tmp_path)
        return held(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with locks.draft(tmp_path) as draft:
        draft.write_text("x")
        locks.sweep(tmp_path)
        assert swept and draft.read_text() == "x"
    assert list(tmp_path.iterdir()) == []


def test_where_locks_are_unknown_drafts_are_written_and_left_alone(tmp_path, monkeypatch):
    def unknown(handle, how):
        raise OSError(errno.EOPNOTSUPP, "no locks here")

    monkeypatch.setattr(locks.fcntl, "flock", unknown)
    store = Store(tmp_path / "cells")
    with store.making("trials-1", {}) as draft:
        (draft / "a.txt").write_text("x")
        store.sweep()
    assert store.find("trials-1") is not None


def test_the_partial_state_of_a_cell_goes_when_it_is_finished(tmp_path):
    store = Store(tmp_path / "cells")
    store.partial("trials-1").write_text("state")
    store.sweep()
    assert store.partial("trials-1").is_file()
    with store.making("trials-1", {}) as draft:
        (draft / "a.txt").write_text("x")
    assert not store.partial("trials-1").exists()
    store.partial("trials-1").write_text("of another process that was killed later")
    store.sweep()
    assert [p.name for p in (tmp_path / "cells").iterdir()] == ["trials-1"]


@contextmanager
def small_files():
    """No file may grow beyond 10 bytes: what a full disk does, without one. Inside a test alone: the file that tests report to is one, too."""
    old, before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


def test_a_full_disk_is_one_error_with_the_fix_and_leaves_nothing(tmp_path):
    store = Store(tmp_path / "cells")
    with small_files():
        with (
            pytest.raises(ResourceError, match="File too large; free some space .* .finished cells are kept"),
            store.making("t-1", {}) as draft,
        ):
            (draft / "a.txt").write_text("x" * 99)
        with pytest.raises(ResourceError, match="findings.json: File too large; free"):
            write_atomic(tmp_path / "findings.json", b"x" * 99)
    assert [p.name for p in tmp_path.rglob("*")] == ["cells"]


def test_what_other_libraries_say_of_a_full_disk_is_understood(tmp_path):
    from safetensors import SafetensorError

    full = SafetensorError('Error while serializing: I/O error: Os { code: 28, kind: StorageFull, message: "No space left on device" }')
    assert no_room(full, tmp_path) == no_room(SafetensorError("I/O error: x (os error 28)"), tmp_path) == "No space left on device"
    assert no_room(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "cells" / "x")), tmp_path) == "Permission denied"
    assert no_room(PermissionError(errno.EACCES, "Permission denied", "/somebody/elses"), tmp_path) is None
    assert (
        no_room(FileNotFoundError(errno.ENOENT, "No such file", "x"), tmp_path) is None and no_room(ValueError("code 28"), tmp_path) is None
    )


def test_equal_values_have_equal_digests_and_nan_is_refused():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"x": float("nan")})


def test_a_dataclass_has_the_digest_of_its_fields():
    prompts = [Prompt(condition="neutral", messages=(Message("user", "one"), Message("assistant", "two")), choices=("A", "B"))]
    assert canonical(prompts) == canonical([dataclasses.asdict(p) for p in prompts]) and json.loads(canonical(prompts))[0]["choices"] == [
        "A",
        "B",
    ]
    with pytest.raises(TypeError, match="set is not a JSON value"):
        canonical({"x": {1}})


def test_an_unwritable_output_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        Store(tmp_path / "file" / "cells")


def test_unchanged_bytes_are_not_written_again(tmp_path):
    write_atomic(tmp_path / "f", b"abc")
    before = (tmp_path / "f").stat().st_mtime_ns
    write_atomic(tmp_path / "f", b"abc")
    assert (tmp_path / "f").stat().st_mtime_ns == before


@pytest.mark.parametrize("write", [lambda p: write_atomic(p, bytes(5000)), lambda p: copy_atomic(p.with_name("source"), p)])
def test_a_full_disk_names_the_file_keeps_what_was_there_and_leaves_nothing_beside(tmp_path, write):
    (tmp_path / "source").write_bytes(bytes(5000))
    (tmp_path / "f").write_bytes(b"before")
    with small_files(), pytest.raises(ResourceError, match=f"{tmp_path / 'f'}: {os.strerror(errno.EFBIG)}"):
        write(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "source"]
    write(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == bytes(5000)


def test_a_copy_is_made_where_bytes_differ_and_only_there(tmp_path):
    (tmp_path / "source").write_bytes(b"abc")
    (tmp_path / "f").write_bytes(b"abd")
    copy_atomic(tmp_path / "source", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"abc"
    before = (tmp_path / "f").stat().st_mtime_ns
    copy_atomic(tmp_path / "source", tmp_path / "f")
    assert (tmp_path / "f").stat().st_mtime_ns == before
