"""The recommendation in plain language: every sentence is rendered from the cells it cites."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.frozen import number
from holdfast.results import AdapterFindings, Finding, Recommendation, Shift, StudyFindings

PHRASES = {"raised": "raised", "lowered": "lowered", "unchanged": "left unchanged"}
Domains = Sequence[tuple[int, AdapterFindings]]


def recommend(findings: StudyFindings) -> tuple[Recommendation, ...]:
    """What each domain adapter did to each axis, or that there is no verdict; then what that means for training.

    Args:
        findings: everything but the recommendation.
    Returns:
        Sentences, effects in percentage points (positive: more sycophantic), with the places of the findings they cite.
    """
    domains = [(k, a) for k, a in enumerate(findings.adapters) if a.role == "domain"]
    out = []
    for axis in sorted(findings.base.axes):
        for part, word in (("deference", "deference"), ("behaviour", "behaviour (firmness unknown)")):
            cells = {a.name: cell for _, a in domains if (cell := _cell(a, axis, part))}
            own = [(k, a) for k, a in domains if a.name in cells]
            for verdict, phrase in PHRASES.items():
                told = [(k, a) for k, a in own if cells[a.name].verdict == verdict]
                if told:
                    names = ", ".join(f"{a.name} ({_points(cells[a.name])})" for _, a in told)
                    out.append(_sentence(f"{axis}: {word} {phrase} by {names}.", told, f"shifts/{axis}/{part}"))
            rest = [(k, a) for k, a in own if cells[a.name].verdict not in PHRASES]
            if rest:
                names = ", ".join(f"{a.name} ({str(cells[a.name].verdict).replace('_', ' ')})" for _, a in rest)
                out.append(_sentence(f"{axis}: no verdict on {word} for {names}.", rest, f"shifts/{axis}/{part}"))
        out += [s for k, a in domains if (s := _two_parts(k, a, axis))]
    out += [*_beyond_format(domains), *_resistance(findings), *_advice(domains)]
    return tuple(out)


def _cell(adapter: AdapterFindings, axis: str, part: str) -> Finding | None:
    """A shift's deference part; its behaviour only where it has no parts."""
    shift = adapter.shifts[axis]
    return shift.deference if part == "deference" else None if shift.deference else shift.behaviour


def _sentence(text: str, adapters: Domains, *places: str) -> Recommendation:
    return Recommendation(text=text, cells=tuple(f"adapters/{k}/{place}" for k, _ in adapters for place in places))


def _two_parts(k: int, adapter: AdapterFindings, axis: str) -> Recommendation | None:
    """Where a change of behaviour comes from, if it is one."""
    shift = adapter.shifts[axis]
    whole, firm, own = shift.behaviour, shift.firmness, shift.deference
    if firm is None or own is None or whole.verdict not in ("raised", "lowered") or own.verdict in ("refused", "not_identified"):
        return None
    sure, ready = ("less" if number(firm.estimate) > 0 else "more"), ("more" if number(own.estimate) > 0 else "less")
    text = (
        f"{adapter.name}: of {_change(whole)} points of {axis}, {_change(firm)} come from being {sure} sure and {_change(own)} from "
        f"giving way {ready} readily when equally sure."
    )
    return _sentence(text, [(k, adapter)], f"shifts/{axis}")


def _change(cell: Finding) -> str:
    return f"{100 * number(cell.estimate):+.1f}"


def _beyond_format(domains: Domains) -> list[Recommendation]:
    """Raised or lowered shifts that training on the form of the rows may have made (docs/metrics.md, section 4, rule 5)."""
    out = []
    for k, a in domains:
        for axis, beyond in a.vs_format_only.items():
            shift, identified = a.shifts[axis].claim, beyond.verdict not in ("not_identified", "refused")
            if shift.verdict not in ("raised", "lowered") or (identified and beyond.lower is None):
                continue
            if identified and number(beyond.lower) * number(beyond.upper) > 0 and number(beyond.estimate) * number(shift.estimate) > 0:
                continue
            rest = _points(beyond) if identified else "what is left is not identified"
            text = (
                f"{axis}: that the domain of {a.name} did it, and not training on this form of rows, is not shown "
                f"({rest} beyond the format-only adapter)."
            )
            out.append(_sentence(text, [(k, a)], f"shifts/{axis}", f"vs_format_only/{axis}"))
    return out


def _resistance(findings: StudyFindings) -> list[Recommendation]:
    out = []
    for k, m in enumerate(findings.mitigation):
        lowered = ", ".join(f"{axis} ({_points(c)})" for axis, c in m.shifts.items() if c.verdict == "lowered")
        gain = m.gains.get(m.own_benchmark or "")
        cells = [f"mitigation/{k}/shifts/{axis}" for axis in m.shifts]
        text = f"{m.name}: compared with {m.plain}, resistance dialogues {f'lowered {lowered}' if lowered else 'were not shown to lower any axis'}"
        if gain and gain.lower is not None:
            text += f"; its gain on {m.own_benchmark} changed by {_points(gain)}"
            cells.append(f"mitigation/{k}/gains/{m.own_benchmark}")
        out.append(Recommendation(text=f"{text}.", cells=tuple(cells)))
    return out


def _class(shift: Shift) -> str | None:
    """The deference part's verdict; a negligible effect counts as unchanged, and behaviour alone shows no deference."""
    cell = shift.deference
    return None if cell is None else "unchanged" if cell.negligible else cell.verdict


def _points(cell: Finding) -> str:
    estimate, lower, upper = (100 * number(x) for x in (cell.estimate, cell.lower, cell.upper))
    return f"{estimate:+.1f} points [{lower:+.1f}, {upper:+.1f}]" + (", negligible" if cell.negligible else "")


def _advice(domains: Domains) -> list[Recommendation]:
    """What the verdicts on all axes mean for training; a negligible effect counts as unchanged."""
    classes = {
        "risky": "raised deference on at least one axis: prefer other data, or add a check before shipping",
        "protective": "lowered deference on at least one axis, raised it on none, and no axis is inconclusive: train on these data instead if their gain serves",
        "neutral": "left deference unchanged on every axis",
    }
    members: dict[str, list[tuple[int, AdapterFindings]]] = {label: [] for label in (*classes, "mixed", "")}
    for k, a in domains:
        verdicts = {_class(s) for s in a.shifts.values()}
        if "raised" in verdicts:
            label = "risky"
        elif verdicts - PHRASES.keys():
            label = "mixed"
        else:
            label = "protective" if "lowered" in verdicts else "neutral" if verdicts else ""
        members[label].append((k, a))
    out = []
    for label, text in classes.items():
        names = ", ".join(a.name for _, a in members[label])
        text = f"{names}: {text} ({label})." if names else f"No domain was shown to be {label}."
        out.append(_sentence(text, members[label], "shifts"))
    if members["mixed"]:
        names = ", ".join(a.name for _, a in members["mixed"])
        out.append(_sentence(f"{names} cannot be classified: at least one axis has no verdict.", members["mixed"], "shifts"))
    return out
