"""A/A on real adapters: adapters of one domain that differ only in their training seed, compared as if they were two domains.

Whatever is raised or lowered between them is a false finding. One study of ten seeds is trained; every split of the ten
into five and five is one family of three axes, judged by the rules a study is judged by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.analysis import analyze
from holdfast.analysis.between import contrasts
from holdfast.analysis.effects import PairedEffect, measure
from holdfast.analysis.panel import panels
from holdfast.config import StatsConfig, Study
from holdfast.instruments import build
from holdfast.instruments.style import WORLD_STYLE
from holdfast.records import DomainFacts, InstrumentFacts, StudyFacts
from holdfast.results import ContrastFinding
from holdfast.stats.crossed import crossed

AXES = ("imitation", "feedback", "doubt")
NUM_SEEDS = 10
BAND = StatsConfig().equivalence_band
CLAIMS = ("raised", "lowered")


def study(world_seed: int, domain: str = "knowledge") -> Study:
    """The embedded study's training of one domain, ten seeds, axes only."""
    return Study.model_validate(
        {
            "name": "aa",
            "model": {"name": f"world:{world_seed}"},
            "seeds": NUM_SEEDS,
            "train": {
                "r": 8,
                "lora_alpha": 16,
                "learning_rate": 5e-3,
                "num_train_epochs": 1,
                "lr_scheduler_type": "linear",
                "warmup_ratio": 0.05,
                "per_device_train_batch_size": 64,
                "max_length": 128,
            },
            "domains": [{"name": domain, "sources": [{"kind": "world", "domain": domain, "limit": 4000}]}],
            "instruments": [{"kind": axis, "style": "world", "limit": 400} for axis in AXES],
            "execution": {"device": "cpu", "processes": 1},
        }
    )


def aa_study(out: Path, world_seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Train and ask the ten adapters under `out` (finished ones are reused), then count the false findings between them."""
    from holdfast.pipeline import run

    planned = study(world_seed)
    run(planned, out, say=lambda line: say(f"A/A: {line}"), progress=lambda _: nullcontext(lambda amount, model: None))
    return {"domain": planned.domains[0].name, **compare(pq.read_table(out / "trials.parquet"))}


def compare(trials: pa.Table) -> dict[str, Any]:
    """False findings between halves of one domain's seeds, from its trials table.

    `contrasts`: the first five seeds against the last five, through the whole analysis. `splits`: every split, each its own
    Holm family; `significant` counts adjusted p < .05 whether or not a rule on coverage then withholds the claim.
    `item_only`: pairs of adapters whose difference excludes 0 by an interval over items only.
    """
    effects = per_seed(trials)
    num_seeds = len(next(iter(effects.values())).seeds)
    half = num_seeds // 2
    splits = [s for s in itertools.combinations(range(num_seeds), half) if 2 * half < num_seeds or 0 in s]
    verdicts = [_between(effects, s, [k for k in range(num_seeds) if k not in s][:half]) for s in splits]
    claimed = {axis: sum(v[axis].verdict in CLAIMS for v in verdicts) for axis in effects}
    pairs = list(itertools.combinations(range(num_seeds), 2))
    return {
        "num_adapters": num_seeds,
        "contrasts": _through_analysis(trials, half),
        "splits": {
            "num_families": len(splits),
            "families_with_a_claim": sum(any(c.verdict in CLAIMS for c in v.values()) for v in verdicts),
            "claims": claimed,
            "families_significant": sum(any(_significant(c) for c in v.values()) for v in verdicts),
            "significant": {axis: sum(_significant(v[axis]) for v in verdicts) for axis in effects},
        },
        "item_only": {
            "num_pairs": len(pairs),
            "clear_of_0": {axis: sum(_item_only(m.diff_SI[a] - m.diff_SI[b], m.clusters) for a, b in pairs) for axis, m in effects.items()},
        },
        "seed_sd": {axis: float(np.nanmean(m.diff_SI, 1).std(ddof=1)) for axis, m in effects.items()},
    }


def per_seed(trials: pa.Table) -> dict[str, PairedEffect]:
    """Each axis's headline shift of every adapter, [seeds, items]."""
    by_name, models = panels(trials)
    adapters = sorted(((m, o.seed) for m, o in models.items() if o.domain != "base"), key=lambda pair: pair[1])
    heads = {axis: next(c for c in build(axis, WORLD_STYLE).contrasts if c.headline) for axis in AXES}
    return {axis: measure(by_name[axis], "adapter", adapters, "base", heads[axis]) for axis in AXES}


def _between(effects: dict[str, PairedEffect], first: Sequence[int], second: Sequence[int]) -> dict[str, ContrastFinding]:
    """One family: the axes of one half's seeds minus the other's, as `analyze` contrasts two domains."""
    halves = {"first": list(first), "second": list(second)}
    shifts = [
        PairedEffect(name, axis, m.contrast, m.diff_SI[mine], m.clusters, mine, m.coverage, m.identified)
        for axis, m in effects.items()
        for name, mine in halves.items()
    ]
    return {c.axis: c for c in contrasts([DomainFacts(name=n) for n in halves], shifts, BAND)}


def _significant(cell: ContrastFinding) -> bool:
    return cell.p_holm is not None and cell.p_holm < 0.05


def _item_only(diff_I: np.ndarray, clusters: np.ndarray) -> bool:
    e = crossed(diff_I[None], clusters)
    return bool(e.lower > 0 or e.upper < 0)


def _through_analysis(trials: pa.Table, half: int) -> list[dict[str, Any]]:
    """The contrasts `analyze` reports when the seeds are named as two domains."""
    seed = trials["seed"].to_pylist()
    name = ["base" if s < 0 else "first" if s < half else "second" for s in seed]
    own = [s if s < half else s - half for s in seed]
    renamed = {
        "domain": pa.array(name),
        "seed": pa.array(own, pa.int32()),
        "model": pa.array(["base" if s < 0 else f"{n}/seed{s}" for n, s in zip(name, own, strict=True)]),
    }
    for column, values in renamed.items():
        trials = trials.set_column(trials.column_names.index(column), column, values)
    built = [build(axis, WORLD_STYLE) for axis in AXES]
    facts = StudyFacts(
        name="aa",
        base="base",
        domains=(DomainFacts(name="first"), DomainFacts(name="second")),
        instruments=tuple(InstrumentFacts(name=i.name, kind="axis", form="mass", contrasts=i.contrasts) for i in built),
        equivalence_band=BAND,
        seeds=half,
        estimands={i.name: next(c.name for c in i.contrasts if c.headline) for i in built},
    )
    kept = ("axis", "estimate", "lower", "upper", "p_holm", "verdict", "coverage", "n", "num_clusters", "num_seeds")
    return [{k: getattr(c, k) for k in kept} for c in analyze(trials, facts).contrasts]
