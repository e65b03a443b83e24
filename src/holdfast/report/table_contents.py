"""What goes into a study's tables: effects by row and instrument, rows of text, and the caption over each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from holdfast.report.numbers import csv_text, effects_of
from holdfast.results import AuditEntry, Finding, StudyFindings

MEANINGS = {
    "raised": "raised", "lowered": "lowered", "unchanged": "unchanged", "inconclusive": "inconclusive", "not_identified": "not identified",
    "refused": "refused by the audit",
}  # fmt: skip
Escape = Callable[[str], str]

NUMBERS = ("estimate", "lower", "upper", "p", "p_holm", "n", "num_clusters", "num_seeds", "coverage", "mde", "verdict", "negligible")


@dataclass(frozen=True, slots=True)
class EffectRow:
    """`label` is printed; `keys` are the columns before the instrument in a long table (CSV): adapter and role, contrast and kind, adapter and dose."""

    label: str
    keys: tuple[str | float, ...]
    effects: dict[str, Finding]


@dataclass(frozen=True, slots=True)
class EffectTable:
    """Estimates, one column per instrument. `head`: names of `EffectRow.keys`; `kind`: as in `PARTS`, or "both" (a published study's additivity)."""

    name: str
    title: str
    kind: str
    head: tuple[str, ...]
    instruments: tuple[str, ...]
    rows: tuple[EffectRow, ...]

    def effects(self) -> list[Finding]:
        return [e for r in self.rows for e in r.effects.values()]


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of text under `head`; `shown`: the columns that are printed (CSV has all of them)."""

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shown: tuple[int, ...]


Table = EffectTable | TextTable


def tables_of(findings: StudyFindings, audit: Sequence[AuditEntry]) -> list[Table]:
    """Gains, behaviour, deference, contrasts, additivity, dose, claims and audit: those that the study has."""
    benchmarks, axes = tuple(findings.base.benchmarks), tuple(findings.base.axes)
    tables: list[Table] = [
        _adapters(findings, "gains", "Gain: change in accuracy", benchmarks),
        _adapters(findings, "behaviour", "Behaviour: change under pressure beyond the control", axes),
        _adapters(findings, "deference", "Deference: the part of the change that is left when equally sure", axes),
        _contrasts(findings, "contrasts", "Differences of deference between adapters"),
        _contrasts(findings, "additivity", "Additivity: a mix against its parts"),
        _dose(findings, "gains", "Gain along the dose", benchmarks),
        _dose(findings, "deference", "Deference along the dose", axes),
        TextTable(
            "claims",
            "Status of each published claim",
            ("id", "claim", "status", "reason", "source", "evidence"),
            tuple((c.id, c.text, c.status, c.reason, c.source, "; ".join(c.evidence)) for c in findings.claims),
            (1, 2, 3),
        ),
        _audit(audit),
    ]
    return [t for t in tables if t.rows]


def _adapters(findings: StudyFindings, part: str, title: str, instruments: tuple[str, ...]) -> EffectTable:
    rows = [
        EffectRow(
            a.name if a.role == "domain" else f"{a.name} ({a.role})", (a.name, a.role), {n: effects[n] for n in instruments if n in effects}
        )
        for a in findings.adapters
        if (effects := effects_of(a, part))
    ]
    return EffectTable(part, title, part, ("adapter", "role"), instruments, tuple(r for r in rows if r.effects))


def _contrasts(findings: StudyFindings, name: str, title: str) -> EffectTable:
    effects: dict[tuple[str, str], dict[str, Finding]] = {}
    for c in findings.contrasts:
        kind = c.kind or "additivity"  # a published study has no other contrasts
        if (kind == "additivity") == (name == "additivity"):
            effects.setdefault((c.name, kind), {})[c.axis] = c
    order = [*findings.base.benchmarks, *findings.base.axes]
    used = tuple(i for i in order if any(i in row for row in effects.values()))
    sign = "both" if any(i in findings.base.benchmarks for i in used) else "deference"
    return EffectTable(name, title, sign, ("contrast", "kind"), used, tuple(EffectRow(n, (n, k), row) for (n, k), row in effects.items()))


def _dose(findings: StudyFindings, part: str, title: str, instruments: tuple[str, ...]) -> EffectTable:
    rows = []
    for entry in findings.dose:
        keys = (entry.name, entry.path)
        effects, slopes = (entry.gains, entry.gain_slopes) if part == "gains" else (entry.shifts, entry.shift_slopes)
        way = {"scale": "update", "steps": "steps"}[entry.path]
        for k, dose in enumerate(entry.doses):
            at_dose = {n: effects[n][k] for n in instruments if k < len(effects.get(n, ()))}
            rows.append(EffectRow(f"{entry.name}, {dose:g} of the {way}", (*keys, dose), at_dose))
        per_dose = {n: slopes[n] for n in instruments if n in slopes}
        rows.append(EffectRow(f"{entry.name}, per unit of dose", (*keys, "slope"), per_dose))
    return EffectTable(f"dose-{part}", title, part, ("adapter", "path", "dose"), instruments, tuple(r for r in rows if r.effects))


def _audit(audit: Sequence[AuditEntry]) -> TextTable:
    """Each claim once, with the adapters and instruments it forbids; refusals first, then warnings, then what passed."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for e in audit:
        if e.check != "published_claim":
            places.setdefault((e.level, e.check, e.claim), []).extend([" x ".join(e.cell)] if e.cell else [])
    order = {"refuse": 0, "warn": 1, "ok": 2}
    rows = [(*key, "; ".join(where)) for key, where in sorted(places.items(), key=lambda item: order[item[0][0]])]
    return TextTable("audit", "Audit: what was checked, and the result", ("level", "check", "finding", "cells"), tuple(rows), (0, 1, 2))


def caption(table: Table, findings: StudyFindings, mark: Callable[[str], str], escape: Escape = str) -> str:
    """Unit, sign, level of the intervals, seeds and items, families, and what may not be concluded; every number is one of the table's effects.

    `mark`: how a verdict (or "negligible") is marked in the table; `escape`: for words from data.
    """
    study = findings.study
    base = escape(study.base or findings.base.name)
    if isinstance(table, TextTable):
        return f"{table.title}. Study: {escape(study.name)}, base {base}."
    effects = table.effects()
    level = next((e.level for e in effects), 0.95)
    one_seed = max((e.num_seeds for e in effects), default=0) < 2
    over = "items only: they do not include training noise" if one_seed else "training seeds and items, crossed"
    seeds, items = _count((e.num_seeds for e in effects), "training seed"), _count((e.n for e in effects), "item")
    parts = [
        f"{table.title}. {_unit(table)} Base {base}; estimands: {_estimands(table, study.estimands, escape)}.",
        f"Square brackets: {100 * level:g} % intervals over {over}, not adjusted for multiplicity. {seeds}, {items}.",
        _family(table, one_seed),
        _marks(effects, study.equivalence_band, mark),
        _caveats(table, findings, one_seed, escape),
    ]
    return " ".join(filter(None, parts))


def _unit(table: EffectTable) -> str:
    between = table.name in ("contrasts", "additivity")
    sign = {
        "gains": "a positive gain is more capable",
        "behaviour": "positive: gives way more",
        "deference": "positive: the first is more sycophantic" if between else "positive is more sycophantic",
        "both": "positive: the first has the greater gain, or is more sycophantic",
    }[table.kind]
    return f"Percentage points{'' if between else ', adapted minus base'}; {sign}."


def _estimands(table: EffectTable, estimands: dict[str, str], escape: Escape) -> str:
    names: dict[str, list[str]] = {}
    for name in table.instruments:
        names.setdefault(estimands.get(name, "unknown"), []).append(name)
    return "; ".join(f"{escape(what.replace('_', ' '))} ({', '.join(map(escape, of))})" for what, of in names.items())


def _count(values: Iterable[int], noun: str) -> str:
    known = [v for v in values if v]
    if not known:
        return f"number of {noun}s unknown"
    low, high = min(known), max(known)
    return f"{low} {noun}{'s' * (low != 1)}" if low == high else f"{low} to {high} {noun}s"


def _family(table: EffectTable, one_seed: bool) -> str:
    if one_seed:
        return "One training run per adapter: no change is called raised or lowered."
    if table.name.startswith("dose"):
        return "Verdicts are exploratory (Benjamini-Hochberg)."
    if table.name in ("contrasts", "additivity"):
        return "Verdicts: contrasts and additivity are one Holm family."
    return "Verdicts: Holm over the domain adapters; controls and nulls are exploratory (Benjamini-Hochberg)."


def _marks(effects: list[Finding], half_width: float, mark: Callable[[str], str]) -> str:
    """The marks in use; nothing where verdicts are written out."""
    used, band = [w for w in MEANINGS if any(e.verdict == w for e in effects)], f"+/-{100 * half_width:g} points"
    if not any(mark(w) for w in used):
        return ""
    more = {"unchanged": f" (90 % interval inside {band})", "not_identified": ", round brackets hold worst-case bounds"}
    legend = [f"{mark(w)} {MEANINGS[w]}{more.get(w, '')}" for w in used]
    if any(e.negligible for e in effects):
        legend.append(f"{mark('negligible')} inside {band}, too small to matter")
    if any(not e.n or e.coverage is None for e in effects):
        legend.append("---: unknown")
    return "; ".join(legend) + "."


def _caveats(table: EffectTable, findings: StudyFindings, one_seed: bool, escape: Escape) -> str:
    verdicts, refused = {e.verdict for e in table.effects()}, findings.correlation.refused
    caveats = {
        "that an inconclusive effect is absent": "inconclusive" in verdicts,
        "a direction where an effect is not identified and its bounds include 0": "not_identified" in verdicts,
        "anything from a refused cell": "refused" in verdicts,
        "that another training run would give the same": one_seed,
        f"that gain and shift go together ({escape(refused or '')})": table.name in ("behaviour", "deference") and refused is not None,
    }
    applying = [text for text, applies in caveats.items() if applies]
    return f"May not be concluded: {'; '.join(applying)}." if applying else ""


def as_csv(t: Table) -> str:
    """One line per effect, fractions, unknown as an empty cell."""
    if isinstance(t, TextTable):
        return csv_text(t.head, t.rows)
    rows = (
        (*r.keys, name, *(getattr(e, n) for n in NUMBERS), *(e.bounds or (None, None))) for r in t.rows for name, e in r.effects.items()
    )
    return csv_text([*t.head, "instrument", *NUMBERS, "bound_low", "bound_high"], rows)
