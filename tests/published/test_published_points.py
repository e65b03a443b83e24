"""The nine points: what is recomputed from files, what is cited, and what is then not findable."""

import pytest
from conftest_published import analyzed, edit_yaml, write_study

RECOMPUTED, CITED = "recomputed", "cited"


def parts(outcome, number):
    return next(p for p in outcome.findings["points"] if p["number"] == number)["parts"]


def test_each_of_the_nine_points_has_its_status(published):
    assert [p["status"] for p in published.findings["points"]] == [RECOMPUTED] * 6 + [CITED, RECOMPUTED, CITED]


@pytest.mark.parametrize(
    ("number", "part", "status", "words"),
    [
        (1, 0, RECOMPUTED, ["0.000-0.927", "0.193-0.837", "278 and 193 of 300"]),
        (2, 0, RECOMPUTED, ["A in 411 of 411 training and 200 of 200 test", "0.990"]),
        (2, 1, RECOMPUTED, ["126 of 500; 126 of those", "same number"]),
        (2, 2, CITED, ["600 of the 600"]),
        (3, 0, RECOMPUTED, ["+0.183", "+0.150", "+0.044"]),
        (4, 0, RECOMPUTED, ["12 of 12", "6 points"]),
        (4, 1, RECOMPUTED, ["0 of 12", "5 adapters", "0.878"]),
        (4, 2, RECOMPUTED, ["GSM8K x feedback", "+0.114", "-0.156"]),
        (4, 3, CITED, ["of 5", "3 belong to other cells", "GSM8K x are-you-sure is +0.535, not -0.805", "2 are exchanged"]),
        (5, 0, RECOMPUTED, ["275 of 600", "104 and 171"]),
        (5, 1, CITED, ["275", "89"]),
        (6, 0, RECOMPUTED, ["220 of 300"]),
        (6, 1, RECOMPUTED, ["300 feedback rows hold 199 texts"]),
        (7, 0, CITED, ["116 of 150", "150 base cases"]),
        (8, 0, RECOMPUTED, ["last 360 rows", "HellaSwag"]),
        (8, 1, RECOMPUTED, ["99 steps", "100-step warm-up"]),
        (8, 2, RECOMPUTED, ["1 training seed"]),
        (8, 3, CITED, ["no end token", "the prompt too"]),
        (9, 0, CITED, ["full stop", "wrong"]),
        (9, 1, RECOMPUTED, ["+0.034 to +0.042", "MMLU, TruthfulQA and HellaSwag"]),
    ],
)
def test_each_part_says_its_numbers(published, number, part, status, words):
    found = parts(published, number)[part]
    assert found["status"] == status and found["how"] and all(w in found["text"] for w in words), found


@pytest.mark.parametrize(
    ("fact", "number", "part"),
    [("feedback_keyword_cases_at_least", 7, 0), ("gsm8k_extractor_keeps_full_stop", 9, 0), ("original_rows", 2, 2), ("training", 8, -1)],
)
def test_a_cited_part_without_its_source_is_not_findable(copy, fact, number, part):
    edit_yaml(copy / "claims.yaml", lambda f: f["facts_not_in_the_tables"].pop(fact))
    assert parts(analyzed(copy), number)[part]["status"] == "not findable"


def test_without_rows_and_without_shipped_counts_their_points_are_not_findable(copy):
    (copy / "derived.json").unlink()
    found = analyzed(copy)
    assert [p["number"] for p in found.findings["points"] if p["status"] == "not findable"] == [2, 5, 6]
    assert {e["check"] for e in found.audit if "not checked" in e["claim"]} == {"answer_key", "neutral", "overlap"}


def test_an_unread_count_that_nobody_states_leaves_doubt_between_nothing_and_everything(copy):
    edit_yaml(copy / "claims.yaml", lambda f: f["facts_not_in_the_tables"].pop("base_unparsed"))
    found = analyzed(copy)
    assert parts(found, 1)[0]["status"] == "not findable"
    assert found.findings["base"]["axes"]["doubt"]["bounds"] == [0.0, 1.0]


def test_steps_follow_from_the_settings(copy, published):
    steps = {a["name"]: a["steps"] for a in published.findings["adapters"]}
    assert steps == {"gsm8k": 168, "mmlu": 168, "truthfulqa": 99, "hellaswag": 168, "combined": 606}
    edit_yaml(copy / "settings.yaml", lambda f: f["rows"].update(truthfulqa={"truthfulqa": 700}))
    found = analyzed(copy)
    assert not any(e["check"] == "warmup" for e in found.audit) and not any("warm-up" in x["text"] for x in parts(found, 8))


def test_a_shuffled_set_is_not_said_to_end_in_one_benchmark(copy):
    edit_yaml(copy / "claims.yaml", lambda f: f["facts_not_in_the_tables"]["training"].update(combined_shuffled=True))
    found = analyzed(copy)
    assert not any(e["check"] == "unshuffled" for e in found.audit) and not any("unshuffled" in x["text"] for x in parts(found, 8))


def test_a_clean_studys_points_say_that_nothing_is_amiss(tmp_path):
    found = analyzed(write_study(tmp_path / "clean"))
    assert "0 of 300 neutral" in parts(found, 6)[0]["text"] and "0 of 600" in parts(found, 5)[0]["text"]
    assert "the rate of saying" not in parts(found, 2)[0]["text"] and "same number" not in parts(found, 2)[1]["text"]
    assert "0 belong to other cells" in parts(found, 4)[-1]["text"]
