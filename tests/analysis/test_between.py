"""Adapter against adapter: which contrasts a study asks, and that each is the weighted sum it says it is."""

import numpy as np
import pytest

from holdfast.analysis import between
from holdfast.analysis.effects import PairedEffect
from holdfast.records import DomainFacts

NAMES = ("maths", "knowledge", "sense", "truth")


def domain(name, role="domain", **extra):
    return DomainFacts(name=name, role=role, **extra)


STUDY = [
    domain("maths", verifiable=True),
    *map(domain, NAMES[1:]),
    domain("combined", parts=NAMES),
    domain("format_only", "null", parts=NAMES, answers="permuted"),
    domain("maths_format", "null", parts=("maths",), answers="permuted"),
    domain("truth_resists", "control", mitigates="truth"),
]


def measured(levels, num_items=120, num_seeds=5, noise=0.01, name="doubt"):
    """{adapter: level} -> paired differences with that mean."""
    rng = np.random.default_rng(0)
    clusters = np.array([f"c{i // 2}" for i in range(num_items)])
    out = []
    for adapter, level in levels.items():
        diff = level + rng.normal(0, noise, (num_seeds, num_items)) + rng.normal(0, noise / 3, (num_seeds, 1))
        out.append(PairedEffect(adapter, name, "excess", diff, clusters, list(range(num_seeds)), coverage=1.0))
    return out


LEVELS = {"maths": 0.0, "knowledge": 0.04, "sense": -0.02, "truth": 0.10, "combined": 0.30, "format_only": 0.03, "maths_format": 0.0,
          "truth_resists": 0.02}  # fmt: skip


def test_every_pair_verifiable_against_the_rest_and_additivity_are_asked_once_each():
    found = between.contrasts(STUDY, measured(LEVELS), 0.03)
    names = [c.name for c in found]
    assert len(names) == len(set(names)) == 10 + 1 + 2
    assert {c.kind for c in found} == {"pair", "verifiable", "additivity"}
    assert {n for n in names if "format" in n} == {"combined - sum of its parts, beyond format_only"}
    assert not any("resists" in n for n in names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("maths - truth", -0.10),
        ("verifiable (maths) - the rest", 0.0 - (0.04 - 0.02 + 0.10) / 3),
        ("combined - sum of its parts, beyond format_only", 0.30 - 0.03 - (0.12 - 4 * 0.03)),
        ("combined - mean of its parts", 0.30 - 0.03),
    ],
)
def test_a_contrast_is_the_weighted_sum_of_its_parts(name, expected):
    cell = next(c for c in between.contrasts(STUDY, measured(LEVELS), 0.03) if c.name == name)
    assert cell.estimate == pytest.approx(expected, abs=0.01) and cell.lower < expected < cell.upper
    assert cell.p_holm >= cell.p and cell.mde > 0


def test_a_contrast_with_a_part_that_is_not_identified_is_not_identified():
    cells = measured(LEVELS)
    cells[3].identified = False
    verdicts = {c.name: c.verdict for c in between.contrasts(STUDY, cells, 0.03)}
    assert verdicts["maths - truth"] == "not_identified" and verdicts["maths - knowledge"] == "lowered"


def test_a_contrast_with_a_refused_part_is_refused_and_one_with_a_note_is_withheld():
    cells = measured(LEVELS)
    cells[3].refused, cells[1].notes = "the key is wrong", ["forms disagree"]
    found = {c.name: c for c in between.contrasts(STUDY, cells, 0.03)}
    assert {n for n, c in found.items() if c.verdict == "refused"} == {
        n for n in found if "truth" in n or "verifiable" in n or "combined -" in n
    }
    assert "the key is wrong" in found["maths - truth"].notes and found["maths - knowledge"].verdict == "inconclusive"
    assert found["maths - sense"].verdict == "raised"


def test_each_domain_is_compared_with_the_smallest_format_only_adapter_that_holds_it():
    found = between.beyond_format(STUDY, measured(LEVELS), 0.03)
    assert found["maths", "doubt"].contrast == "maths - maths_format"
    assert found["truth", "doubt"].contrast == "truth - format_only"
    assert found["truth", "doubt"].estimate == pytest.approx(0.07, abs=0.01)
    assert ("format_only", "doubt") not in found


def test_a_study_without_a_format_only_adapter_compares_with_none():
    assert between.beyond_format([d for d in STUDY if d.role != "null"], measured(LEVELS), 0.03) == {}


def test_a_resistance_mix_is_set_beside_its_plain_domain():
    (found,) = between.mitigation(STUDY, measured(LEVELS, name="gsm8k"), measured(LEVELS), 0.03)
    assert (found.name, found.plain) == ("truth_resists", "truth")
    assert found.shifts["doubt"].estimate == pytest.approx(-0.08, abs=0.01) and found.shifts["doubt"].verdict == "lowered"
    assert found.gains["gsm8k"].estimate == pytest.approx(-0.08, abs=0.01)


def mixes(order):
    import itertools

    chosen = [c for k in range(1, len(order) + 1) for c in itertools.combinations(order, k)]
    return [domain("+".join(c), parts=c if len(c) > 1 else ()) for c in chosen]


def test_a_factorial_study_gets_main_effects_and_interactions_back():
    study = mixes(NAMES)
    effect = {"maths": 0.0, "knowledge": 0.02, "sense": -0.03, "truth": 0.10}
    levels = {
        d.name: sum(effect[n] for n in mix) + (0.05 if {"maths", "truth"} <= mix else 0.0)
        for d, mix in ((d, {*d.parts} or {d.name}) for d in study)
    }
    found = between.factorial(study, measured(levels), 0.03)["doubt"]
    main = {n: found.effects[n] for n in NAMES}
    assert main["sense"].estimate == pytest.approx(-0.03, abs=0.01) and main["sense"].verdict == "lowered"
    pair = next(c for n, c in found.effects.items() if "maths" in n and "truth" in n)
    others = [c for n, c in found.effects.items() if " x " in n and not ("maths" in n and "truth" in n)]
    assert pair.estimate > 0.01 and pair.verdict == "raised"
    assert all(abs(c.estimate) < abs(pair.estimate) / 2 for c in others)


def test_five_mixes_are_no_factorial_set():
    assert between.factorial(STUDY[:5], measured({n: 0.0 for n in (*NAMES, "combined")}), 0.03) is None


def test_with_many_mixes_only_single_domains_are_paired_and_only_the_whole_is_summed():
    study = mixes(NAMES)
    found = between.contrasts(study, measured({d.name: 0.0 for d in study}), 0.03)
    assert sum(c.kind == "pair" for c in found) == 6 and sum(c.kind == "additivity" for c in found) == 1


def test_mixes_that_do_not_tell_the_effects_apart_are_refused_with_the_reason():
    """Eight mixes of four domains, but the model has eleven columns."""
    study = mixes(NAMES)[:8]
    found = between.factorial(study, measured({d.name: 0.0 for d in study}), 0.03)["doubt"]
    assert found.effects == {} and "indistinguishable" in found.refused
