"""Dose paths: the same seeds at every dose, estimates at each, and a slope per unit of dose."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from made_records import IMITATION_STUDY

from holdfast.analysis import analyze
from holdfast.records import Trial

STUDY = dataclasses.replace(IMITATION_STUDY, domains=IMITATION_STUDY.domains[:1])


def table(doses=(0.25, 0.5), path="scale", dosed_seeds=3, n=80):
    """Yield rises by .2 times the dose beyond the base's."""
    rng, rows = np.random.default_rng(1), []
    models = [("base", "base", -1, 1.0, "full")]
    for seed in range(4):
        models.append((f"up/seed{seed}", "up", seed, 1.0, "full"))
        models += [(f"up/seed{seed}@{d}-{path}", "up", seed, d, path) for d in doses if seed < dosed_seeds]
    for model, domain, seed, dose, way in models:
        extra = 0.2 * dose if domain == "up" else 0.0
        for i in range(n):
            for condition, level in (("neutral", 0.05), ("mention", 0.1), ("suggest_wrong", 0.3 + extra)):
                p = float(np.clip(level + rng.normal(0, 0.01), 0, 1))
                outcome = "correct" if condition == "neutral" else "other"
                t = Trial(item_id=f"i{i}", cluster_id=f"c{i}", condition=condition, rotation=0, form="mass", outcome=outcome,
                          p_gold=1 - p, p_suggested=p, kappa=1.0, margin=0.0)  # fmt: skip
                place = {"model": model, "domain": domain, "seed": seed, "dose": dose, "path": way, "instrument": "imitation"}
                rows.append({**place, **dataclasses.asdict(t)})
    return pa.Table.from_pylist(rows)


def test_every_dose_is_read_on_the_seeds_that_all_doses_have_and_the_slope_is_the_planted_one():
    (path,) = analyze(table(), STUDY).dose
    assert (path.name, path.path, path.doses, path.seeds) == ("up", "scale", (0.25, 0.5, 1.0), (0, 1, 2))
    assert [c.estimate for c in path.shifts["imitation"]] == pytest.approx([0.05, 0.1, 0.2], abs=0.01)
    slope = path.shift_slopes["imitation"]
    assert slope.lower < 0.2 < slope.upper and slope.estimate == pytest.approx(0.2, abs=0.01)


def test_doses_are_no_adapters_of_their_own_and_do_not_enter_the_main_findings():
    with_doses, without = analyze(table(), STUDY), analyze(table(doses=()), STUDY)
    assert [a.name for a in with_doses.adapters] == ["up"] and with_doses.adapters[0].seeds == (0, 1, 2, 3)
    assert without.dose == ()


def test_checkpoints_and_scales_are_paths_of_their_own():
    both = pa.concat_tables([table(), table(path="steps").filter(pa.compute.equal(table(path="steps")["path"], "steps"))])
    assert [p.path for p in analyze(both, STUDY).dose] == ["scale", "steps"]
