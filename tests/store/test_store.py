"""A cell exists complete or not at all, and is never trusted when its bytes have changed."""

import pytest

from holdfast.errors import ConfigError
from holdfast.store import HOST, Store, canonical, digest, write_atomic


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


def test_two_writers_of_one_cell_do_not_disturb_each_other(tmp_path):
    first, second = Store(tmp_path / "cells"), Store(tmp_path / "cells")
    with first.making("trials-1", {}) as a, second.making("trials-1", {}) as b:
        (a / "f").write_text("same")
        (b / "f").write_text("same")
    assert Store(tmp_path / "cells").find("trials-1") is not None


def test_foreign_files_are_left_alone_and_drafts_of_dead_processes_swept(tmp_path):
    store = Store(tmp_path / "cells")
    (tmp_path / "cells" / "mine.txt").write_text("keep")
    (tmp_path / "cells" / f".draft-{HOST}-999999999-aa").mkdir()
    (tmp_path / "cells" / ".draft-another.host-999999999-aa").mkdir()  # whose processes this machine cannot see
    store.sweep()
    assert sorted(p.name for p in (tmp_path / "cells").iterdir()) == [".draft-another.host-999999999-aa", "mine.txt"]


def test_equal_values_have_equal_digests_and_nan_is_refused():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"x": float("nan")})


def test_an_unwritable_output_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        Store(tmp_path / "file" / "cells")


def test_unchanged_bytes_are_not_written_again(tmp_path):
    write_atomic(tmp_path / "f", b"abc")
    before = (tmp_path / "f").stat().st_mtime_ns
    write_atomic(tmp_path / "f", b"abc")
    assert (tmp_path / "f").stat().st_mtime_ns == before
