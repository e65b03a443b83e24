"""What a study would take on hardware you do not have: memory, work, time and disk, from the architecture and the recipe only."""

from holdfast.planning.device import on_device

__all__ = ["on_device"]
