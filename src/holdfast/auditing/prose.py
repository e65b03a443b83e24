"""Numbers in prose: each must be held by a cell its sentence cites (docs/metrics.md, section 4, rule 9)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from holdfast.auditing.context import AuditContext, entry
from holdfast.results import AuditEntry, Recommendation, StudyFindings

NEXT = "Render the sentence from the cell it talks about, or cite the cell that holds the number."
# A number stands alone: not part of a name (gsm8k, llama2-7b, seed0), sign included where one is written.
_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)\.\d+|(?<!\d)\.\d+|(?<=\d))(?![\w]|[.,]\d)")


def numbers_in(text: str) -> list[str]:
    """Numbers written in a sentence, as written."""
    return [m.group() for m in _NUMBER.finditer(text)]


def look_up(findings: Any, path: str) -> Any:
    """The value at `adapters/0/shifts/doubt` of findings read from JSON; raises KeyError if they hold no such cell."""
    try:
        return reduce(lambda here, step: here[int(step)] if isinstance(here, list) else here[step], path.split("/"), findings)
    except (KeyError, IndexError, ValueError, TypeError):
        raise KeyError(path) from None


def leaves(value: Any) -> list[float]:
    """Every number under a cell."""
    if isinstance(value, Mapping):
        return [x for v in value.values() for x in leaves(v)]
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in leaves(v)]
    return [float(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def is_held(written: str, held: Iterable[float]) -> bool:
    """Whether a written number is a held one, rounded as it is written: as a fraction, a count, or in percentage points.

    A number without a sign may give the size of a negative one ("fell by 2.3 points").
    """
    clean = written.replace(",", "").replace("\u2212", "-")
    decimals = len(clean.partition(".")[2])
    value, signed = float(clean), clean[0] in "+-"
    half = 0.5000001 * 10.0**-decimals
    shown = (y for x in held for y in (x, 100.0 * x))
    return any(abs(y - value) <= half or (not signed and abs(abs(y) - value) <= half) for y in shown)


def uncited_numbers(findings: StudyFindings) -> list[tuple[Recommendation, str]]:
    """(sentence, number) for every number of the recommendation that none of the sentence's cited cells holds.

    A cited cell that does not exist holds nothing. Names of adapters, instruments and the base do not count as numbers.
    """
    tree, out = json.loads(findings.to_json()), []
    names = {a.name for a in findings.adapters} | {findings.base.name, findings.study.name, *findings.base.benchmarks, *findings.base.axes}
    for sentence in findings.recommendation:
        held: list[float] = []
        for path in sentence.cells:
            try:
                held += leaves(look_up(tree, path))
            except KeyError:
                continue
        text = sentence.text
        for name in sorted(names - {""}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", text)
        out += [(sentence, n) for n in numbers_in(text) if not is_held(n, held)]
    return out


def check(context: AuditContext) -> list[AuditEntry]:
    if context.findings is None or not context.findings.recommendation:
        return []
    sentences, uncited = context.findings.recommendation, uncited_numbers(context.findings)
    if not uncited:
        claim = "every number of the recommendation is held by a cell its sentence cites"
        count = sum(len(numbers_in(s.text)) for s in sentences)
        return [entry("prose", "ok", claim, {"sentences": len(sentences), "numbers": count})]
    return [
        entry("prose", "refuse", f'"{s.text}": no cited cell holds {n}', {"number": n, "cells": list(s.cells)}) for s, n in uncited[:20]
    ]
