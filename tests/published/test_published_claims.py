"""Each claim's status follows from rules on computed values: change a value and the status changes."""

import json

import pytest
from conftest_published import analyzed, claim, edit_csv, edit_json, edit_yaml, statuses, write_study

from holdfast.errors import DataError
from holdfast_llama2_7b.claims import STATUSES
from holdfast_llama2_7b.words import say

EXPECTED = {
    "combined_gain": "not identified",
    "combined_doubt": "not identified",
    "combined_feedback": "cited defect",
    "combined_mean_shift": "not identified",
    "gsm8k_protective": "contradicted by its own table",
    "gsm8k_doubt_correlation": "contradicted by its own table",
    "gsm8k_feedback_correlation": "contradicted by its own table",
    "hellaswag_feedback_correlation": "contradicted by its own table",
    "truthfulqa_doubt_correlation": "contradicted by its own table",
    "truthfulqa_driver": "not identified",
    "answer_universal": "not identified",
    "amplifier": "not identified",
}


def test_every_claim_of_the_published_study_gets_one_status_and_one_sentence(published):
    assert statuses(published) == EXPECTED
    for c in published.findings["claims"]:
        assert c["status"] in STATUSES and c["reason"] and "\n" not in c["reason"] and c["evidence"]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("combined_gain", ["+0.183", "+0.150", "200 of 200", "+0.044"]),
        ("combined_doubt", ["278", "193", "0.000 to 0.927", "0.193 to 0.837", "overlap"]),
        ("combined_feedback", ["116 of 150"]),
        ("combined_mean_shift", ["+0.064", "+0.080", "-0.733", "+0.837"]),
        ("gsm8k_protective", ["-0.028", "MMLU has -0.006"]),
        ("gsm8k_doubt_correlation", ["+0.535", "-0.805", "HellaSwag x feedback"]),
        ("gsm8k_feedback_correlation", ["+0.114", "-0.613", "GSM8K x answer"]),
        ("hellaswag_feedback_correlation", ["-0.805", "+0.651", "HellaSwag x answer"]),
        ("truthfulqa_doubt_correlation", ["+0.771", "+0.718"]),
        ("truthfulqa_driver", ["+0.097", "+0.080", "411 of 411"]),
        ("answer_universal", ["30 % to 40 %", "220 of the 300"]),
        ("amplifier", ["+0.193", "+0.110", "+0.117", "+0.160", "606", "99 to 168"]),
    ],
)
def test_the_reason_gives_the_computed_numbers(published, name, numbers):
    assert all(n in claim(published, name)["reason"] for n in numbers), claim(published, name)["reason"]


def test_a_sentence_may_not_state_a_number_of_its_own():
    assert say("{k} of them", k=1200).text == "1,200 of them"
    with pytest.raises(ValueError, match="number of its own"):
        say("3 of {n}", n=4)


def test_a_changed_table_value_contradicts_the_claim_that_rests_on_it(copy):
    edit_csv(copy / "complete_results.csv", "combined", "feedback_sycophancy_change", "0.05")
    edit_csv(copy / "performance_changes.csv", "combined", "feedback_sycophancy_change", "0.05")
    found = analyzed(copy)
    assert claim(found, "combined_feedback")["status"] == "contradicted by its own table"
    assert "+0.050" in claim(found, "combined_feedback")["reason"] and "+0.117" in claim(found, "combined_feedback")["reason"]


def test_changed_counts_contradict_the_gain(copy):
    edit_json(
        copy / "post_fine_tuning" / "all_benchmarks_results.json", lambda f: f["benchmarks"]["mmlu"].update(correct=307, accuracy=0.614)
    )
    assert claim(analyzed(copy), "combined_gain")["status"] == "contradicted by its own table"


def test_a_correlation_that_is_its_own_cells_is_no_longer_contradicted_and_no_claim_either(copy):
    edit_yaml(copy / "claims.yaml", lambda f: next(c for c in f["claims"] if c["id"] == "gsm8k_feedback_correlation").update(value=0.114))
    assert claim(analyzed(copy), "gsm8k_feedback_correlation")["status"] == "not identified"


def test_the_only_protective_one_holds_as_long_as_no_other_mean_is_below_zero(copy):
    edit_json(copy / "post_fine_tuning" / "mmlu_results.json", lambda f: f["sycophancy"]["answer"].update(sycophantic=60, score=0.2))
    for file in ("complete_results.csv", "performance_changes.csv"):
        edit_csv(copy / file, "mmlu", "answer_change", str(0.2 - 53 / 300))
    found = claim(analyzed(copy), "gsm8k_protective")
    assert found["status"] == "not identified" and "audit: coverage" in found["evidence"]


def test_without_the_cited_fact_the_feedback_claim_describes_its_adapter(copy):
    edit_yaml(copy / "claims.yaml", lambda f: f["facts_not_in_the_tables"].pop("feedback_keyword_cases_at_least"))
    found = claim(analyzed(copy), "combined_feedback")
    assert found["status"] == "stands" and found["rule"] == 6


@pytest.mark.slow
def test_first_answers_that_were_all_read_identify_doubt_up_to_the_shared_questions(copy):
    for path in (copy / "post_fine_tuning").glob("*.json"):
        edit_json(path, lambda f: f["sycophancy"]["are_you_sure"]["edge_cases"].update(no_detection=0))
    edit_yaml(copy / "claims.yaml", lambda f: f["facts_not_in_the_tables"]["base_unparsed"].update(are_you_sure_first_answer=0))
    found = claim(analyzed(copy), "combined_doubt")
    assert found["status"] == "not identified" and "audit: overlap" in found["evidence"] and "audit: coverage" not in found["evidence"]
    edit_json(copy / "derived.json", lambda f: f["overlap"]["train"].update(doubt=0, imitation=0))
    assert claim(analyzed(copy), "combined_doubt")["status"] == "stands"


def test_a_balanced_key_leaves_the_gain_with_the_parsers_cited_defect_and_then_standing(copy):
    edit_json(copy / "derived.json", lambda f: f["keys"].update(truthfulqa={"A": 60, "B": 50, "C": 45, "D": 45}))
    assert claim(analyzed(copy), "combined_gain")["status"] == "cited defect"
    edit_yaml(copy / "claims.yaml", lambda f: f["facts_not_in_the_tables"]["gsm8k_extractor_keeps_full_stop"].update(value=False))
    assert claim(analyzed(copy), "combined_gain")["status"] == "stands"


def test_a_range_that_is_too_narrow_contradicts_the_universal_fall(copy):
    edit_yaml(copy / "claims.yaml", lambda f: next(c for c in f["claims"] if c["id"] == "answer_universal").update(text="by 35-40 %"))
    found = claim(analyzed(copy), "answer_universal")
    assert found["status"] == "contradicted by its own table" and "34 %" in found["reason"]


def test_mixing_that_never_exceeds_the_sum_contradicts_amplification(copy):
    edit_json(
        copy / "post_fine_tuning" / "all_benchmarks_results.json",
        lambda f: f["sycophancy"]["are_you_sure"].update(sycophantic=30, score=0.1),
    )
    found = claim(analyzed(copy), "amplifier")
    assert found["status"] == "contradicted by its own table" and "+0.160" in found["reason"]


def test_a_clean_study_raises_no_finding_and_its_adapters_claims_stand(tmp_path):
    found = analyzed(write_study(tmp_path / "clean"))
    raised = {e["check"] for e in found.audit if e["level"] != "ok" and e["check"] != "published_claim"}
    assert raised == {"seeds", "correlation"}
    got = statuses(found)
    assert {got[c] for c in ("combined_gain", "combined_doubt", "combined_feedback", "combined_mean_shift")} == {"stands"}
    assert all(s in ("stands", "not identified") for s in got.values())
    unsaid = {c: claim(found, c)["rule"] for c, s in got.items() if s == "not identified"}
    assert {r for c, r in unsaid.items() if "correlation" in c} == {2} and {r for c, r in unsaid.items() if "correlation" not in c} == {4}


def test_claims_on_training_stand_only_from_three_seeds(tmp_path):
    one, three = (statuses(analyzed(write_study(tmp_path / str(n), seeds=n))) for n in (1, 3))
    assert one["gsm8k_protective"] == one["amplifier"] == "not identified"
    assert three["gsm8k_protective"] == three["amplifier"] == three["truthfulqa_driver"] == "stands"
    assert three["gsm8k_feedback_correlation"] == "not identified"  # five mixes make no correlation, whatever the seeds


def test_a_change_within_its_interval_over_items_is_not_identified(tmp_path):
    from conftest_published import PLAUSIBLE

    hits = {**PLAUSIBLE, "combined": (*PLAUSIBLE["combined"][:4], 95, *PLAUSIBLE["combined"][5:])}
    found = claim(analyzed(write_study(tmp_path / "s", hits)), "combined_feedback")
    assert found["status"] == "not identified" and found["rule"] == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["claims"][0].update(id="unheard_of"), "unheard_of"),
        (lambda f: f["claims"].append(dict(f["claims"][0])), "occurs twice"),
        (lambda f: f["claims"][0].update(value="much"), "combined_gain: value: 'much'"),
        (lambda f: f["claims"][1].update(value=[0.1]), "must be 2 numbers"),
        (lambda f: f["claims"][0].pop("text"), "claims.0.text: is missing"),
        (lambda f: f["facts_not_in_the_tables"]["training"].update(seeds="one"), "training.seeds"),
        (lambda f: f["facts_not_in_the_tables"]["base_unparsed"].pop("answer_neither"), "base_unparsed.answer_neither"),
        (lambda f: f.update(claims=None), "claims"),
    ],
)
def test_claims_that_cannot_be_read_are_named(copy, change, words):
    edit_yaml(copy / "claims.yaml", change)
    with pytest.raises(DataError, match=words.replace("[", r"\[")) as error:
        analyzed(copy)
    assert "\n" not in str(error.value)


def test_audit_entries_have_the_projects_shape(published):
    for e in published.audit:
        assert set(e) <= {"check", "level", "claim", "evidence", "cell"} and e["level"] in ("ok", "warn", "refuse")
        assert json.dumps(e)
        if "cell" in e:
            adapter, instrument = e["cell"]
            assert e["level"] == "refuse"
            cell = next(a for a in published.findings["adapters"] if a["name"] == adapter)
            assert {**cell["gains"], **{n: s["behaviour"] for n, s in cell["shifts"].items()}}[instrument]["verdict"] == "refused"
    assert sum(e["check"] == "published_claim" and e["level"] == "refuse" for e in published.audit) == 12
