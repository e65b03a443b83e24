"""The application. Each command is a module of `holdfast.cli.commands`; none imports a heavy library at its top."""

import importlib
import inspect
import pkgutil
from typing import Annotated

import typer
from typer import Option

from holdfast import __version__
from holdfast.cli import commands

# The order of `holdfast --help`; other commands follow in alphabetical order.
ORDER = ("init", "run", "plan", "collect", "report", "figures", "tables", "compare", "analyze", "audit", "probe", "rescore", "judge")

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measures what a fine-tune did to a language model: capability gained, sycophancy picked up, and how far to trust each number.",
    epilog="Example: holdfast run embedded",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"holdfast {__version__}")
        raise typer.Exit()


@app.callback()
def _root(version: Annotated[bool, Option("--version", is_eager=True, callback=_version, help="Print the version.")] = False) -> None: ...


for _name in sorted((m.name for m in pkgutil.iter_modules(commands.__path__)), key=lambda n: ((*ORDER, n).index(n), n)):
    _module = importlib.import_module(f"{commands.__name__}.{_name}")
    _command = getattr(_module, _name)
    _summary = (inspect.getdoc(_command) or "").partition("\n")[0]
    app.command(_name, short_help=_summary, epilog=f"Example: holdfast {_module.EXAMPLE}")(_command)
