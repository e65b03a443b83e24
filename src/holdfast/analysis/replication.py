"""Several studies side by side: what replicates. Each study keeps its own verdicts; nothing is pooled over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from holdfast.results import AdapterRole, Finding, StudyFindings

DECIDED = {"raised", "lowered", "unchanged"}
MOVED = {"raised", "lowered"}
STATUSES = ("replicates", "differs", "contradicted", "not shown")
ComparedPart = Literal["gains", "behaviour", "deference"]
Studies = Sequence[tuple[str, StudyFindings]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedEffect:
    """An adapter's gain, behaviour or deference on an instrument: one finding per study, None where it was not measured; `reason`: why they are not compared."""

    adapter: str
    role: AdapterRole
    part: ComparedPart
    instrument: str
    effects: tuple[Finding | None, ...]
    reason: str | None = None

    @property
    def measured(self) -> list[Finding]:
        """Findings of the studies that measured it."""
        return [e for e in self.effects if e is not None]

    @property
    def status(self) -> str:
        """See `status`."""
        return status(self.measured)


def replicate(studies: Studies) -> list[ComparedEffect]:
    """What two studies or more measured alike.

    Args:
        studies: (name, findings) each.
    Returns:
        One row per adapter and instrument.
    """
    return [row for row in _rows(studies) if row.reason is None]


def refusals(studies: Studies) -> list[ComparedEffect]:
    """What is not compared, with the reason.

    Args:
        studies: (name, findings) each.
    Returns:
        One row per adapter and instrument that only one study measured, or that studies measured by another estimand or in another unit.
    """
    return [row for row in _rows(studies) if row.reason is not None]


def _rows(studies: Studies) -> Iterator[ComparedEffect]:
    cells: dict[tuple[ComparedPart, str, str], dict[int, Finding]] = {}
    roles: dict[str, AdapterRole] = {}
    for k, (_, findings) in enumerate(studies):
        for a in findings.adapters:
            roles.setdefault(a.name, a.role)
            for name, cell in a.gains.items():
                cells.setdefault(("gains", a.name, name), {})[k] = cell
            for name, shift in a.shifts.items():
                cells.setdefault(("behaviour", a.name, name), {})[k] = shift.behaviour
                if shift.deference is not None:
                    cells.setdefault(("deference", a.name, name), {})[k] = shift.deference
    for (part, adapter, instrument), own in cells.items():
        yield ComparedEffect(
            adapter=adapter,
            role=roles[adapter],
            part=part,
            instrument=instrument,
            effects=tuple(own.get(k) for k in range(len(studies))),
            reason=_reason(instrument, own, studies),
        )


def _reason(instrument: str, cells: dict[int, Finding], studies: Studies) -> str | None:
    """Why cells are not compared: only one study has them, or not the same quantity."""
    if len(cells) < 2:
        return f"only in {studies[next(iter(cells))][0]}"
    estimands = {k: studies[k][1].study.estimands.get(instrument) or c.contrast for k, c in cells.items()}
    for what, values in (("estimand", estimands), ("unit", {k: c.unit for k, c in cells.items()})):
        if len({*values.values()} - {None}) > 1:
            return f"not the same {what}: " + ", ".join(f"{value or 'unknown'} in {studies[k][0]}" for k, value in values.items())
    return None


def status(cells: Sequence[Finding]) -> str:
    """Whether verdicts agree; a negligible effect counts as unchanged.

    Args:
        cells: one adapter's finding on one instrument, in each study.
    Returns:
        "replicates": one decided verdict in all; "contradicted": raised in one, lowered in another; "differs": decided differently,
        with no contradiction; "not shown": some study could not tell.
    """
    verdicts = {"unchanged" if c.negligible else c.verdict for c in cells}
    if verdicts >= MOVED:
        return "contradicted"
    if verdicts <= DECIDED:
        return "replicates" if len(verdicts) == 1 else "differs"
    return "not shown"


def counts(rows: Sequence[ComparedEffect], part: ComparedPart) -> dict[str, float]:
    """How often studies agree on the domain adapters.

    Args:
        rows: as `replicate` gives them.
        part: gains, behaviour or deference.
    Returns:
        Rows of each status; "same_sign": rows whose estimates all have one sign, of the "signed" rows (an estimate in every study that
        measured them); "coins": as many by chance, were every sign a coin's; "moved_in_all": rows raised or lowered in every study, and
        "moved_alike", those of them in one direction.
    """
    own = [r for r in rows if r.part == part and r.role == "domain"]
    estimates = [[c.estimate for c in r.measured] for r in own]
    signed = [[x for x in values if x] for values in estimates if all(values)]
    moved = [{c.verdict for c in r.measured} for r in own if all(c.verdict in MOVED and not c.negligible for c in r.measured)]
    return {
        "rows": len(own),
        **{s: sum(r.status == s for r in own) for s in STATUSES},
        "signed": len(signed),
        "same_sign": sum(min(v) > 0 or max(v) < 0 for v in signed),
        "coins": sum(2.0 ** (1 - len(v)) for v in signed),
        "moved_in_all": len(moved),
        "moved_alike": sum(len(v) == 1 for v in moved),
    }
