"""A share of benchmarks/malformed.py: bad input of every kind through the command line is refused in one line, and good input is not."""

import dataclasses
import random
import shutil
import warnings

import pytest
from benchmarks import bit_flips, malformed
from benchmarks.malformed_cases import common, rows, studies, transcripts

from holdfast import store

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
EACH = {
    "study": 60,
    "settings": 45,
    "rows": 60,
    "transcripts": 50,
    "checkpoints": 12,
    "templates": 30,
    "adapters": 8,
    "adapter folders": 30,
    "folders": 45,
    "sealed": 60,
    "servers": 60,
}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("malformed")
    base, run = malformed.checkpoint(scratch), malformed.finished_run(scratch)
    by_kind = {}
    for case in (*malformed.corpus(base, run), *malformed.mutations(7, 90)):
        by_kind.setdefault(case.kind, []).append(case)
    (scratch / "cases").mkdir()
    return malformed.Runner(scratch / "cases"), by_kind, run


@pytest.mark.slow
@pytest.mark.parametrize("kind", EACH)
def test_malformed_input_is_refused_in_one_line(given, kind):
    runner, by_kind, _ = given
    chosen = random.Random(kind).sample(by_kind[kind], EACH[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)
        results = [(case, runner(case)) for case in chosen]
    wrong = [f"{case.name}: {said}" for case, result in results if (said := result.wrong(case))]
    assert not wrong, "\n".join(wrong)
    assert sum(result.code == 2 for _, result in results) > EACH[kind] / 2


@pytest.mark.slow
def test_the_same_input_undamaged_is_taken(given, tmp_path):
    runner, _, run = given
    run = shutil.copytree(run, tmp_path / "run")  # `tables` writes into it
    good = [common.Case("good", c, lambda _, c=c: [c, str(run)], must=False) for c in ("report", "analyze", "audit", "tables")]
    good += [rows.rows_case(kind, "good", common.line(row), must=False) for kind, row in rows.GOOD.items()]
    good += [studies.study_case("good", common.SMALL, must=False)]
    good += [
        common.Case("good", "rescore", lambda f: ["rescore", str(common.put(f / "t.jsonl", common.line(transcripts.REPLY)))], must=False)
    ]
    for case in good:
        result = runner(case)
        assert result.code == 0, (case.name, result.lines, result.trace)


@pytest.mark.slow
def test_accepted_input_gives_its_right_value(given):
    runner, by_kind, _ = given
    chosen = random.Random("values").sample(by_kind["values"], 50)
    results = [(case, runner(case)) for case in chosen]
    wrong = [f"{case.name}: {result.wrong(case) or result.lines}" for case, result in results if result.wrong(case) or result.code]
    assert not wrong, "\n".join(wrong)


def test_what_ends_otherwise_is_seen():
    case = common.Case("x", "x", lambda _: [])
    fine = ["holdfast: field: value: rule"]
    assert malformed.Result(2, fine, 0.0).wrong(case) is None and malformed.Result(3, fine, 0.0).wrong(case) is None
    for result in (malformed.Result(0, [], 0.0), malformed.Result(2, [], 0.0), malformed.Result(2, fine * 2, 0.0), malformed.Result(1, fine, 0.0),
                   malformed.Result(2, ["Usage: holdfast"], 0.0), malformed.Result(None, fine, 0.0, "Traceback\nValueError: x")):  # fmt: skip
        assert result.wrong(case)
    told = ["a remark on the input", *fine]
    assert malformed.Result(2, told, 0.0).wrong(case) and not malformed.Result(2, told, 0.0).wrong(
        dataclasses.replace(case, remark="a remark")
    )
    taken = common.Case("x", "x", lambda _: [], must=False)
    assert (
        malformed.Result(0, [], 0.0).wrong(taken) is None and malformed.Result(0, [], 0.0, number="5, not 50").wrong(taken) == "5, not 50"
    )


def flipped(given, tmp_path, places, seed, commands):
    _, _, run = given
    (tmp_path / "small.yaml").write_text(common.SMALL)
    return bit_flips.flips(shutil.copytree(run, tmp_path / "run"), tmp_path, places, seed, commands)


@pytest.mark.slow
def test_no_flipped_bit_is_read_without_a_word(given, tmp_path):
    found = flipped(given, tmp_path, 40, 1, ("analyze", "compare", "Findings"))
    assert sum(found.values()) > 80 and not [key for key in found if key[2] == "SILENT"]
    assert sum(n for (_, _, became), n in found.items() if became == "named") >= 6


@pytest.mark.slow
def test_a_run_names_or_heals_every_flipped_bit(given, tmp_path):
    found = flipped(given, tmp_path, 20, 2, ("run", "audit", "report"))
    assert not [key for key in found if key[2] == "SILENT"]
    # Of a finished run, `run` reads every file but what its audit was made from.
    assert {kind for kind, command, became in found if command == "run" and became == "not read"} <= {"cells/invariance/invariance.json"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 4, 9])
def test_a_run_that_is_killed_between_two_writes_can_be_resumed_from_its_own_study(given, tmp_path, monkeypatch, number):
    _, _, run = given
    out = shutil.copytree(run, tmp_path / "run")
    whole = bit_flips.files_of(out)
    for name in whole:
        if not name.startswith("cells/") and name != "timing.json":
            (out / name).write_bytes(b"of an earlier form of the study")
    (tmp_path / "small.yaml").write_text(common.SMALL)
    replace, writes = store.replace_file, []

    def killed(path, write):
        writes.append(path)
        if len(writes) > number:
            raise SystemExit(137)
        replace(path, write)

    with monkeypatch.context() as context:
        context.setattr(store, "replace_file", killed)
        assert bit_flips.call("run", out, tmp_path / "small.yaml", out).code == 137
    own = out / "study.yaml" if number else tmp_path / "small.yaml"  # the study is what is written first
    ended = bit_flips.call("run", out, own, out)
    assert ended.code == 0, ended.said
    assert {n: d for n, d in ended.files.items() if n != "manifest.json"} == {n: d for n, d in whole.items() if n != "manifest.json"}
    assert bit_flips.call("analyze", out, own, out).said == ""
