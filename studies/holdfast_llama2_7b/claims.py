"""What becomes of each claim: a status that follows from rules on computed values, one plain sentence, pointers to evidence.

The rules, first that applies (a claim's own function puts its numbers into the sentence):

1. a number of the claim differs from the study's tables            -> contradicted by its own table
2. a cell it rests on is not identified by the study's files, or it
   correlates fewer than eight mixes                                 -> not identified
3. a cell it rests on has a defect known from the study's notes      -> cited defect
4. it speaks of training in general, from fewer than three seeds     -> not identified
5. the interval over items holds no change                           -> not identified
6. none of these                                                     -> stands
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.errors import DataError
from holdfast_llama2_7b.correlation import refusal
from holdfast_llama2_7b.rates import difference
from holdfast_llama2_7b.study import Cell, Defect, Study
from holdfast_llama2_7b.tables import Compared
from holdfast_llama2_7b.words import Sentence, change, count, name, names, plain, say

STANDS, NOT_IDENTIFIED, CONTRADICTED, CITED = "stands", "not identified", "contradicted by its own table", "cited defect"
STATUSES = (STANDS, NOT_IDENTIFIED, CONTRADICTED, CITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A judged claim. `evidence`: pointers to findings cells, audit checks and files."""

    id: str
    text: str
    source: str
    status: str
    reason: Sentence
    evidence: tuple[str, ...]
    rule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A number of the claim beside the same number from the counts and, where it has one, from the study's own table.

    `half`: half a unit of the claim's last digit.
    """

    what: Sentence
    claimed: float
    computed: float | None
    table: float | None = None
    half: float = 5e-4

    @property
    def agrees(self) -> bool:
        known = [self.computed] if self.table is None else [self.computed, self.table]
        return all(v is not None and abs(v - self.claimed) <= self.half * 1.0001 for v in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a claim says and rests on.

    `stated`: its numbers. `false`: a sentence if the tables contradict it otherwise. `cells`: what it rests on. `general`: it
    speaks of training and not of one adapter. `unidentified`: its own sentence for rule 2, given the defect. `intervals`: the changes
    whose interval rule 5 reads. `mixes`: over how many adapters it correlates. `fine`: the sentence if it stands.
    """

    stated: tuple[Stated, ...]
    cells: tuple[Cell, ...]
    general: bool
    fine: Sentence
    false: Sentence | None = None
    unidentified: Callable[[Defect], Sentence] | None = None
    intervals: tuple[Cell, ...] = ()
    evidence: tuple[str, ...] = ()
    mixes: int | None = None


def judge(study: Study, defects: Sequence[Defect], readers: dict[str, Callable[[Study, dict[str, Any]], Reading]]) -> list[Claim]:
    """Every claim of the study's claims file, in its order. Raises DataError for a claim no rule reads."""
    out, seen = [], set()
    for claim in study.tables.claims:
        if claim["id"] not in readers:
            raise DataError(f"claims.yaml: id: {claim['id']!r}: no rule reads this claim; known: {', '.join(readers)}")
        if claim["id"] in seen:
            raise DataError(f"claims.yaml: id: {claim['id']!r}: occurs twice; a claim is judged once")
        seen.add(claim["id"])
        reading = readers[claim["id"]](study, claim)
        rule, status, reason, pointers = _rule(study, defects, reading)
        out.append(
            Claim(
                id=claim["id"],
                text=claim["text"],
                source=claim["source"],
                status=status,
                reason=reason,
                evidence=(*reading.evidence, *pointers, f"claims.yaml: {claim['id']}"),
                rule=rule,
            )
        )
    return out


def _rule(s: Study, defects: Sequence[Defect], r: Reading) -> tuple[int, str, Sentence, tuple[str, ...]]:
    for stated in r.stated:
        if not stated.agrees:
            return 1, CONTRADICTED, _mismatch(stated), ("tables",)
    if r.false is not None:
        return 1, CONTRADICTED, r.false, ("tables",)
    if wrong := [c for c in s.tables.disagreements if c.cell in r.cells]:
        return 1, CONTRADICTED, _files_differ(wrong[0]), ("audit: tables",)
    here = [d for d in defects if d.level in ("refuse", "bounds") and set(d.cells) & set(r.cells)]
    if found := [d for d in here if not d.cited]:
        reason = r.unidentified(found[0]) if r.unidentified else found[0].sentence
        return 2, NOT_IDENTIFIED, reason, tuple(f"audit: {d.check}" for d in found)
    if r.mixes is not None and (why := refusal(r.mixes)):
        said = say("the numbers are those of the tables, but: {why}; {more}", why=plain(why), more=plain(r.fine.text))
        return 2, NOT_IDENTIFIED, Sentence(said.text, {**r.fine.values, **said.values}), ("audit: correlation",)
    if here:
        said = say("the numbers are those of the tables, but {why}", why=plain(here[0].sentence.text))
        reason = Sentence(said.text, {**r.fine.values, **here[0].sentence.values})
        return 3, CITED, reason, tuple(f"audit: {d.check}" for d in here)
    seeds = s.training.seeds
    if r.general and (seeds is None or seeds < 3):
        reason = say(
            "the numbers are those of the tables, but {n} training run per adapter cannot tell the training from its chance", n=count(seeds)
        )
        return 4, NOT_IDENTIFIED, reason, ("audit: seeds",)
    for adapter, instrument in r.intervals:
        base, own = s.tables.levels["base", instrument], s.tables.levels[adapter, instrument]
        d = difference(base.hits, base.total, own.hits, own.total)
        if d.lower <= 0 <= d.upper:
            reason = say(
                "{a} on {i}: {d} with an interval over items of {low} to {high}, which holds no change",
                a=name(adapter), i=name(instrument), d=change(d.estimate), low=change(d.lower), high=change(d.upper),
            )  # fmt: skip
            return 5, NOT_IDENTIFIED, reason, (f"findings: {adapter}, {instrument}",)
    return 6, STANDS, r.fine, ()


def _mismatch(stated: Stated) -> Sentence:
    if stated.table is not None and abs(stated.table - (stated.computed or 0)) > stated.half:
        text = "{what} is said to be {claimed}; the study's table has {table}, and its counts give {computed}"
    else:
        text = "{what} is said to be {claimed}; the study's own tables give {computed}"
    said = say(
        text, what=plain(stated.what.text), claimed=change(stated.claimed), table=change(stated.table), computed=change(stated.computed)
    )
    return Sentence(said.text, {**stated.what.values, **said.values})


def _files_differ(c: Compared) -> Sentence:
    return say(
        "{where} has {stated} for {model} on {cell}, but {computed} follows from the study's counts",
        where=plain(c.where), stated=change(c.published), model=name(c.cell[0]), cell=name(c.cell[1]), computed=change(c.recomputed),
    )  # fmt: skip


def labelled(*keys: str) -> Sentence:
    """A cell's name as a sentence without numbers."""
    return say("{names}", names=names(list(keys)))
