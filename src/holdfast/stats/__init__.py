"""Statistics: arrays in, records out. numpy and scipy only; scipy.stats, which is slow to import, only where it is called."""
