"""What a check may look at, and the shape of what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from holdfast.records import Item


@dataclass(frozen=True)
class AuditContext:
    """Facts of the study, its trials, its items, the source keys of each domain's training rows, its training settings,
    and the number of training rows left out because they are evaluation items."""

    study: dict[str, Any]
    trials: pa.Table
    items: dict[str, list[Item]]
    examples_keys: dict[str, set[str]]
    settings: dict[str, Any]
    num_left_out: dict[str, int] = field(default_factory=dict)


def entry(check: str, level: str, claim: str, evidence: Any, cell: list[str] | None = None) -> dict[str, Any]:
    """level: ok, warn or refuse. claim: the sentence it forbids or qualifies. cell: [adapter, instrument] it refuses."""
    return {"check": check, "level": level, "claim": claim, "evidence": evidence, **({"cell": cell} if cell else {})}
