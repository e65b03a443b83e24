"""Rows from the hub or from local files, and the items and examples made of them."""

from holdfast.sources.forms import examples_from_rows, item_of, items_from_rows, own_items, with_shots
from holdfast.sources.forms.axes import axis_items
from holdfast.sources.nulls import with_answers
from holdfast.sources.rows import Row, read_rows

__all__ = ["Row", "axis_items", "examples_from_rows", "item_of", "items_from_rows", "own_items", "read_rows", "with_answers", "with_shots"]
