"""Cohen's kappa against sklearn, statsmodels and its definition; when a judge may be used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa as reference
from statsmodels.stats.inter_rater import to_table

from holdfast.errors import StatisticsError
from holdfast.judges.agreement import Answer, Judgement, cohens_kappa, measure
from holdfast.judges.settings import judge_settings

ratings = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=2, max_size=60)
LOPSIDED = [("a", "a")] * 40 + [("a", "b")] * 3 + [("b", "b")] * 9 + [("c", "a")] * 2 + [("c", "c")] * 5 + [("b", "c")]


def both(pairs):
    return [p[0] for p in pairs], [p[1] for p in pairs]


@settings(deadline=None, max_examples=80)
@given(ratings)
def test_kappa_equals_sklearns_and_is_unknown_where_that_divides_by_zero(pairs):
    first, second = both(pairs)
    found = cohens_kappa(first, second)
    if len({*first, *second}) == 1:
        assert np.isnan(found.kappa) and np.isnan(found.lower) and found.raw == 1
    else:
        assert found.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
        assert found.raw == pytest.approx(np.mean([a == b for a, b in pairs]), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(ratings, st.randoms())
def test_kappa_does_not_depend_on_order_on_names_or_on_who_is_first(pairs, random):
    first, second = both(pairs)
    plain = cohens_kappa(first, second)
    shuffled = both(random.sample(pairs, len(pairs)))
    renamed = ([{"a": "z", "b": "q", "c": "a", "d": "m"}[x] for x in first], [{"a": "z", "b": "q", "c": "a", "d": "m"}[x] for x in second])
    for other in (cohens_kappa(second, first), cohens_kappa(*shuffled), cohens_kappa(*renamed)):
        for name in ("kappa", "se", "lower", "upper", "raw"):
            assert getattr(other, name) == pytest.approx(getattr(plain, name), abs=1e-9, nan_ok=True)
    if not np.isnan(plain.kappa):
        assert -1 <= plain.kappa <= 1 and (plain.kappa == pytest.approx(1)) == (first == second)
        assert np.isnan(plain.lower) or -1 <= plain.lower <= plain.kappa <= plain.upper <= 1 + 1e-12


def test_the_standard_error_is_that_of_fleiss_cohen_and_everitt():
    found = cohens_kappa(*both(LOPSIDED))
    theirs = reference(to_table(np.array(LOPSIDED))[0])
    assert found.kappa == pytest.approx(theirs.kappa, rel=1e-12)
    n = len(LOPSIDED)
    assert found.se * np.sqrt((n - 1) / n) == pytest.approx(theirs.std_kappa, rel=1e-10)


def test_a_row_that_stands_there_five_times_adds_no_certainty_when_it_is_one_cluster():
    first, second = both(LOPSIDED)
    alone = cohens_kappa(first, second)
    copied = cohens_kappa(first * 5, second * 5, [i % len(first) for i in range(5 * len(first))])
    assert copied.kappa == pytest.approx(alone.kappa, rel=1e-12) and copied.se == pytest.approx(alone.se, rel=1e-10)
    assert copied.num_clusters == len(first) and cohens_kappa(first * 5, second * 5).se < 0.5 * alone.se


def test_the_interval_covers_the_true_kappa_with_clustered_rows():
    """40 clusters of 3 rows that share their outcome half the time; the true kappa is .7 by construction."""
    rng, hits = np.random.default_rng(7), 0
    for _ in range(400):
        truth = rng.choice(["a", "b"], (40, 1)).repeat(3, 1)
        agrees = np.where(rng.random((40, 1)) < 0.5, rng.random((40, 1)) < 0.85, rng.random((40, 3)) < 0.85)
        said = np.where(agrees, truth, np.where(truth == "a", "b", "a"))
        found = cohens_kappa(said.ravel(), truth.ravel(), np.arange(40).repeat(3))
        hits += found.lower <= 0.7 <= found.upper
    assert 0.91 <= hits / 400 <= 0.98


def test_agreeing_everywhere_is_not_certainty():
    found = cohens_kappa(["a", "b"] * 15, ["a", "b"] * 15)
    assert found.kappa == found.upper == 1 and found.lower == pytest.approx((0.025 ** (1 / 30) - 0.5) / 0.5)


def test_no_interval_from_one_cluster_or_from_a_rater_with_one_word():
    assert np.isnan(cohens_kappa(["a", "b", "b"], ["a", "b", "a"], ["x"] * 3).lower)
    constant = cohens_kappa(["a"] * 9, ["a", "b", "b"] * 3)
    assert constant.kappa == pytest.approx(0) and np.isnan(constant.lower)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(StatisticsError, match="one for each item"):
        cohens_kappa(["a"], ["a", "b"])
    with pytest.raises(StatisticsError, match="no item"):
        cohens_kappa([], [])


def judged(verdicts, errors=0, unparsed=0):
    said = [Answer(order="single", verdict=v, reply=v, error=None) for v in verdicts]
    said += [Answer(order="single", verdict=None, reply=None, error="http: 500")] * errors
    said += [Answer(order="single", verdict=None, reply="hm", error=None)] * unparsed
    return [Judgement(item_id=str(i), cluster_id=str(i), group="", verdict=h.verdict, orders=(h,)) for i, h in enumerate(said)]


TRUTH = ["CORRECT", "INCORRECT"] * 20


@pytest.mark.parametrize(
    ("judgements", "truth", "words"),
    [
        (judged(TRUTH), TRUTH, None),
        (judged(TRUTH, errors=1, unparsed=1), [*TRUTH, "CORRECT", "CORRECT"], None),
        (judged(["CORRECT"] * 8 + TRUTH[8:]), TRUTH, None),
        (judged(["CORRECT"] * 20 + TRUTH[20:]), TRUTH, "below 0.6"),
        (judged(TRUTH[:29]), TRUTH[:29], "only 29 labelled rows"),
        (judged(TRUTH, unparsed=3), [*TRUTH, *TRUTH[:3]], "got a verdict; at least 95% must"),
        (judged(["CORRECT"] * 40), ["CORRECT"] * 40, "one category only"),
        (judged([], errors=5), TRUTH[:5], "no labelled row got a verdict"),
    ],
)
def test_a_judge_is_used_only_when_enough_labels_agree_with_it(judgements, truth, words):
    found = measure(judgements, {str(i): label for i, label in enumerate(truth)}, judge_settings(base_url="http://h", model="m"))
    assert found.usable is (words is None)
    assert found.reason is None if words is None else words in found.reason
    assert found.num_labelled == len(truth) and found.n + found.errors + found.unparsed == len(truth)
