"""Names of randomly drawn mutants, so many of each module, from a working folder in which run.sh has made them.

    python benchmarks/mutation/sample.py WORKDIR NUMBER > names    (seeded: the same code gives the same names)
"""

import random
import re
import sys
from pathlib import Path

# crossed.py has its interval simulated at length instead (docs/calibration.md).
LEFT_OUT = ("__init__", "crossed")


def main(work: str, number: int) -> None:
    rng = random.Random(20261125)
    for file in sorted((Path(work) / "mutants/src/holdfast/stats").glob("*.py")):
        if file.stem not in LEFT_OUT:
            names = sorted(set(re.findall(r"^\s*def (\S+__mutmut_\d+)\(", file.read_text(), re.M)))
            print("\n".join(f"holdfast.stats.{file.stem}.{name}" for name in rng.sample(names, min(number, len(names)))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
