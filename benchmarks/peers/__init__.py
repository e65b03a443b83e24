"""holdfast against what its users would pick instead, in one interleaved run each. Started by `python -m benchmarks.peers`."""
