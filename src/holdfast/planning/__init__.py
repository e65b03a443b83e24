"""What a study would take on a device that is not here: memory, work, time and disk, from the architecture and the recipe alone."""

from holdfast.planning.device import on_device

__all__ = ["on_device"]
