"""Compare the findings of two runs: every number, word and list of the first must stand in the second, equal to the last bit.

    python -m benchmarks.same_numbers OLD NEW [OLD NEW ...]

OLD and NEW are folders of runs, or files. Keys that only the second has are counted and allowed. Exit code 1 if anything differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """One line for each value of `old` that `new` lacks or holds differently."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            yield from differences(value, new[key], f"{place}/{key}") if key in new else [f"{place}/{key}: missing"]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{place}/{index}")
    elif type(old) is not type(new) or old != new:
        yield f"{place}: {old!r} became {new!r}"


def num_values(tree: Any) -> int:
    """Leaves of a JSON tree."""
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return 1 if children is None else sum(map(num_values, children))


def main(files: list[str]) -> int:
    """Compare each pair of files; returns the exit code."""
    if not files or len(files) % 2:
        print(__doc__, file=sys.stderr)
        return 2
    worst = 0
    for old_file, new_file in zip(files[::2], files[1::2], strict=True):
        old, new = (json.loads((Path(f) / "findings.json" if Path(f).is_dir() else Path(f)).read_bytes()) for f in (old_file, new_file))
        lines = list(differences(old, new))
        print(
            f"{old_file} -> {new_file}: {num_values(old)} values, {len(lines)} differ, {num_values(new) - num_values(old)} more than before"
        )
        print("\n".join(lines[:20]))
        worst = max(worst, int(bool(lines)))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
