"""Items and training rows of benchmarks, under the name that 0.1 had for them; `holdfast.sources` has them too."""

from holdfast.sources.forms import examples_from_rows, items_from_rows, with_shots

__all__ = ["examples_from_rows", "items_from_rows", "with_shots"]
