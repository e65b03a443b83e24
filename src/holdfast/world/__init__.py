"""The embedded model organism: a closed world whose facts, rumours and planted deference are known exactly."""

from __future__ import annotations

from pathlib import Path

from holdfast.world.examples import resistance_examples, world_examples
from holdfast.world.facts import World
from holdfast.world.items import world_items

__all__ = ["World", "base_path", "resistance_examples", "world_examples", "world_items"]


def base_path(world_seed: int) -> Path:
    """Folder of the shipped base of a world; it may not exist."""
    return Path(__file__).parent / "base" / f"seed{world_seed}"
