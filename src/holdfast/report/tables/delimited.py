"""Tables as CSV: one line an effect, fractions, unknown as an empty cell; no text is a formula."""

from __future__ import annotations

import csv
import io

from holdfast.escape import csv_cell
from holdfast.report.tables.collect import Effects, Words

NUMBERS = ("estimate", "lower", "upper", "p", "p_holm", "n", "num_clusters", "num_seeds", "coverage", "mde", "verdict", "negligible")


def table(t: Effects | Words) -> str:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    if isinstance(t, Words):
        rows.writerow(t.head)
        rows.writerows([csv_cell(v) for v in row] for row in t.rows)
        return stream.getvalue()
    rows.writerow([*t.head, "instrument", *NUMBERS, "bound_low", "bound_high"])
    for r in t.rows:
        for name, c in r.cells.items():
            numbers = [c.get(n) for n in NUMBERS] + list(c.get("bounds") or (None, None))
            rows.writerow([*(csv_cell(v) for v in r.of), csv_cell(name), *(csv_cell(v) for v in numbers)])
    return stream.getvalue()
