"""Train and measure the organisms: `python -m experiments.organisms --out DIR [--page docs/organisms.md]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.organisms.page import page, plot
from experiments.organisms.training import run, to_json
from holdfast.store import write_atomic


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.organisms", description="Organisms pretrained with planted deference.")
    parser.add_argument("--out", type=Path, required=True, help="folder for organisms, cells and results; what is there is reused")
    parser.add_argument("--page", type=Path, help="write this Markdown page, with its .json and .svg in the same folder")
    parser.add_argument("--seed", type=int, default=0, help="world seed")
    options = parser.parse_args(arguments)
    result = run(options.out, lambda line: print(line, flush=True), world_seed=options.seed)
    print(f"written: {options.out / 'organisms.json'}")
    if options.page:
        write_atomic(options.page.with_suffix(".json"), to_json(result))
        write_atomic(options.page.with_suffix(".svg"), plot(result).encode())
        write_atomic(options.page, page(result, options.page.with_suffix(".svg").name).encode())
        print(f"written: {options.page}")


if __name__ == "__main__":
    main()
