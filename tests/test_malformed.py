"""A share of benchmarks/malformed.py: bad input of every kind through the command line is refused in one line, and good input is not."""

import random
import warnings

import pytest
from benchmarks import malformed
from benchmarks.malformed_cases import common, rows, studies, transcripts

EACH = {"study": 60, "settings": 45, "rows": 60, "transcripts": 50, "checkpoints": 12, "adapters": 8, "adapter folders": 30, "folders": 45}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("malformed")
    base, run = malformed.checkpoint(scratch), malformed.finished_run(scratch)
    by_kind = {}
    for case in (*malformed.corpus(base, run), *malformed.mutations(7, 90)):
        by_kind.setdefault(case.kind, []).append(case)
    (scratch / "cases").mkdir()
    return malformed.Runner(scratch / "cases"), by_kind, run


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


def test_the_same_input_undamaged_is_taken(given):
    runner, _, run = given
    good = [common.Case("good", c, lambda _, c=c: [c, str(run)], must=False) for c in ("report", "analyze", "audit", "tables")]
    good += [rows.rows_case(kind, "good", common.line(row), must=False) for kind, row in rows.GOOD.items()]
    good += [studies.study_case("good", common.SMALL, must=False)]
    good += [
        common.Case("good", "rescore", lambda f: ["rescore", str(common.put(f / "t.jsonl", common.line(transcripts.REPLY)))], must=False)
    ]
    for case in good:
        result = runner(case)
        assert result.code == 0, (case.name, result.lines, result.trace)


def test_what_ends_otherwise_is_seen():
    case = common.Case("x", "x", lambda _: [])
    fine = ["holdfast: field: value: rule"]
    assert malformed.Result(2, fine, 0.0).wrong(case) is None and malformed.Result(3, fine, 0.0).wrong(case) is None
    for result in (malformed.Result(0, [], 0.0), malformed.Result(2, [], 0.0), malformed.Result(2, fine * 2, 0.0), malformed.Result(1, fine, 0.0),
                   malformed.Result(2, ["Usage: holdfast"], 0.0), malformed.Result(None, fine, 0.0, "Traceback\nValueError: x")):  # fmt: skip
        assert result.wrong(case)
    taken = common.Case("x", "x", lambda _: [], must=False)
    assert (
        malformed.Result(0, [], 0.0).wrong(taken) is None and malformed.Result(0, [], 0.0, number="5, not 50").wrong(taken) == "5, not 50"
    )
