"""The fixtures; what makes them is in conftest_published.py, under a name of its own."""

from conftest_published import copy, published  # noqa: F401
