"""How often a change without deference is called, and true deference found: studies of made-up models, counted.

python -m experiments.deference [--studies 400] [--processes 2] [--page docs/calibration-deference.md]
"""

import argparse
from pathlib import Path

from experiments.deference.page import page
from experiments.deference.run import CHUNK, calibrate
from experiments.deference.worlds import RESPONSES

if __name__ == "__main__":
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--out", type=Path, default=Path("runs/deference"))
    parse.add_argument("--studies", type=int, default=400, help=f"of each family in each world, a multiple of {CHUNK}")
    parse.add_argument("--response", nargs="*", choices=RESPONSES, default=RESPONSES)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--processes", type=int, default=1)
    parse.add_argument("--page", type=Path)
    asked = parse.parse_args()
    text = page(calibrate(asked.response, asked.out, asked.studies, asked.seed, asked.processes))
    print(text)
    if asked.page:
        asked.page.write_text(text, encoding="utf-8")
