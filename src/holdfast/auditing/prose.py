"""Numbers in prose: each must be held by a cell its sentence cites (METRICS section 4, rule 9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holdfast.auditing.context import AuditContext, entry

NEXT = "Render the sentence from the cell it talks about, or cite the cell that holds the number."
# A number stands alone: not part of a name (gsm8k, llama2-7b, seed0), sign included where one is written.
_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)\.\d+|(?<!\d)\.\d+|(?<=\d))(?![\w]|[.,]\d)")


def numbers_in(text: str) -> list[str]:
    """Numbers written in a sentence, as written."""
    return [m.group() for m in _NUMBER.finditer(text)]


def look_up(findings: Mapping[str, Any], path: str) -> Any:
    """The value at `adapters/0/shifts/doubt`; raises KeyError if the findings hold no such cell."""
    here: Any = findings
    for step in path.split("/"):
        try:
            here = here[int(step)] if isinstance(here, Sequence) and not isinstance(here, str) else here[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise KeyError(path) from None
    return here


def leaves(value: Any) -> list[float]:
    """Every number under a cell."""
    if isinstance(value, Mapping):
        return [x for v in value.values() for x in leaves(v)]
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in leaves(v)]
    return [float(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def is_held(written: str, held: Iterable[float]) -> bool:
    """Whether a written number is a held one, rounded as it is written: as a fraction, a count, or in percentage points.

    A number without a sign may tell the size of a negative one ("fell by 2.3 points").
    """
    clean = written.replace(",", "").replace("\u2212", "-")
    decimals = len(clean.partition(".")[2])
    value, signed = float(clean), clean[0] in "+-"
    half = 0.5000001 * 10.0**-decimals
    for x in held:
        for scale in (1.0, 100.0):
            y = scale * x
            if abs(y - value) <= half or (not signed and abs(abs(y) - value) <= half):
                return True
    return False


def uncited_numbers(sentences: Sequence[Mapping[str, Any]], findings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """[{text, number, cells}] for every number of {text, cells} sentences that none of the cited cells holds.

    A cited cell that does not exist holds nothing. Names of adapters, instruments and the base are no numbers.
    """
    names = _names(findings)
    out = []
    for sentence in sentences:
        held: list[float] = []
        for path in sentence.get("cells") or []:
            try:
                held += leaves(look_up(findings, path))
            except KeyError:
                continue
        text = sentence["text"]
        for name in names:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", text)
        out += [
            {"text": sentence["text"], "number": n, "cells": list(sentence.get("cells") or [])}
            for n in numbers_in(text)
            if not is_held(n, held)
        ]
    return out


def _names(findings: Mapping[str, Any]) -> list[str]:
    base = findings.get("base", {})
    names = {a["name"] for a in findings.get("adapters", [])} | {base.get("name") or "", findings.get("study", {}).get("name") or ""}
    names |= {*base.get("benchmarks", {}), *base.get("axes", {})}
    return sorted((n for n in names if n), key=len, reverse=True)


def check(context: AuditContext) -> list[dict[str, Any]]:
    if not context.findings or "recommendation" not in context.findings:
        return []
    sentences = context.findings["recommendation"]
    loose = uncited_numbers(sentences, context.findings)
    if not loose:
        told = sum(len(numbers_in(s["text"])) for s in sentences)
        claim = "every number of the recommendation is held by a cell its sentence cites"
        return [entry("prose", "ok", claim, {"sentences": len(sentences), "numbers": told})]
    return [
        entry("prose", "refuse", f'"{x["text"]}": no cited cell holds {x["number"]}', {"number": x["number"], "cells": x["cells"]})
        for x in loose[:20]
    ]
