"""How often a change without deference is called, and true deference found.

python -m experiments.deference [--studies 40] [--response log-odds ...] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from experiments.deference.worlds import AXES, RESPONSES, Change, World
from holdfast.stats.crossed import crossed, pooled_seed_variance, seed_means
from holdfast.stats.decide import holm
from holdfast.stats.deference import deference, envelope, measure_sharpness

FAMILIES = {
    "pure": [Change(0.5), Change(1.2), Change(-0.8), Change(0, 1.4), Change(0, 0.75)],
    "joint": [Change(0.8, 0.75), Change(0.8, 1.4), Change(-0.8, 0.75), Change(1.2, 0.75), Change(-0.8, 1.4)],
    "deference": [Change(0, 1, 1.2), Change(0, 1, 0.8), Change(0.5, 1, 1.2), Change(0.5, 1, 0.8), Change(0.8, 0.75, 1.2)],
}


def study(draw: np.random.Generator, response: str, changes: list[Change]) -> dict[tuple[str, int], tuple[float, float]]:
    """{(axis, adapter): (estimate, Holm-adjusted p)} of one family: five adapters of five seeds on three axes."""
    world = World(draw, response)
    base = world.base()
    rows = {}
    for k, change in enumerate(changes):
        for model in world.adapters(change, 5):
            sharpness = measure_sharpness(base.log_IK, model.log_IK)
            for axis in AXES:
                rows.setdefault((axis, k), []).append(deference(base.answers[axis], model.answers[axis], sharpness).rows_MI)
    made = {}
    for axis in AXES:
        parts = [np.array(rows[axis, k]) for k in range(len(changes))]
        pools = [pooled_seed_variance([seed_means(part[:, m]) for part in parts]) for m in range(parts[0].shape[1])]
        for k, part in enumerate(parts):
            made[axis, k] = envelope([crossed(part[:, m], world.clusters, pooled=pool) for m, pool in enumerate(pools)])
    adjusted = holm([i.p for i in made.values()])
    return {cell: (i.estimate, p) for (cell, i), p in zip(made.items(), adjusted, strict=True)}


def main() -> None:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--studies", type=int, default=40)
    parse.add_argument("--response", nargs="*", choices=RESPONSES, default=RESPONSES)
    parse.add_argument("--seed", type=int, default=0)
    asked = parse.parse_args()
    for response in asked.response:
        for name, changes in FAMILIES.items():
            draw, calls, families = np.random.default_rng(asked.seed), Counter(), 0
            for _ in range(asked.studies):
                called = {cell: estimate for cell, (estimate, p) in study(draw, response, changes).items() if p < 0.05}
                families += any(changes[k].deference == 1 for _, k in called)
                calls.update((axis, k, "raised" if e > 0 else "lowered") for (axis, k), e in called.items())
            print(f"{response}, {name}: a false call in {families} of {asked.studies} families", flush=True)
            for axis in AXES:
                cells = [f"{c.knowledge:+.1f} nats, sharper {c.sharpness:g}, deference {c.deference:g}: raised {calls[axis, k, 'raised']}, "
                         f"lowered {calls[axis, k, 'lowered']}" for k, c in enumerate(changes)]  # fmt: skip
                print(f"  {axis:9s} " + "; ".join(cells), flush=True)


if __name__ == "__main__":
    main()
