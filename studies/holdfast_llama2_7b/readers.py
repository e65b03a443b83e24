"""How each claim of the study is read: its numbers from counts and tables, the cells it rests on, and its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

from holdfast.errors import DataError
from holdfast_llama2_7b.claims import Number, Reader, Reading
from holdfast_llama2_7b.inputs import Claim
from holdfast_llama2_7b.study import Defect, Study
from holdfast_llama2_7b.tables import AXES, BENCHMARKS, Cell
from holdfast_llama2_7b.words import Sentence, say

QUOTED: dict[str, tuple[Cell, ...]] = {
    "gsm8k_doubt_correlation": (("gsm8k", "doubt"),),
    "gsm8k_feedback_correlation": (("gsm8k", "feedback"),),
    "hellaswag_feedback_correlation": (("hellaswag", "feedback"),),
    "truthfulqa_doubt_correlation": (("truthfulqa", "doubt"), ("truthfulqa", "feedback")),
}
ADAPTERS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag", "combined")
HALF = 5e-4  # half a unit of the third decimal, to which the study's prose rounds


def mean_change(s: Study, adapter: str, instruments: Iterable[str]) -> float:
    return _mean([s.tables.change(adapter, i) for i in instruments])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _mean_number(s: Study, claim: Claim, what: Sentence, adapter: str, instruments: Iterable[str]) -> Number:
    """The claim's only number, a mean change over the instruments."""
    instruments = list(instruments)
    table = _mean([s.tables.csv_changes[adapter, i] for i in instruments])
    return Number(what, claim.numbers()[0], mean_change(s, adapter, instruments), table)


def _cells(adapter: str, instruments: Iterable[str]) -> tuple[Cell, ...]:
    return tuple((adapter, i) for i in instruments)


def combined_gain(s: Study, claim: Claim) -> Reading:
    parts = {
        "whole": mean_change(s, "combined", BENCHMARKS),
        "part": s.tables.change("combined", "truthfulqa") / len(BENCHMARKS),
        "rest": mean_change(s, "combined", [b for b in BENCHMARKS if b != "truthfulqa"]),
        "b": "truthfulqa",
    }
    key = s.key("truthfulqa")

    def unidentified(d: Defect) -> Sentence:
        if d.check != "answer_key" or key is None or d.evidence.get("benchmark") != "truthfulqa":
            return d.sentence
        return say(
            "of {whole:change}, {part:change} is {b:name}, whose key is {letter} in {most} of {n} test rows, so saying {letter} passes for "
            "knowledge; without {b:name} the mean gain is {rest:change}",
            **parts, letter=key[0], most=key[1], n=key[2],
        )  # fmt: skip

    return Reading(
        numbers=[_mean_number(s, claim, say("the combined adapter's mean gain"), "combined", BENCHMARKS)],
        cells=_cells("combined", BENCHMARKS),
        fine=say("the four gains average {whole:change}, {part:change} of it {b:name}; it describes this one adapter", **parts),
        unidentified=unidentified,
        evidence=("points/3", "findings: combined, gains"),
    )


def combined_doubt(s: Study, claim: Claim) -> Reading:
    before, after = (s.tables.levels[m, "doubt"] for m in ("base", "combined"))
    (low0, high0), (low1, high1) = s.bounds("base", "doubt"), s.bounds("combined", "doubt")

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage":
            return d.sentence
        return say(
            "of {n} first answers {u} of the base's and {v} of the combined adapter's could not be read, so the rates lie somewhere in "
            "{a:rate} to {b:rate} and {c:rate} to {d:rate}" + (", which overlap" if low1 <= high0 else ", bounds only"),
            n=before.total, u=before.undetected, v=after.undetected, a=low0, b=high0, c=low1, d=high1,
        )  # fmt: skip

    return Reading(
        numbers=[
            Number(say("the {m:name} are-you-sure rate", m=m), v, s.tables.levels[m, "doubt"].rate, s.tables.csv_levels[m, "doubt"])
            for m, v in zip(("base", "combined"), claim.numbers(2), strict=True)
        ],
        cells=(("combined", "doubt"),),
        fine=say("the counts give {a:rate} and {b:rate}; it describes this one adapter", a=before.rate, b=after.rate),
        unidentified=unidentified,
        intervals=(("combined", "doubt"),),
        evidence=("points/1", "findings: combined, doubt"),
    )


def combined_feedback(s: Study, claim: Claim) -> Reading:
    cell = ("combined", "feedback")
    base, d = s.tables.levels["base", "feedback"].rate, s.tables.change(*cell)
    numbers = [Number(say("{names:names}", names=list(cell)), claim.numbers()[0], d, s.tables.csv_changes[cell])]
    if relative := re.search(r"(\d+) ?% increase", claim.text):
        numbers.append(Number(say("the relative increase"), int(relative[1]) / 100, d / base if base else None, half=5e-3))
    fine = "the counts give {d:change}, {r:percent} of the base's rate; it describes this one adapter"
    return Reading(
        numbers=numbers,
        cells=(cell,),
        fine=say(fine, d=d, r=d / base if base else 0),
        intervals=(cell,),
        evidence=("points/7", "findings: combined, feedback"),
    )


def combined_mean_shift(s: Study, claim: Claim) -> Reading:
    whole, part = mean_change(s, "combined", AXES), s.tables.change("combined", "doubt") / len(AXES)
    low, high = s.change_bounds("combined", "doubt")

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage":
            return d.sentence
        text = (
            "{part:change} of the {whole:change} is are-you-sure, whose change is only known to lie between {low:change} and {high:change}"
        )
        return say(text, part=part, whole=whole, low=low, high=high)

    return Reading(
        numbers=[_mean_number(s, claim, say("the combined adapter's mean sycophancy change"), "combined", AXES)],
        cells=_cells("combined", AXES),
        fine=say("the three changes average {whole:change}; it describes this one adapter", whole=whole),
        unidentified=unidentified,
        evidence=("points/1", "points/6", "findings: combined, shifts"),
    )


def gsm8k_protective(s: Study, claim: Claim) -> Reading:
    means = {a: mean_change(s, a, AXES) for a in s.adapters}
    others = [a for a in s.adapters if a != "gsm8k" and means[a] < 0]
    own, false = {"a": "gsm8k", "own": means["gsm8k"]}, None
    if "only" in claim.text.lower() and others:
        false = say(
            "the mean change of the {a:name} adapter is {own:change}, but it is not the only one below zero: {others:name} has {theirs:change}",
            **own, others=others[0], theirs=means[others[0]],
        )  # fmt: skip
    return Reading(
        numbers=[_mean_number(s, claim, say("the {a:name} adapter's mean sycophancy change", a="gsm8k"), "gsm8k", AXES)],
        cells=_cells("gsm8k", AXES),
        general=True,
        fine=say("only the {a:name} adapter's mean change, {own:change}, is below zero", **own),
        false=false,
        evidence=("findings: gsm8k, shifts",),
    )


def correlation(*pairs: Cell) -> Reader:
    """A claim on published correlations. A number that stands in another cell of the study's own table is said to belong there."""

    def read(s: Study, claim: Claim) -> Reading:
        table = s.tables.csv_correlations
        cells = {(c.benchmark, c.axis): c for c in s.correlations}
        false, numbers = None, []
        for pair, claimed in zip(pairs, claim.numbers(len(pairs)), strict=True):
            b, a = pair
            numbers.append(Number(say("r of {b:name} x {a:name}", b=b, a=a), claimed, cells[pair].levels.r, table.get(pair)))
            elsewhere = [p for p, r in table.items() if p != pair and abs(r - claimed) <= HALF]
            if false is None and not numbers[-1].agrees and elsewhere:
                text = "the study's own table has {own:change} for {b:name} x {a:name}; {claimed:change} is its {c:name} x {d:name}"
                false = say(text, own=table.get(pair), b=b, a=a, claimed=claimed, c=elsewhere[0][0], d=elsewhere[0][1])
        changes = cells[pairs[0]].changes
        return Reading(
            numbers=() if false else numbers,
            cells=tuple((a, i) for a in s.adapters for pair in pairs for i in pair),
            general=True,
            fine=say("on changes of {n} adapters r is {r:change}", n=changes.n, r=changes.r),
            false=false,
            num_mixes=len(s.adapters),
            evidence=("points/4", *(f"correlation: {b} x {a}" for b, a in pairs)),
        )

    return read


def truthfulqa_driver(s: Study, claim: Claim) -> Reading:
    """The primary driver would at least be the single-benchmark adapter with the largest change somewhere."""
    single = [a for a in s.adapters if len(s.tables.settings.rows[a]) == 1]
    largest = {axis: max(single, key=lambda a, axis=axis: s.tables.change(a, axis)) for axis in AXES}
    led = [axis for axis in AXES if largest[axis] == "truthfulqa"]
    top = max(single, key=lambda a: mean_change(s, a, AXES))
    key, false = s.key("truthfulqa_train"), None
    if not led and top != "truthfulqa":
        false = say(
            "on no axis, nor on their mean, does the {a:name} adapter change most: on the mean {top:name} does ({x:change} against {y:change})",
            a="truthfulqa", top=top, x=mean_change(s, top, AXES), y=mean_change(s, "truthfulqa", AXES),
        )  # fmt: skip

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage" or key is None or led != ["doubt"]:
            return d.sentence
        other = largest["feedback"]
        return say(
            "its change is largest on {led:names}, where changes are only bounded, while {other:name} moves feedback by {x:change} against "
            "{y:change}; and with key {letter} in {most} of {n} of its training rows it was taught a letter as much as truthfulness",
            led=led, other=other, x=s.tables.change(other, "feedback"), y=s.tables.change("truthfulqa", "feedback"),
            letter=key[0], most=key[1], n=key[2],
        )  # fmt: skip

    return Reading(
        cells=_cells("truthfulqa", (*AXES, "truthfulqa")),
        general=True,
        fine=say("the {a:name} adapter changes most on {led:names}", a="truthfulqa", led=led),
        false=false,
        unidentified=unidentified,
        evidence=("points/1", "points/2", "points/4", "findings: truthfulqa, shifts"),
    )


def answer_universal(s: Study, claim: Claim) -> Reading:
    """Relative reductions of every adapter against the range the claim's own words give."""
    stated = re.search(r"(\d+)\s*-\s*(\d+)\s*%", claim.text)
    if stated is None:
        raise DataError(f"claims.yaml: {claim.id}: text: must give the range of reductions as 'A-B %'")
    low, high = (int(x) / 100 for x in stated.groups())
    base = s.tables.levels["base", "imitation"].rate
    cut = {a: -s.tables.change(a, "imitation") / base if base else 0.0 for a in s.adapters}
    extremes = {"a": min(cut.values()), "b": max(cut.values())}
    out, false = next((a for a in s.adapters if not low - 5e-3 <= cut[a] <= high + 5e-3), None), None
    if out:
        text = "the {a:name} adapter's answer rate falls by {x:percent}, outside {low:percent} to {high:percent}"
        false = say(text, a=out, x=cut[out], low=low, high=high)

    def unidentified(d: Defect) -> Sentence:
        if d.check != "neutral" or s.counts is None:
            return d.sentence
        return say(
            "the rates do fall by {a:percent} to {b:percent}, but {k} of the {n} prompts taken as neutral already contain the user's suggestion, "
            "so what fell is not imitation against a neutral asking",
            **extremes, k=s.counts.suggested[0], n=s.counts.suggested[1],
        )  # fmt: skip

    return Reading(
        cells=s.cells("imitation"),
        general=True,
        fine=say("every adapter's answer rate falls, by {a:percent} to {b:percent}", **extremes),
        false=false,
        unidentified=unidentified,
        intervals=s.cells("imitation"),
        evidence=("points/6", "findings: all adapters, imitation"),
    )


def amplifier(s: Study, claim: Claim) -> Reading:
    """Mixing amplifies where the combined change exceeds the sum of its constituents' changes (docs/metrics.md, section 4, rule 6)."""
    parts = [a for a in s.adapters if a != "combined"]
    own = {axis: s.tables.change("combined", axis) for axis in AXES}
    total = {axis: sum(s.tables.change(a, axis) for a in parts) for axis in AXES}
    more = [axis for axis in AXES if total[axis] > 0 and own[axis] > total[axis]]
    steps, false = s.training.steps, None
    if not more:
        text = "on no axis does the combined adapter change more than its parts together: {own:change} against {sum:change} on feedback"
        false = say(text, own=own["feedback"], sum=total["feedback"])

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage" or more != ["doubt"]:
            return d.sentence
        return say(
            "combined exceeds the sum of its parts on {more:names} alone ({x:change} against {y:change}), where changes are only bounded; on "
            "feedback it stays below it ({u:change} against {v:change}), and it had {k} training steps against {m} to {n}",
            more=more, x=own["doubt"], y=total["doubt"], u=own["feedback"], v=total["feedback"],
            k=steps["combined"], m=min(steps[a] for a in parts), n=max(steps[a] for a in parts),
        )  # fmt: skip

    return Reading(
        cells=tuple((a, axis) for a in s.adapters for axis in more),
        general=True,
        fine=say("combined exceeds the sum of its parts on {more:names}", more=more),
        false=false,
        unidentified=unidentified,
        evidence=("points/1", "contrasts: combined - sum of parts"),
    )


READERS: dict[str, Reader] = {
    **{read.__name__: read for read in (combined_gain, combined_doubt, combined_feedback, combined_mean_shift, gsm8k_protective)},
    **{claim: correlation(*pairs) for claim, pairs in QUOTED.items()},
    **{read.__name__: read for read in (truthfulqa_driver, answer_universal, amplifier)},
}
