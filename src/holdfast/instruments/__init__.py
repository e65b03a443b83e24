"""Benchmarks and axes. A module in `benchmarks` or `axes` with an INSTRUMENT is found by its file, whose name is the instrument's.

An instrument declares what the rest of holdfast needs to know of it (`Instrument`): adding one is one new file and its test.
"""

import importlib
import pkgutil
from functools import cache
from typing import Any, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError

from holdfast.config import InstrumentConfig
from holdfast.errors import ConfigError
from holdfast.instruments.base import DataSet, Instrument, Options, TypicalPrompts
from holdfast.instruments.style import STYLES, Style

__all__ = ["DataSet", "Instrument", "Options", "TypicalPrompts", "available", "build", "build_configured", "instrument_class"]


@cache
def _discovered() -> tuple[type[Instrument], ...]:
    classes = []
    for folder in ("benchmarks", "axes"):
        parent = importlib.import_module(f"{__name__}.{folder}")
        for module in pkgutil.iter_modules(parent.__path__):
            made = importlib.import_module(f"{parent.__name__}.{module.name}").INSTRUMENT
            if made.name != module.name:
                raise TypeError(f"{folder}/{module.name}.py: its instrument is named {made.name!r}; name both alike")
            classes.append(made)
    return tuple(sorted(classes, key=lambda c: (c.rank, c.name)))


def available(kind: Literal["benchmark", "axis"] | None = None) -> dict[str, type[Instrument]]:
    """Every instrument there is, by name.

    Args:
        kind: only benchmarks, or only axes; None: both, benchmarks first.
    Returns:
        {name: class}, ordered by rank, then by name.
    Raises:
        TypeError: for a module whose instrument is not named as its file.
    """
    kinds = (kind,) if kind else ("benchmark", "axis")
    return {c.name: c for k in kinds for c in _discovered() if c.kind == k}


def instrument_class(name: str) -> type[Instrument]:
    """The class that declares the facts of an instrument.

    Args:
        name: of an instrument, or of something else, for example of a form of rows.
    Returns:
        its class; `Instrument` itself, with its defaults, for an unknown name.
    """
    return available().get(name, Instrument)


def build(name: str, style: Style, **options: Any) -> Instrument:
    """An instrument that asks its items in a style.

    Args:
        name: of the instrument.
        style: words and layout of its prompts.
        options: of the instrument itself, for example `rotations` of mmlu.
    Returns:
        the instrument.
    Raises:
        ConfigError: for an unknown name or option, or a value that the option cannot have.
    """
    kinds = available()
    if name not in kinds:
        raise ConfigError(f"unknown instrument {name!r}; available: {', '.join(sorted(kinds))}")
    known = {k: v for k, v in get_type_hints(kinds[name].__init__, include_extras=True).items() if k not in ("style", "return")}
    for option, value in options.items():
        if option not in known:
            raise ConfigError(f"instruments.{name}.options: unknown option {option!r}; available: {', '.join(known) or 'none'}")
        try:
            TypeAdapter(known[option]).validate_python(value, strict=True)
        except ValidationError as error:
            raise ConfigError(f"instruments.{name}.options.{option}: {value!r:.60}: {error.errors()[0]['msg']}") from None
    return kinds[name](style, **options)


def build_configured(config: InstrumentConfig) -> Instrument:
    """The instrument of a study's entry.

    Args:
        config: the entry.
    Returns:
        the instrument in its style and with its options.
    Raises:
        ConfigError: for an unknown name or option, or solved examples that the instrument does not take.
    """
    if config.shots and not instrument_class(config.kind).takes_shots:
        takers = ", ".join(n for n, c in available().items() if c.takes_shots)
        raise ConfigError(f"instruments.{config.kind}.shots: {config.shots}: takes no solved examples; instruments that do: {takers}")
    return build(config.kind, STYLES[config.style], **config.options)
