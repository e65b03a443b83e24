"""A share of benchmarks/kill_matrix.py: one run folder struck in every stage, in four ways, ends in the bytes of a run nobody touched."""

from __future__ import annotations

import random
import signal
from types import SimpleNamespace

import pytest
from benchmarks import kill_matrix
from benchmarks.kill_matrix import BLOWS, STAGES, Trial

from holdfast.store import Store


@pytest.mark.slow
def test_a_run_struck_in_every_stage_ends_in_the_same_bytes(tmp_path):
    expected = kill_matrix.undisturbed(tmp_path / "whole")
    trials = kill_matrix.chain(0, tmp_path / "chain", expected, seed=0, strikes=1)
    assert not [f"{t.stage}, {t.blow}: {t.wrong}" for t in trials if t.wrong]
    assert [t.stage for t in trials] == list(STAGES) and sum(not t.late for t in trials) >= 6
    assert not trials[STAGES.index("measuring")].late  # its workers were found
    assert {t.blow.split(",")[0] for t in trials} == {*BLOWS}


INTERRUPTED = "holdfast: interrupted; finished cells are kept, run it again to resume"
FULL = "holdfast: -o/--out: x: No space left on device; free some space"


@pytest.mark.parametrize(("blow", "code", "lines", "left"), [
    ("SIGTERM, group", 143, [INTERRUPTED], False), ("SIGTERM, process", 130, ["something else"], False), ("SIGTERM, group", 130, [INTERRUPTED], True),
    ("SIGKILL, worker", 1, [], False), ("SIGKILL, process", 0, [], False), ("full disk, disk", 2, ["Traceback (most recent call last):", FULL], False),
    ("full disk, disk", 3, [FULL], False), ("full disk, disk", 2, [FULL, FULL], False), ("not writable, folder", 2, [FULL], False),
])  # fmt: skip
def test_what_ends_otherwise_is_seen(tmp_path, blow, code, lines, left):
    place = SimpleNamespace(cells=lambda _: [])
    trial = Trial(0, "training", blow)
    kill_matrix.judge(trial, SimpleNamespace(lines=lines, left=left), code, place)
    assert trial.wrong and not trial.late


def test_a_corrupt_cell_and_what_is_left_over_are_seen(tmp_path):
    store = Store(tmp_path / "place" / "out" / "cells")
    with store.making("trials-1", {}) as draft:
        (draft / "a.txt").write_text("x")
    place = kill_matrix.Place.__new__(kill_matrix.Place)
    place.root, place.out = tmp_path / "place", tmp_path / "place" / "out"
    trial = Trial(0, "training", "SIGTERM, group")
    kill_matrix.judge(trial, SimpleNamespace(lines=[INTERRUPTED], left=False), 130, place)
    assert not trial.wrong and place.left() == []
    (store.folder / "trials-1" / "a.txt").write_text("y")
    store.partial("adapter-1").touch()
    kill_matrix.judge(trial, SimpleNamespace(lines=[INTERRUPTED], left=False), 130, place)
    assert trial.wrong == ["trials-1 is corrupt"] and place.left() == ["out/cells/.partial-adapter-1.safetensors"]


def test_two_chains_meet_every_stage_with_every_blow():
    met = {(stage, BLOWS[(chain + i + 2 * turn) % len(BLOWS)]) for chain in (0, 1) for i, stage in enumerate(STAGES) for turn in (0, 1)}
    assert len(met) == len(STAGES) * len(BLOWS)


def test_a_blow_falls_on_the_process_or_its_group():
    sent = []
    run = SimpleNamespace(process=SimpleNamespace(pid=7), workers=lambda: [8])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kill_matrix.os, "kill", lambda *a: sent.append(a))
        patch.setattr(kill_matrix.os, "killpg", lambda *a: sent.append((-a[0], a[1])))
        aims = {kill_matrix.strike(blow, run, None, random.Random(i)) for i in range(40) for blow in ("SIGTERM", "SIGKILL")}
    assert aims == {"SIGTERM, process", "SIGTERM, group", "SIGKILL, process", "SIGKILL, group", "SIGKILL, worker"}
    assert {*sent} == {(7, signal.SIGTERM), (-7, signal.SIGTERM), (7, signal.SIGKILL), (-7, signal.SIGKILL), (8, signal.SIGKILL)}
