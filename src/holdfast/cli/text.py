"""What commands print for people: facts, audit entries, and a judge's verdicts as lines of text."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from holdfast.escape import plain
from holdfast.progress import say

if TYPE_CHECKING:
    from holdfast.judges.agreement import Agreement
    from holdfast.judges.judging import JudgeResult
    from holdfast.pipeline import Outcome
    from holdfast.results import AuditEntry, StudyFindings

WIDTH = 80
HEADINGS = {"refuse": "REFUSED", "warn": "WARNINGS", "ok": "OK"}


def print_findings(findings: StudyFindings, as_json: bool) -> None:
    """Findings as one line of JSON, or as a table."""
    if as_json:
        print(json.dumps(json.loads(findings.to_json()), ensure_ascii=False))
        return
    from holdfast.report import terminal

    terminal.show(findings)


def print_outcome(outcome: Outcome, as_json: bool, strict: bool) -> None:
    """Print a run's results. Exits with 3 if cells failed, with 1 if `strict` and a claim is refused."""
    print_findings(outcome.findings, as_json)
    say(f"{outcome.made} cells made, {outcome.reused} reused")
    for line in outcome.failures:
        say(f"failed: {line}", always=True)
    say(f"report: {outcome.report}") if as_json else print(f"report: {outcome.report}")
    if outcome.failures:
        raise typer.Exit(3)
    exit_if_refused(outcome.audit, strict)


def exit_if_refused(entries: Iterable[AuditEntry], strict: bool) -> None:
    """Exits with 1, and says why, if `strict` and an entry refuses a claim."""
    refused = [e.check for e in entries if e.level == "refuse"]
    if strict and refused:
        say(f"--strict: the audit refuses {len(refused)} claims ({', '.join(dict.fromkeys(refused))}); see: holdfast audit", always=True)
        raise typer.Exit(1)


def fact_lines(facts: Mapping[str, object]) -> list[str]:
    """Name and value, nested facts indented below their name; thousands separated."""
    lines = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            lines += [name, *(f"  {k:32s} {_value(v)}" for k, v in value.items())]
        elif isinstance(value, list):
            lines += [name, *(f"  {v}" for v in value)]
        else:
            lines.append(f"{name:34s} {_value(value)}")
    return lines


def _value(value: object) -> str:
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else f"{value}"


def audit_lines(entries: Sequence[AuditEntry]) -> list[str]:
    """Entries grouped by level, worst first, at most 80 columns wide; a claim about several cells is printed once."""
    from holdfast.auditing import advice

    if not entries:
        return ["Nothing to audit: no check has the data it needs."]
    counts = {level: sum(e.level == level for e in entries) for level in HEADINGS}
    lines = [f"{counts['refuse']} refused, {counts['warn']} warnings, {counts['ok']} ok"]
    for level, heading in HEADINGS.items():
        claims: dict[tuple[str, str], list[str]] = {}
        for e in entries:
            if e.level == level:
                claims.setdefault((e.check, e.claim), []).extend([" x ".join(e.cell)] if e.cell else [])
        if claims:
            lines += ["", heading]
        for (check, claim), cells in claims.items():
            lines += _wrapped(f"- {check}: {plain(claim)}", "  ")
            if cells:
                lines += _wrapped("  refuses " + ", ".join(map(plain, cells)), "    ")
    steps = {e.check: advice(e.check) for level in ("refuse", "warn") for e in entries if e.level == level}
    todo = [line for check, step in steps.items() if step for line in _wrapped(f"- {check}: {step}", "  ")]
    return [*lines, "", "WHAT TO DO NEXT", *todo] if todo else lines


def _wrapped(text: str, indent: str) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text.strip(), WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False)


def agreement_line(a: Agreement | None) -> str:
    """How well a judge agrees with the labels."""
    if a is None:
        return "agreement with the labels: not measured"
    interval = f" [{a.lower:.3f}, {a.upper:.3f}]" if a.lower is not None else ""
    kappa = "unknown" if a.kappa is None else f"{a.kappa:.3f}{interval}, raw {a.raw:.3f}"
    flips = "" if a.order_flip_rate is None else f", order flips {a.order_flip_rate:.1%}"
    end = "usable" if a.usable else f"refused: {a.reason}"
    return f"agreement with the labels: kappa {kappa}, {a.n} of {a.num_labelled} labelled rows{flips}, {a.errors} errors, {a.unparsed} unparsed: {end}"


def verdict_lines(summary: Mapping, judged: JudgeResult) -> list[str]:
    """A judge's agreement, then counts, rates and bounds of its verdicts on all rows and on each frame."""
    lines = [agreement_line(judged.agreement), *([judged.refused] if judged.refused else [])]
    for name, part in {"all rows": summary["all"], **summary["frames"]}.items():
        flips = "" if part["order_flip_rate"] is None else f", order flips {part['order_flip_rate']:.1%}"
        lines.append(f"{ascii(name)[1:-1]}: {part['rows']} rows{flips}, {part['errors']} errors, {part['unparsed']} unparsed")
        if not judged.refused:
            lines += [f"  {label:16s} {_share(**verdict)}" for label, verdict in part["verdicts"].items()]
    return [*lines, f"{judged.asked} replies requested, {judged.cached} reused"]


def _share(count: int, share: float | None, bounds: tuple[float, float]) -> str:
    lower, upper = bounds
    if share is None:
        return f"{count:6d}  not identified: between {lower:.1%} and {upper:.1%}"
    return f"{count:6d}  {share:6.1%}" + ("" if lower == upper else f"  (bounds {lower:.1%} to {upper:.1%})")
