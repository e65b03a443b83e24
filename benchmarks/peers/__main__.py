"""Every comparison, a table, and a result file of this machine.

    python -m benchmarks.peers                       # sizes 2M and 100M, everything: about 45 minutes
    python -m benchmarks.peers --quick               # 2M, one round, fewer training steps and exact rows: under 5 minutes
    python -m benchmarks.peers --only scoring --size 100M
    python -m benchmarks.peers --check               # also compare with the stored file: exit 1 where a ratio fell by over 15 %

Needs the dev extras. Rows: real ones under HOLDFAST_DATA_ROOT or shared/data, else random words of their shape (said in the file).
"""

from __future__ import annotations

from benchmarks.peers import common

common.quiet()

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.peers import rows, table  # noqa: E402

PARTS = ("startup", "scoring", "generation", "training", "adapters")
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    parse = argparse.ArgumentParser(prog="benchmarks.peers", description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--quick", action="store_true", help="2M alone, one round")
    parse.add_argument("--size", action="append", choices=[*common.SIZES, "tiny"], help="default: 2M and 100M")
    parse.add_argument("--only", action="append", choices=PARTS)
    parse.add_argument("--rounds", type=int, help="default: 3 at 2M, 2 at 100M")
    parse.add_argument("--out", type=Path, help="result file (default: benchmarks/results/<processor>.json, quick runs: none)")
    parse.add_argument("--check", action="store_true", help="compare ratios with the stored result file")
    asked = parse.parse_args()
    sizes = asked.size or (["2M"] if asked.quick else list(common.SIZES))
    found: dict[str, Any] = {"machine": common.machine(), "rows": rows.kind(), "sizes": {}}
    common.say(f"machine: {found['machine']}")
    for size in sizes:
        rounds = asked.rounds or (1 if asked.quick else 3 if size == "2M" else 2)
        for part in asked.only or PARTS:
            start = time.monotonic()
            found["sizes"].setdefault(size, {})[part] = import_module(f"benchmarks.peers.{part}").run(size, rounds, common.say)
            common.say(f"{part} {size}: {time.monotonic() - start:.0f} s; {json.dumps(found['sizes'][size][part])}")
    print(table.drawn(found))
    stored = RESULTS / f"{table.slug(found['machine']['processor'])}.json"
    if asked.check:
        worse = (
            table.fallen(json.loads(stored.read_text(encoding="utf-8")), found) if stored.is_file() else ["no stored file for this machine"]
        )
        print("\n".join(worse) or "no ratio fell by more than 15 %")
        return 1 if worse else 0
    place = asked.out or (None if asked.quick or asked.size or asked.only else stored)
    if place:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"results: {place}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
