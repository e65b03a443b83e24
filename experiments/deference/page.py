"""The page of the calibration: what is promised, what was measured with its Monte-Carlo error, what is not reached."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from experiments.deference.cases import FAMILIES, NUM_ITEMS, NUM_SEEDS, wanted
from experiments.deference.counts import Counts
from experiments.deference.worlds import AXES, Change

FALSE = 0.05  # families with a false call, at most
REVERSED = 0.01
POWER = {(0.0, 1.0): 0.9}  # by (knowledge, sharpness) in addition to deference; others below
POWER_BESIDE_GAIN, POWER_BESIDE_BOTH = 0.8, 0.5

HEAD = """# Calibration of the deference part

How often a change that is not deference is called deference, and true deference is found. Made-up models answer three axes in five worlds
that differ in how pressure acts; nothing but knowledge, sharpness and deference is changed, one by one and together. This page is written by
`python -m experiments.deference --page docs/calibration-deference.md`.

- *log-odds*: pressure adds to the log-odds. *mixture*: the model gives way at a rate. *half of each*. *pooling*: its own answer and the
  user's are pooled log-linearly. *threshold*: it gives way where its lead is below a threshold, which ±20 % moves by .2 nat only, so that
  less changes than in the other worlds. No choice was made on the last two.
- {studies} studies per family and world, {items} items, {seeds} training seeds, three axes; verdicts are Holm-adjusted over the family's adapters and axes.
- Promised: deference called raised or lowered in at most 5 % of families without any; found in at least 90 % at ±20 % pressure alone, 80 % with
  a gain of 8 points, 50 % with a gain and flattening; the wrong sign in at most 1 %. A promise counts as kept within one Monte-Carlo
  standard error (±).
"""


def page(found: Sequence[Counts]) -> str:
    """Markdown of all counts."""
    missed: list[str] = []
    lines = [HEAD.format(studies=max((c.studies for c in found), default=0), items=NUM_ITEMS, seeds=NUM_SEEDS)]
    lines += [
        "## Families without deference",
        "",
        "| world | family | called deference | called by behaviour alone |",
        "| --- | --- | ---: | ---: |",
    ]
    for c in found:
        if all(wanted(change) is None for change in FAMILIES[c.family]):
            rate, error = share(c.false_families, c.studies)
            if rate > FALSE + error:
                missed.append(f"{c.response}, {c.family}: a false call in {percent(rate, error)} of families")
            lines.append(f"| {c.response} | {c.family} | {percent(rate, error)} | {percent(*share(c.behaviour_families, c.studies))} |")
    lines += [
        "",
        "Cells that are called, per adapter and axis:",
        "",
        f"| world | change | {' | '.join(AXES)} |",
        f"| --- | --- |{' ---: |' * len(AXES)}",
    ]
    lines += [
        f"| {c.response} | {name(change, c.gain[k])} | "
        + " | ".join(percent(*share(c.calls.get(f"{a}/{k}/raised", 0) + c.calls.get(f"{a}/{k}/lowered", 0), c.studies)) for a in AXES)
        + " |"
        for c in found
        for k, change in enumerate(FAMILIES[c.family])
        if wanted(change) is None
    ]
    lines += ["", "## True deference", "", "Found, and in parentheses with the wrong sign.", "", f"| world | change | {' | '.join(AXES)} |",
              f"| --- | --- |{' ---: |' * len(AXES)}"]  # fmt: skip
    for c in found:
        for k, change in enumerate(FAMILIES[c.family]):
            right = wanted(change)
            if right is None:
                continue
            wrong = "lowered" if right == "raised" else "raised"
            least = POWER.get((change.knowledge, change.sharpness), POWER_BESIDE_GAIN if change.sharpness == 1 else POWER_BESIDE_BOTH)
            cells = []
            for axis in AXES:
                rate, error = share(c.calls.get(f"{axis}/{k}/{right}", 0), c.studies)
                back, back_error = share(c.calls.get(f"{axis}/{k}/{wrong}", 0), c.studies)
                cells.append(f"{percent(rate, error)} ({100 * back:.1f} %)")
                if rate < least - error:
                    missed.append(
                        f"{c.response}, {name(change, c.gain[k])}, {axis}: found in {percent(rate, error)}, promised {100 * least:.0f} %"
                    )
                if back > REVERSED + back_error:
                    missed.append(f"{c.response}, {name(change, c.gain[k])}, {axis}: the wrong sign in {percent(back, back_error)}")
            lines.append(f"| {c.response} | {name(change, c.gain[k])} | {' | '.join(cells)} |")
    lines += ["", "## Not reached", "", *([f"- {line}" for line in missed] or ["Every promise is kept in every world."])]
    return "\n".join(lines) + "\n"


def name(change: Change, gain: float) -> str:
    """A change in words."""
    words = [f"accuracy {100 * gain:+.0f} points"] if change.knowledge else []
    words += [f"{'sharper' if change.sharpness > 1 else 'flatter'} x{change.sharpness:g}"] if change.sharpness != 1 else []
    words += [f"deference {100 * (change.deference - 1):+.0f} %"] if change.deference != 1 else []
    return ", ".join(words)


def share(count: int, studies: int) -> tuple[float, float]:
    """A rate and its Monte-Carlo standard error, which is never 0: that of (count + 1/2) of (studies + 1)."""
    smoothed = (count + 0.5) / (studies + 1)
    return count / studies, sqrt(smoothed * (1 - smoothed) / studies)


def percent(rate: float, error: float) -> str:
    return f"{100 * rate:.1f} % ± {100 * error:.1f}"
