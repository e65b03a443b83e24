"""Arrays in, records out: numpy and scipy only."""
