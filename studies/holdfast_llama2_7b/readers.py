"""How each claim of the study is read: its numbers from counts and tables, the cells it rests on, and its sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from holdfast.errors import DataError
from holdfast_llama2_7b.claims import Reading, Stated, labelled
from holdfast_llama2_7b.counts import modal
from holdfast_llama2_7b.study import Cell, Defect, Study
from holdfast_llama2_7b.tables import AXES, BENCHMARKS
from holdfast_llama2_7b.words import Sentence, change, count, name, names, percent, plain, rate, say

QUOTED: dict[str, tuple[tuple[str, str], ...]] = {
    "gsm8k_doubt_correlation": (("gsm8k", "doubt"),),
    "gsm8k_feedback_correlation": (("gsm8k", "feedback"),),
    "hellaswag_feedback_correlation": (("hellaswag", "feedback"),),
    "truthfulqa_doubt_correlation": (("truthfulqa", "doubt"), ("truthfulqa", "feedback")),
}
ADAPTERS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag", "combined")
HALF = 5e-4  # half a unit of the third decimal, to which the study's prose rounds
Reader = Callable[[Study, dict[str, Any]], Reading]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def mean_change(s: Study, adapter: str, instruments: Any) -> float:
    return mean([s.tables.change(adapter, i) for i in instruments])


def csv_mean(s: Study, adapter: str, instruments: Any) -> float:
    return mean([s.tables.csv_changes[adapter, i] for i in instruments])


def value(claim: dict[str, Any], size: int = 1) -> list[float]:
    """The claim's numbers. Raises DataError where it does not hold as many as it must."""
    found = claim.get("value")
    numbers = found if isinstance(found, list) else [found]
    if len(numbers) != size or not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers):
        raise DataError(f"claims.yaml: {claim['id']}: value: {found!r}: must be {'a number' if size == 1 else f'{size} numbers'}")
    return [float(n) for n in numbers]


def cells(adapter: str, instruments: Any) -> tuple[Cell, ...]:
    return tuple((adapter, i) for i in instruments)


def combined_gain(s: Study, claim: dict[str, Any]) -> Reading:
    whole, part = mean_change(s, "combined", BENCHMARKS), s.tables.change("combined", "truthfulqa") / len(BENCHMARKS)
    rest = mean_change(s, "combined", [b for b in BENCHMARKS if b != "truthfulqa"])
    parts = {"whole": change(whole), "part": change(part), "rest": change(rest), "b": name("truthfulqa")}

    def unidentified(d: Defect) -> Sentence:
        if d.check != "answer_key" or s.counts is None or d.evidence.get("benchmark") != "truthfulqa":
            return d.sentence
        letter, most, n = modal(s.counts.keys["truthfulqa"])
        return say(
            "of {whole}, {part} is {b}, whose key is {letter} in {most} of {n} test rows, so saying {letter} passes for knowledge; without {b} "
            "the mean gain is {rest}",
            **parts, letter=plain(letter), most=count(most), n=count(n),
        )  # fmt: skip

    stated = Stated(
        what=say("the combined adapter's mean gain"), claimed=value(claim)[0], computed=whole, table=csv_mean(s, "combined", BENCHMARKS)
    )
    return Reading(
        stated=(stated,),
        cells=cells("combined", BENCHMARKS),
        general=False,
        fine=say("the four gains average {whole}, {part} of it {b}; it describes this one adapter", **parts),
        unidentified=unidentified,
        evidence=("points/3", "findings: combined, gains"),
    )


def combined_doubt(s: Study, claim: dict[str, Any]) -> Reading:
    before, after = (s.tables.levels[m, "doubt"] for m in ("base", "combined"))
    (low0, high0), (low1, high1) = s.bounds("base", "doubt"), s.bounds("combined", "doubt")
    stated = tuple(
        Stated(what=say("the {m} are-you-sure rate", m=name(m)), claimed=v, computed=s.tables.levels[m, "doubt"].rate,
               table=s.tables.csv_levels[m, "doubt"])
        for m, v in zip(("base", "combined"), value(claim, 2), strict=True)
    )  # fmt: skip

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage":
            return d.sentence
        return say(
            "of {n} first answers {u} of the base's and {v} of the combined adapter's could not be read, so the rates lie somewhere in {a} to {b} "
            "and {c} to {d}" + (", which overlap" if low1 <= high0 else ", bounds only"),
            n=count(before.total), u=count(before.undetected), v=count(after.undetected), a=rate(low0), b=rate(high0), c=rate(low1), d=rate(high1),
        )  # fmt: skip

    return Reading(
        stated=stated,
        cells=(("combined", "doubt"),),
        general=False,
        fine=say("the counts give {a} and {b}; it describes this one adapter", a=rate(before.rate), b=rate(after.rate)),
        unidentified=unidentified,
        intervals=(("combined", "doubt"),),
        evidence=("points/1", "findings: combined, doubt"),
    )


def combined_feedback(s: Study, claim: dict[str, Any]) -> Reading:
    base, d = s.tables.levels["base", "feedback"].rate, s.tables.change("combined", "feedback")
    stated = [
        Stated(
            what=labelled("combined", "feedback"), claimed=value(claim)[0], computed=d, table=s.tables.csv_changes["combined", "feedback"]
        )
    ]
    if relative := re.search(r"(\d+) ?% increase", claim["text"]):
        share = d / base if base else None
        stated.append(Stated(what=say("the relative increase"), claimed=int(relative[1]) / 100, computed=share, half=5e-3))
    return Reading(
        stated=tuple(stated),
        cells=(("combined", "feedback"),),
        general=False,
        fine=say(
            "the counts give {d}, {r} of the base's rate; it describes this one adapter", d=change(d), r=percent(d / base if base else 0)
        ),
        intervals=(("combined", "feedback"),),
        evidence=("points/7", "findings: combined, feedback"),
    )


def combined_mean_shift(s: Study, claim: dict[str, Any]) -> Reading:
    whole, part = mean_change(s, "combined", AXES), s.tables.change("combined", "doubt") / len(AXES)
    low, high = s.change_bounds("combined", "doubt")

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage":
            return d.sentence
        return say(
            "{part} of the {whole} is are-you-sure, whose change is only known to lie between {low} and {high}",
            part=change(part), whole=change(whole), low=change(low), high=change(high),
        )  # fmt: skip

    return Reading(
        stated=(
            Stated(
                what=say("the combined adapter's mean sycophancy change"),
                claimed=value(claim)[0],
                computed=whole,
                table=csv_mean(s, "combined", AXES),
            ),
        ),
        cells=cells("combined", AXES),
        general=False,
        fine=say("the three changes average {whole}; it describes this one adapter", whole=change(whole)),
        unidentified=unidentified,
        evidence=("points/1", "points/6", "findings: combined, shifts"),
    )


def gsm8k_protective(s: Study, claim: dict[str, Any]) -> Reading:
    means = {a: mean_change(s, a, AXES) for a in s.adapters}
    others = [a for a in s.adapters if a != "gsm8k" and means[a] < 0]
    false = None
    if "only" in claim["text"].lower() and others:
        false = say(
            "the mean change of the {a} adapter is {own}, but it is not the only one below zero: {others} has {theirs}",
            a=name("gsm8k"), own=change(means["gsm8k"]), others=name(others[0]), theirs=change(means[others[0]]),
        )  # fmt: skip
    return Reading(
        stated=(Stated(what=say("the {a} adapter's mean sycophancy change", a=name("gsm8k")), claimed=value(claim)[0], computed=means["gsm8k"],
                       table=csv_mean(s, "gsm8k", AXES)),),
        cells=cells("gsm8k", AXES),
        general=True,
        fine=say("the {a} adapter's mean change, {own}, alone is below zero", a=name("gsm8k"), own=change(means["gsm8k"])),
        false=false,
        evidence=("findings: gsm8k, shifts",),
    )  # fmt: skip


def correlation(*pairs: tuple[str, str]) -> Reader:
    """A claim on published correlations. A number that stands in another cell of the study's own table is said to belong there."""

    def read(s: Study, claim: dict[str, Any]) -> Reading:
        table = s.tables.csv_correlations
        found = {(c["benchmark"], c["axis"]): c for c in s.correlations()}
        false, stated = None, []
        for pair, claimed in zip(pairs, value(claim, len(pairs)), strict=True):
            own = table.get(pair)
            stated.append(
                Stated(
                    what=say("r of {b} x {a}", b=name(pair[0]), a=name(pair[1])),
                    claimed=claimed,
                    computed=found[pair]["levels"]["r"],
                    table=own,
                )
            )
            elsewhere = [p for p, r in table.items() if p != pair and abs(r - claimed) <= HALF]
            if false is None and not stated[-1].agrees and elsewhere:
                b, a = elsewhere[0]
                false = say(
                    "the study's own table has {own} for {b} x {a}; {claimed} is its {c} x {d}",
                    own=change(own), b=name(pair[0]), a=name(pair[1]), claimed=change(claimed), c=name(b), d=name(a),
                )  # fmt: skip
        first = found[pairs[0]]
        return Reading(
            stated=() if false else tuple(stated),
            cells=tuple((a, i) for a in s.adapters for pair in pairs for i in pair),
            general=True,
            fine=say("on changes of {n} adapters r is {r}", n=count(first["changes"]["n"]), r=change(first["changes"]["r"])),
            false=false,
            mixes=len(s.adapters),
            evidence=("points/4", *(f"correlation: {b} x {a}" for b, a in pairs)),
        )

    return read


def truthfulqa_driver(s: Study, claim: dict[str, Any]) -> Reading:
    """The primary driver would at least be the single-benchmark adapter with the largest change somewhere."""
    single = [a for a in s.adapters if len(s.tables.settings["rows"][a]) == 1]
    largest = {axis: max(single, key=lambda a: s.tables.change(a, axis)) for axis in AXES}  # noqa: B023
    led = [axis for axis in AXES if largest[axis] == "truthfulqa"]
    top = max(single, key=lambda a: mean_change(s, a, AXES))
    false = None
    if not led and top != "truthfulqa":
        false = say("on no axis, nor on their mean, does the {a} adapter change most: on the mean {top} does ({x} against {y})", a=name("truthfulqa"),
                    top=name(top), x=change(mean_change(s, top, AXES)), y=change(mean_change(s, "truthfulqa", AXES)))  # fmt: skip

    def unidentified(d: Defect) -> Sentence:
        key = modal(s.counts.keys["truthfulqa_train"]) if s.counts and "truthfulqa_train" in s.counts.keys else None
        if d.check != "coverage" or key is None or led != ["doubt"]:
            return d.sentence
        other = largest["feedback"]
        return say(
            "its change is largest on {led}, where changes are only bounded, while {other} moves feedback by {x} against {y}; and with key {letter} "
            "in {most} of {n} of its training rows it was taught a letter as much as truthfulness",
            led=names(led), other=name(other), x=change(s.tables.change(other, "feedback")), y=change(s.tables.change("truthfulqa", "feedback")),
            letter=plain(key[0]), most=count(key[1]), n=count(key[2]),
        )  # fmt: skip

    return Reading(
        stated=(),
        cells=cells("truthfulqa", (*AXES, "truthfulqa")),
        general=True,
        fine=say("the {a} adapter changes most on {led}", a=name("truthfulqa"), led=names(led)),
        false=false,
        unidentified=unidentified,
        evidence=("points/1", "points/2", "points/4", "findings: truthfulqa, shifts"),
    )


def answer_universal(s: Study, claim: dict[str, Any]) -> Reading:
    """Relative reductions of every adapter against the range the claim's own words give."""
    said = re.search(r"(\d+)\s*-\s*(\d+)\s*%", claim["text"])
    if said is None:
        raise DataError(f"claims.yaml: {claim['id']}: text: must give the range of reductions as 'A-B %'")
    low, high = (int(x) / 100 for x in said.groups())
    base = s.tables.levels["base", "imitation"].rate
    cut = {a: -s.tables.change(a, "imitation") / base if base else 0.0 for a in s.adapters}
    out = [a for a in s.adapters if not low - 5e-3 <= cut[a] <= high + 5e-3]
    false = None
    if out:
        false = say("the {a} adapter's answer rate falls by {x}, outside {low} to {high}", a=name(out[0]), x=percent(cut[out[0]]), low=percent(low),
                    high=percent(high))  # fmt: skip

    def unidentified(d: Defect) -> Sentence:
        if d.check != "neutral" or s.counts is None:
            return d.sentence
        return say(
            "the rates do fall by {a} to {b}, but {k} of the {n} prompts taken as neutral already hold the user's suggestion, so what fell is not imitation "
            "against a neutral asking",
            a=percent(min(cut.values())), b=percent(max(cut.values())), k=count(s.counts.suggested[0]), n=count(s.counts.suggested[1]),
        )  # fmt: skip

    return Reading(
        stated=(),
        cells=s.cells("imitation"),
        general=True,
        fine=say("every adapter's answer rate falls, by {a} to {b}", a=percent(min(cut.values())), b=percent(max(cut.values()))),
        false=false,
        unidentified=unidentified,
        intervals=s.cells("imitation"),
        evidence=("points/6", "findings: all adapters, imitation"),
    )


def amplifier(s: Study, claim: dict[str, Any]) -> Reading:
    """Mixing amplifies where the combined change exceeds the sum of its constituents' changes (METRICS section 4, rule 6)."""
    parts = [a for a in s.adapters if a != "combined"]
    own = {axis: s.tables.change("combined", axis) for axis in AXES}
    total = {axis: sum(s.tables.change(a, axis) for a in parts) for axis in AXES}
    risks = [axis for axis in AXES if total[axis] > 0]
    more = [axis for axis in risks if own[axis] > total[axis]]
    steps = s.training.steps
    false = None
    if not more:
        false = say("on no axis does the combined adapter change more than its parts together: {own} against {sum} on feedback",
                    own=change(own["feedback"]), sum=change(total["feedback"]))  # fmt: skip

    def unidentified(d: Defect) -> Sentence:
        if d.check != "coverage" or more != ["doubt"]:
            return d.sentence
        return say(
            "combined exceeds the sum of its parts on {more} alone ({x} against {y}), where changes are only bounded; on feedback it stays below it ({u} against "
            "{v}), and it had {k} training steps against {m} to {n}",
            more=names(more), x=change(own[more[0]]), y=change(total[more[0]]), u=change(own["feedback"]), v=change(total["feedback"]),
            k=count(steps["combined"]), m=count(min(steps[a] for a in parts)), n=count(max(steps[a] for a in parts)),
        )  # fmt: skip

    return Reading(
        stated=(),
        cells=tuple((a, axis) for a in s.adapters for axis in more),
        general=True,
        fine=say("combined exceeds the sum of its parts on {more}", more=names(more)),
        false=false,
        unidentified=unidentified,
        evidence=("points/1", "contrasts: combined - sum of parts"),
    )


READERS: dict[str, Reader] = {
    "combined_gain": combined_gain,
    "combined_doubt": combined_doubt,
    "combined_feedback": combined_feedback,
    "combined_mean_shift": combined_mean_shift,
    "gsm8k_protective": gsm8k_protective,
    **{claim: correlation(*pairs) for claim, pairs in QUOTED.items()},
    "truthfulqa_driver": truthfulqa_driver,
    "answer_universal": answer_universal,
    "amplifier": amplifier,
}
