"""Property tests draw the same examples for every mutant, so that a kill can be repeated."""

from hypothesis import settings

settings.register_profile("mutation", derandomize=True, database=None, deadline=None)
settings.load_profile("mutation")
