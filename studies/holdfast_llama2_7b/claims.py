"""Status of each claim: it that follows from rules on computed values, one plain sentence, pointers to evidence.

The rules, first that applies (a claim's own function puts its numbers into the sentence):

1. a number of the claim differs from the study's tables            -> contradicted by its own table
2. a cell it rests on is not identified by the study's files, or it
   correlates fewer than eight mixes                                 -> not identified
3. a cell it rests on has a defect known from the study's notes      -> cited defect
4. it speaks of training in general, from fewer than three seeds     -> not identified
5. the interval over items does not exclude 0                        -> not identified
6. none of these                                                     -> stands
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.errors import DataError
from holdfast.results import PublishedClaim
from holdfast_llama2_7b.correlation import refusal
from holdfast_llama2_7b.inputs import Claim
from holdfast_llama2_7b.rates import difference
from holdfast_llama2_7b.study import Defect, Study
from holdfast_llama2_7b.tables import Cell
from holdfast_llama2_7b.words import Sentence, say

STANDS, NOT_IDENTIFIED, CONTRADICTED, CITED = "stands", "not identified", "contradicted by its own table", "cited defect"
STATUSES = (STANDS, NOT_IDENTIFIED, CONTRADICTED, CITED)


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the claim, the same number from the counts and, where it has one, from the study's own table.

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

    `fine`: the sentence if it stands. `cells`: what it rests on. `numbers`: what it states. `false`: a sentence if the tables contradict
    it otherwise. `general`: it speaks of training and not of one adapter. `unidentified`: its own sentence for rule 2, given the defect.
    `intervals`: the changes whose interval rule 5 reads. `num_mixes`: over how many adapters it correlates.
    """

    fine: Sentence
    cells: tuple[Cell, ...]
    evidence: tuple[str, ...]
    numbers: Sequence[Number] = ()
    false: Sentence | None = None
    general: bool = False
    unidentified: Callable[[Defect], Sentence] = lambda defect: defect.sentence
    intervals: tuple[Cell, ...] = ()
    num_mixes: int | None = None


Reader = Callable[[Study, Claim], Reading]


def judge(study: Study, defects: Sequence[Defect], readers: Mapping[str, Reader]) -> tuple[PublishedClaim, ...]:
    """Every claim of the study's claims file, in its order. Raises DataError for a claim no rule reads."""
    out: dict[str, PublishedClaim] = {}
    for claim in study.tables.claims:
        if claim.id not in readers:
            raise DataError(f"claims.yaml: id: {claim.id!r}: no rule reads this claim; known: {', '.join(readers)}")
        if claim.id in out:
            raise DataError(f"claims.yaml: id: {claim.id!r}: occurs twice; a claim is judged once")
        reading = readers[claim.id](study, claim)
        rule, status, reason, pointers = _rule(study, defects, reading)
        evidence = (*reading.evidence, *pointers, f"claims.yaml: {claim.id}")
        out[claim.id] = PublishedClaim(
            id=claim.id, text=claim.text, source=claim.source, status=status, reason=reason.text, values=reason.values, evidence=evidence, rule=rule
        )  # fmt: skip
    return tuple(out.values())


def _rule(s: Study, defects: Sequence[Defect], r: Reading) -> tuple[int, str, Sentence, tuple[str, ...]]:
    for number in r.numbers:
        if not number.agrees:
            return 1, CONTRADICTED, _mismatch(number), ("tables",)
    if r.false is not None:
        return 1, CONTRADICTED, r.false, ("tables",)
    if wrong := next((c for c in s.tables.disagreements if c.cell in r.cells), None):
        reason = say(
            "{where} has {stated:change} for {model:name} on {cell:name}, but {computed:change} follows from the study's counts",
            where=wrong.where, stated=wrong.published, model=wrong.cell[0], cell=wrong.cell[1], computed=wrong.recomputed,
        )  # fmt: skip
        return 1, CONTRADICTED, reason, ("audit: tables",)
    here = [d for d in defects if d.level in ("refuse", "bounds") and set(d.cells) & set(r.cells)]
    if shown := [d for d in here if not d.cited]:
        return 2, NOT_IDENTIFIED, r.unidentified(shown[0]), tuple(f"audit: {d.check}" for d in shown)
    if r.num_mixes is not None and (why := refusal(r.num_mixes)):
        reason = say("the numbers are those of the tables, but: {why}; {more}", why=why, more=r.fine)
        return 2, NOT_IDENTIFIED, reason, ("audit: correlation",)
    if here:
        cited = here[0].sentence
        text = say("the numbers are those of the tables, but {why}", why=cited).text
        return 3, CITED, Sentence(text, {**r.fine.values, **cited.values}), tuple(f"audit: {d.check}" for d in here)
    seeds = s.training.seeds
    if r.general and (seeds is None or seeds < 3):
        reason = say(
            "the numbers are those of the tables, but {n} training run per adapter cannot tell the training from its chance", n=seeds
        )
        return 4, NOT_IDENTIFIED, reason, ("audit: seeds",)
    for adapter, instrument in r.intervals:
        base, own = s.tables.levels["base", instrument], s.tables.levels[adapter, instrument]
        d = difference(base.hits, base.total, own.hits, own.total)
        if d.lower <= 0 <= d.upper:
            reason = say(
                "{a:name} on {i:name}: {d:change} with an interval over items of {low:change} to {high:change}, which does not exclude zero",
                a=adapter, i=instrument, d=d.estimate, low=d.lower, high=d.upper,
            )  # fmt: skip
            return 5, NOT_IDENTIFIED, reason, (f"findings: {adapter}, {instrument}",)
    return 6, STANDS, r.fine, ()


def _mismatch(number: Number) -> Sentence:
    if number.table is not None and abs(number.table - (number.computed or 0)) > number.half:
        text = "{what} is said to be {claimed:change}; the study's table has {table:change}, and its counts give {computed:change}"
    else:
        text = "{what} is said to be {claimed:change}; the study's own tables give {computed:change}"
    return say(text, what=number.what, claimed=number.claimed, table=number.table, computed=number.computed)
