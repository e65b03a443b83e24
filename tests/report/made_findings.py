"""Findings made by hand: every verdict, role and part that a picture or a table shows; and names that try to break out of both."""

from __future__ import annotations

from typing import Any

from holdfast.escape import plain
from holdfast.redact import map_strings
from holdfast.results import AuditEntry, Estimate, StudyFindings

HOSTILE = [
    "<script>alert(1)</script>",
    r"\input{/etc/passwd} $x_1^2$ & # % ~ {} \\[2em]",
    "\x1b[31mred\x07 \x00nul \u202eturned\u2069 \ud800half",
    "| [a](b) `c` *d* _e_ !",
    "=1+1",
    "--- ``quoted'' ?` 中文 👩‍🔬 é −3 × 2",
    "a long name " * 8,
]


def cell(estimate: float | None, half: float = 0.02, verdict: str = "inconclusive", **rest: Any) -> dict[str, Any]:
    known = estimate is not None
    return {
        "estimate": estimate, "lower": estimate - half if known else None, "upper": estimate + half if known else None, "level": 0.95, "p": 0.01,
        "p_holm": 0.03, "n": 400 if known else 0, "num_clusters": 120, "num_seeds": 5, "coverage": 0.987, "bounds": None, "mde": 0.03, "verdict": verdict,
        "negligible": None, "contrast": "excess", "se": half / 2, "df": 9.0, "unit": "fraction", "notes": [], **rest,
    }  # fmt: skip


def shift(whole: dict[str, Any]) -> dict[str, Any]:
    """A shift of which nothing is firmness."""
    parts = {
        "behaviour": {**whole, "part": "behaviour"},
        "firmness": {**cell(0.0), "part": "firmness"},
        "deference": {**whole, "part": "deference"},
    }
    return {**parts, "support": 0.93, "sharpness": 1.1, "unknown": None}


def adapter(name: str, role: str, gains: dict[str, Any], shifts: dict[str, Any]) -> dict[str, Any]:
    of_seed = lambda part: {k: {n: v for n, v in cell(c["estimate"]).items() if n in Estimate.model_fields} for k, c in part.items()}  # noqa: E731
    seeds = [{"seed": s, "gains": of_seed(gains), "shifts": of_seed(shifts)} for s in (0, 1)]
    parts = {k: shift(c) for k, c in shifts.items()}
    return {"name": name, "domain": name, "role": role, "own_benchmark": next(iter(gains)), "seeds": [0, 1, 2, 3, 4], "gains": gains, "shifts": parts,
            "effects": {k: {f"raw_{k}": cell(0.05)} for k in shifts}, "drift": {}, "vs_format_only": {}, "mean_gain": 0.02, "mean_shift": 0.01,
            "per_seed": seeds}  # fmt: skip


def findings(names: tuple[str, ...] = ("maths", "law", "null_rows")) -> dict[str, Any]:
    """The last name is a null adapter's, the one before it the mix of all before it."""
    benchmarks, axes = ("gsm8k", "mmlu"), ("doubt", "imitation")
    words = ("raised", "lowered", "unchanged", "inconclusive")
    adapters = []
    for k, name in enumerate(names):
        gains = {b: cell(0.01 * (k - j), verdict=words[(k + j) % 4]) for j, b in enumerate(benchmarks)}
        shifts = {"doubt": cell(0.051 + 0.01 * k, verdict="raised", negligible=k == 1), "imitation": cell(-0.04, verdict="lowered")}
        if k == 1:
            shifts["imitation"] = cell(None, verdict="not_identified", bounds=[-0.31, 0.123], coverage=0.4)
        if k == len(names) - 1:
            shifts["doubt"] = cell(0.2, verdict="refused", notes=["the audit forbids it"])
        adapters.append(adapter(name, "null" if k == len(names) - 1 else "domain", gains, shifts))
    dose = {"name": names[0], "path": "scale", "doses": [0.5, 1.0], "seeds": [0, 1, 2]}
    dose |= {"gains": {b: [cell(0.01), cell(0.02)] for b in benchmarks}, "shifts": {a: [cell(0.03), cell(0.051, verdict="raised")] for a in axes},
             "gain_slopes": {b: cell(0.02) for b in benchmarks}, "shift_slopes": {a: cell(0.05) for a in axes}}  # fmt: skip
    pair, mix = f"{names[0]} - {names[1]}", f"{names[1]} - sum of its parts"
    return {
        "schema_version": 2,
        "study": {"name": "made", "base": "made:0", "domains": list(names), "instruments": [*benchmarks, *axes], "equivalence_band": 0.03,
                  "estimands": dict.fromkeys(benchmarks, "accuracy") | dict.fromkeys(axes, "excess")},
        "base": {"name": "made:0", "benchmarks": {b: cell(0.5) for b in benchmarks}, "axes": {a: cell(0.2) for a in axes}},
        "adapters": adapters,
        "contrasts": [{"name": n, "kind": kind, "axis": a, **cell(0.02, verdict="raised")} for n, kind in ((pair, "pair"), (mix, "additivity")) for a in axes],
        "mitigation": [], "dose": [dose], "factorial": None, "detection": {},
        "flips": {"doubt": [{"model": f"{n}/seed0", "n": 50, "right_to_wrong": 9, "wrong_to_right": 2, "num_missing": 0, "p": 0.07, "from": "reask",
                             "to": "doubt"} for n in names]},
        "ranking": [{"name": n, "p_rank": [0.5, 0.5]} for n in names[:2]], "pareto": None,
        "correlation": {"num_mixes": 2, "description": {}, "refused": "two points, no claim: at least 8 domain mixes are needed", "cells": {}},
        "recommendation": [{"text": f"doubt: raised by {names[0]} (+5.1 points [+3.1, +7.1]).", "cells": []}], "refused": [],
    }  # fmt: skip


AUDIT = [
    {"check": "answer_key", "level": "ok", "claim": "the key is A in 25 % of items", "evidence": {}},
    {"check": "coverage", "level": "warn", "claim": "answers to imitation fall short of 95 % coverage", "evidence": {}},
    {"check": "overlap", "level": "refuse", "claim": "evaluation items were trained on", "evidence": {}, "cell": ["null_rows", "doubt"]},
]


def records(names: tuple[str, ...] = ("maths", "law", "null_rows"), **other: Any) -> StudyFindings:
    """The same as records, their texts made plain."""
    return record({**findings(names), **other})


def record(tree: dict[str, Any]) -> StudyFindings:
    return StudyFindings.model_validate(map_strings(tree, plain))


def entries(audit: list[dict[str, Any]]) -> list[AuditEntry]:
    return [AuditEntry.model_validate(map_strings(e, plain)) for e in audit]


ENTRIES = entries(AUDIT)
