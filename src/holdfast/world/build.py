"""`python -m holdfast.world.build --seed 0 --out DIR`: pretrain the organism of a world."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from holdfast.world.pretrain import build_base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="world seed")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, losses = time.monotonic(), []

    def progress(step: int, steps: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 0 or step == steps:
            took = time.monotonic() - start
            print(
                f"step {step}/{steps}  loss {sum(losses[-100:]) / len(losses[-100:]):.3f}  {took:.0f} s, {took / step * (steps - step):.0f} s left",
                flush=True,
            )

    print(f"saved: {build_base(options.seed, options.out, progress)}")


if __name__ == "__main__":
    main()
