"""The templates of pages, comparisons and papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def templates() -> Environment:
    """The package's templates; those of pages escape what they print."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(loader=PackageLoader("holdfast", "report"), autoescape=select_autoescape(), undefined=StrictUndefined)
