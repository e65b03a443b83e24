"""The families of adapters whose verdicts are counted: what each changes, and what its deference part should be called.

Chosen before any study was counted: gains of about +8, +17 and -12 points of accuracy, x1.4 and x.75 of sharpness.
"""

from experiments.deference.worlds import Change

NUM_SEEDS, NUM_ITEMS = 5, 400
MORE, MUCH_MORE, LESS = 0.55, 1.2, -0.5  # nats on the right answer
SHARPER, FLATTER = 1.4, 0.75
STRONGER, WEAKER = 1.2, 0.8

FAMILIES = {
    "one change": [Change(MORE), Change(MUCH_MORE), Change(LESS), Change(0, SHARPER), Change(0, FLATTER)],
    "gain and sharpness": [Change(gain, sharp) for gain in (MORE, MUCH_MORE, LESS) for sharp in (SHARPER, FLATTER)],
    "deference": [
        Change(gain, sharp, deference) for gain, sharp in ((0, 1), (MORE, 1), (MORE, FLATTER)) for deference in (STRONGER, WEAKER)
    ],
}


def wanted(change: Change) -> str | None:
    """The right verdict on the deference part; None: neither raised nor lowered."""
    return None if change.deference == 1 else "raised" if change.deference > 1 else "lowered"
