"""Rows that ask the same, and questions without one answer: asked once, or not at all, and never silently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from holdfast.errors import DataError
from holdfast.records import Item
from holdfast.sources.fields import Fields, exact, key


@dataclass
class RowNotes:
    """What became of rows that make no item of their own, a line each: repeats of an earlier row, rows without one answer, others."""

    repeats: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)

    def lines(self, kind: str) -> list[str]:
        told = (
            (self.repeats, "rows that repeat an earlier one, asked once"),
            (self.unclear, "questions without one answer, not asked"),
            (self.unusable, "rows that make no item"),
        )
        return [f"{kind}: {what}: {len(which)} (first: {which[0]})" for which, what in told if which]


class Candidate(NamedTuple):
    """Fields of an item, the row they are of, and what the row asks: its text, its options in order, the right answers among names."""

    source: str
    fields: Fields
    text: str
    options: tuple[str, ...]
    truth: frozenset[str]

    @classmethod
    def of(cls, source: str, fields: Fields) -> "Candidate":
        """Of the fields that a benchmark's form reads."""
        options = tuple(map(exact, fields.get("choices", fields.get("endings", ()))))
        truth = options[fields["gold"]] if options else str(fields.get("answer", ""))
        return cls(source, fields, fields.get("question") or fields["context"], options, frozenset([truth]))

    def item(self, name: str) -> Item:
        stem = key(self.text)
        return Item(item_id=name, cluster_id=stem[:200], fields=self.fields, source_keys=(stem,))


def distinct(kind: str, candidates: Iterable[Candidate], notes: RowNotes | None) -> list[Item]:
    """Items of rows that differ in text or options, in order. A question of which the rows give different answers makes none.

    `notes` takes what was left out. Raises DataError without one, where a question has no one answer.
    """
    kept: dict[tuple[str, ...], Candidate] = {}
    seen: dict[tuple[str, Sequence[str]], Candidate] = {}
    unclear: dict[tuple[str, Sequence[str]], str] = {}
    notes, told = notes or RowNotes(), notes is not None
    for one in candidates:
        text = exact(one.text)
        asked = (text, tuple(sorted(one.options)))
        before = seen.setdefault(asked, one)
        first = kept.setdefault((text, *one.options), one)
        if one.options and sum(one.options.count(t) for t in one.truth) > 1:
            unclear.setdefault(asked, f"{one.source}: the right option stands there twice")
        elif one.truth and not one.truth & before.truth:
            unclear.setdefault(asked, f"{one.source}: asks what {before.source} asks, and has another answer")
        elif first is not one:
            notes.repeats.append(f"{one.source} is {first.source} again")
    if unclear and not told:
        raise DataError(f"{next(iter(unclear.values()))}; correct or remove the row")
    notes.unclear += unclear.values()
    clear = [c for c in kept.values() if (exact(c.text), tuple(sorted(c.options))) not in unclear]
    return [c.item(f"{kind}-{i:05d}") for i, c in enumerate(clear)]
