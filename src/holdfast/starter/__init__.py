"""A first study for a model and a folder of rows: looked at, written with comments, checked."""

from holdfast.starter.look import Looked, look
from holdfast.starter.rows import Chosen, choose, with_lettered
from holdfast.starter.text import study_text

__all__ = ["Chosen", "Looked", "choose", "look", "study_text", "with_lettered"]
