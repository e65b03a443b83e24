"""Studies of made-up models, counted in parts that are kept."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from experiments.deference.cases import FAMILIES, NUM_ITEMS, NUM_SEEDS, wanted
from experiments.deference.counts import Counts
from experiments.deference.worlds import AXES, RESPONSES, World
from holdfast.stats.crossed import crossed, pooled_seed_variance, seed_means
from holdfast.stats.decide import holm
from holdfast.stats.deference import deference, envelope, measure_sharpness
from holdfast.store import canonical, digest, file_digest, write_atomic

LEVEL = 0.05
CHUNK = 25  # studies of a part
CODE = ("src/holdfast/stats/deference.py", "src/holdfast/stats/crossed.py", "src/holdfast/stats/decide.py", "experiments/deference/worlds.py",
        "experiments/deference/cases.py")  # fmt: skip


def study(draw: np.random.Generator, response: str, family: str) -> tuple[dict[tuple[str, int], float], bool, list[float]]:
    """One family of adapters on three axes.

    Returns ({(axis, adapter): estimate} of the cells that are called, whether behaviour alone would give a false call, gains).
    """
    changes, world = FAMILIES[family], World(draw, response, NUM_ITEMS)
    base = world.base()
    rows: dict[tuple[str, int], list[np.ndarray]] = {}
    raw: dict[tuple[str, int], list[np.ndarray]] = {}
    gains = []
    for k, change in enumerate(changes):
        models = world.adapters(change, NUM_SEEDS)
        gains.append(float(np.mean([(m.log_IK.argmax(1) == 0).mean() - (base.log_IK.argmax(1) == 0).mean() for m in models])))
        for model in models:
            sharpness = measure_sharpness(base.log_IK, model.log_IK)
            for axis in AXES:
                own, other = base.answers[axis], model.answers[axis]
                rows.setdefault((axis, k), []).append(deference(own, other, sharpness).rows_MI)
                both = own.counted_I & other.counted_I
                raw.setdefault((axis, k), []).append(np.where(both, other.effect() - own.effect(), np.nan)[None])
    called, behaviour = (_called(made, world.clusters, len(changes)) for made in (rows, raw))
    return called, any(wanted(changes[k]) is None for _, k in behaviour), gains


def _called(rows: dict[tuple[str, int], list[np.ndarray]], clusters: np.ndarray, num_adapters: int) -> dict[tuple[str, int], float]:
    made = {}
    for axis in AXES:
        parts = [np.array(rows[axis, k]) for k in range(num_adapters)]
        pools = [pooled_seed_variance([seed_means(part[:, m]) for part in parts]) for m in range(parts[0].shape[1])]
        for k, part in enumerate(parts):
            made[axis, k] = envelope([crossed(part[:, m], clusters, pooled=pool) for m, pool in enumerate(pools)])
    adjusted = holm([i.p for i in made.values()])
    return {cell: i.estimate for (cell, i), p in zip(made.items(), adjusted, strict=True) if p < LEVEL}


def count(response: str, family: str, first: int, seed: int) -> Counts:
    """Studies `first` to `first` + `CHUNK`, each with random numbers of its own."""
    calls: dict[str, int] = {}
    families, behaviour_families, gains = 0, 0, []
    for number in range(first, first + CHUNK):
        draw = np.random.default_rng([seed, RESPONSES.index(response), list(FAMILIES).index(family), number])
        called, behaviour, gain = study(draw, response, family)
        gains.append(gain)
        families += any(wanted(FAMILIES[family][k]) is None for _, k in called)
        behaviour_families += behaviour
        for (axis, k), estimate in called.items():
            name = f"{axis}/{k}/{'raised' if estimate > 0 else 'lowered'}"
            calls[name] = calls.get(name, 0) + 1
    return Counts(response=response, family=family, studies=CHUNK, false_families=families, behaviour_families=behaviour_families,
                  calls=calls, gain=tuple(np.mean(gains, axis=0)))  # fmt: skip


def make_part(place: Path, response: str, family: str, first: int, seed: int) -> Counts:
    """A part under `place`: taken up, or made and kept."""
    file = place / f"{response.replace(' ', '-')}.{family.replace(' ', '-')}.{first}.json"
    if not file.is_file():
        write_atomic(file, canonical(count(response, family, first, seed).model_dump()).encode())
    return Counts.model_validate_json(file.read_bytes())


def together(parts: list[Counts]) -> Iterator[Counts]:
    """One record per world and family."""
    for response in RESPONSES:
        for family in FAMILIES:
            mine = [p for p in parts if (p.response, p.family) == (response, family)]
            if mine:
                names = {name for p in mine for name in p.calls}
                yield Counts(
                    response=response,
                    family=family,
                    studies=sum(p.studies for p in mine),
                    false_families=sum(p.false_families for p in mine),
                    behaviour_families=sum(p.behaviour_families for p in mine),
                    calls={name: sum(p.calls.get(name, 0) for p in mine) for name in sorted(names)},
                    gain=tuple(np.mean([p.gain for p in mine], axis=0)),
                )


def calibrate(responses: Sequence[str], out: Path, studies: int, seed: int, processes: int) -> list[Counts]:
    """Counts of every family in every world; parts under `out`/parts are taken up while the code they depend on is the same."""
    root = Path(__file__).parents[2]
    place = out / "parts" / digest([seed, *(file_digest(root / name) for name in CODE)])[:12]
    place.mkdir(parents=True, exist_ok=True)
    work = [(r, f, first) for first in range(0, studies, CHUNK) for f in FAMILIES for r in responses]
    parts = []
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(make_part, place, *which, seed) for which in work]):
            parts.append(done.result())
            print(f"{len(parts)} of {len(work)} parts", end="\r", file=sys.stderr, flush=True)
    found = list(together(parts))
    write_atomic(out / "deference.json", canonical([c.model_dump() for c in found]).encode())
    return found
