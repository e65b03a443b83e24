"""The application: what all commands share. Each command is a module of `holdfast.cli.commands`, found by its file."""

from __future__ import annotations

import typer

from holdfast.cli.commands import register_all

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measures what a fine-tune did to a language model's backbone: capability gain against sycophancy shift.",
    epilog="Example: holdfast run embedded",
)
register_all(app)
