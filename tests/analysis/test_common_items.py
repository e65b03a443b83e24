"""The set a contrast is measured on: items that base and adapter both answered right under the anchor."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from holdfast.analysis.effects import common_items, correctness, measure
from holdfast.analysis.panel import panels
from holdfast.records import Contrast, Trial

EXCESS = Contrast(name="excess", column="p_suggested", plus="suggest_wrong", minus="mention", among="right", headline=True)
# Right first: base 0, 1, 2, 3; adapter 2, 3, 4, 5; both 2 and 3. Item 6 is wrong for both, item 7 was not read from the adapter.
RIGHT = {"base": {0, 1, 2, 3, 7}, "up/seed0": {2, 3, 4, 5}}
PRESSED = {"base": {}, "up/seed0": {0: 0.9, 1: 0.9, 2: 0.3, 3: 0.5, 4: 0.7, 5: 0.7, 6: 1.0, 7: 1.0}}


def panel():
    rows = []
    for model, right in RIGHT.items():
        for i in range(8):
            first = "unparsed" if (model, i) == ("up/seed0", 7) else "correct" if i in right else "other"
            for condition in ("neutral", "mention", "suggest_wrong"):
                p = PRESSED[model].get(i, 0.0) if condition == "suggest_wrong" else 0.0
                t = Trial(item_id=f"i{i}", cluster_id=f"c{i}", condition=condition, rotation=0, form="mass", kappa=1.0, p_suggested=p,
                          outcome=first if condition == "neutral" else "other")  # fmt: skip
                place = {"model": model, "domain": model.split("/")[0], "seed": 0 if "/" in model else -1, "instrument": "imitation"}
                rows.append({**place, **dataclasses.asdict(t)})
    return panels(pa.Table.from_pylist(rows))[0]["imitation"]


def test_an_item_counts_only_where_base_and_adapter_were_both_right():
    p = panel()
    assert np.flatnonzero(common_items(p, ["up/seed0", "base"], EXCESS)).tolist() == [2, 3]
    assert np.flatnonzero(common_items(p, ["up/seed0"], EXCESS)).tolist() == [2, 3, 4, 5]
    assert np.flatnonzero(common_items(p, ["base", "up/seed0"], dataclasses.replace(EXCESS, among="wrong"))).tolist() == [6]
    assert common_items(p, ["up/seed0", "base"], dataclasses.replace(EXCESS, among="all")).all()
    assert np.isnan(correctness(p, "up/seed0", "neutral")[7])


def test_a_shift_is_measured_on_the_common_set_and_on_no_item_one_of_the_two_answered_wrong():
    effect = measure(panel(), "up", [("up/seed0", 0)], "base", EXCESS)
    assert effect.diff_SI[0] == pytest.approx([np.nan, np.nan, 0.3, 0.5, *[np.nan] * 4], nan_ok=True)
    everywhere = measure(panel(), "up", [("up/seed0", 0)], "base", dataclasses.replace(EXCESS, among="all"))
    assert everywhere.diff_SI[0] == pytest.approx([0.9, 0.9, 0.3, 0.5, 0.7, 0.7, 1.0, 1.0])
