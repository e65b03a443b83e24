"""Correlations a study's prose gives to one cell while its own table has them in another."""

from __future__ import annotations

from holdfast_llama2_7b.readers import HALF, QUOTED, value
from holdfast_llama2_7b.tables import Tables

Pair = tuple[str, str]


def misplaced(tables: Tables) -> tuple[list[tuple[Pair, float, float]], list[Pair], int]:
    """([(cell, quoted, the table's)] that belong elsewhere, cells whose values are exchanged with each other, number quoted)."""
    table = tables.csv_correlations
    quoted = {
        pair: said
        for claim in tables.claims
        if claim["id"] in QUOTED
        for pair, said in zip(QUOTED[claim["id"]], value(claim, len(QUOTED[claim["id"]])), strict=True)
    }
    home: dict[Pair, Pair] = {}
    for pair, said in quoted.items():
        others = [p for p, r in table.items() if p != pair and abs(r - said) <= HALF]
        if pair in table and abs(table[pair] - said) > HALF and others:
            home[pair] = others[0]
    swapped = [p for p, other in home.items() if home.get(other) == p]
    return [(p, quoted[p], table[p]) for p in home if p not in swapped], swapped, len(quoted)
