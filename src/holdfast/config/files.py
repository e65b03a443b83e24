"""Study files and `key=value` settings, read. Errors name the field, its value, the rule and the nearest name."""

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from holdfast.config import yaml12
from holdfast.config.part import names_of_files, near, offer
from holdfast.errors import ConfigError
from holdfast.run_files import is_changed_record

Settings = dict[str, Any]  # of a study file: plain YAML

_NEVER_SHOWN = ("api_key_env", "base_url")  # where a secret is pasted by mistake


def recipe_names() -> list[str]:
    return names_of_files("recipes", suffix=".yaml")


def read_settings(path: str, overrides: Sequence[str] = ()) -> Settings:
    """Settings of a YAML file or a shipped recipe, with `key.sub=value` on top. Raises ConfigError."""
    return with_settings(_read_yaml(path), overrides)


def with_settings(tree: Settings, overrides: Sequence[str]) -> Settings:
    """The tree, changed by `key.sub=value`. Raises ConfigError."""
    given: dict[str, str] = {}
    for setting in overrides:
        key, eq, text = setting.partition("=")
        if not eq or not key:
            raise ConfigError(f"setting {setting!r}: must be key=value, for example train.r=32")
        if twice := next((k for k in given if f"{k}.".startswith(f"{key}.") or f"{key}.".startswith(f"{k}.")), None):
            raise ConfigError(f"setting {key}: {text[:60]!r}: {twice}={given[twice][:60]} is given too; give one of them")
        given[key] = text
        try:
            value = yaml12.read(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"setting {key}: {text[:60]!r} is not a YAML value ({_describe_error(error)})") from None
        _set(tree, key.split("."), value, key)
    return tree


def recipe_text(name: str) -> str:
    return resources.files("holdfast").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")


def _read_yaml(path: str) -> Settings:
    file = Path(path)
    if file.suffix not in (".yaml", ".yml"):
        if path not in recipe_names():
            raise ConfigError(f"study {path!r}: neither a .yaml file nor a shipped recipe{offer(path, recipe_names())}")
        text = recipe_text(path)
    elif file.is_file():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ConfigError(f"study {path}: not UTF-8 text; name a YAML file") from None
        if is_changed_record(file, text):
            raise ConfigError(
                f"study {path}: was changed after a run wrote it (its last line holds the digest); run your own study file, "
                "or copy this one elsewhere and delete its last line"
            )
    elif file.parent.name in ("recipes", "") and file.stem in recipe_names():
        text = recipe_text(file.stem)
    else:
        raise ConfigError(f"study {path!r}: no such file; shipped recipes: {', '.join(recipe_names())}")
    try:
        tree = yaml12.read(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"study {path}: not YAML of a study: {_describe_error(error)}") from None
    except RecursionError:
        raise ConfigError(f"study {path}: nested too deeply; a study has a few levels") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"study {path}: holds {type(tree).__name__}, must be a mapping of settings")
    return tree


def _describe_error(error: Exception) -> str:
    """What is wrong and in which line, without quoting the text."""
    mark = getattr(error, "problem_mark", None)
    parts = [p for name in ("context", "problem") if (p := getattr(error, name, None))]
    said = " ".join((", ".join(parts) or str(error)).split())[:160] or type(error).__name__
    return said if mark is None else f"line {mark.line + 1}, {said}"


def _set(tree: Any, keys: list[str], value: Any, whole: str) -> None:
    for i, key in enumerate(keys):
        last = i == len(keys) - 1
        if isinstance(tree, list):
            entries = [x for x in tree if isinstance(x, dict)]
            named = [x for x in entries if key in (x.get("name"), x.get("kind"))]
            if not named:
                names = [str(x.get("name") or x.get("kind")) for x in entries]
                raise ConfigError(f"setting {whole}: no entry named {key!r}{offer(key, names)}")
            if last:
                raise ConfigError(f"setting {whole}: names an entry, not a setting of it")
            tree = named[0]
        elif isinstance(tree, dict):
            if last:
                tree[key] = value
            else:
                tree = tree.setdefault(key, {})
        else:
            raise ConfigError(f"setting {whole}: {'.'.join(keys[:i])} is a plain value and has no {key!r}")


def first_sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake in one line; `model`: what was validated."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "study"
    if first["type"] == "extra_forbidden":
        part: Any = model
        for step in first["loc"][:-1]:
            if isinstance(step, str) and step in getattr(part, "model_fields", {}):
                part = part.model_fields[step].annotation
                part = getattr(part, "__args__", [part])[0] if not hasattr(part, "model_fields") else part
        names = sorted(getattr(part, "model_fields", {}))
        return f"unknown setting {where!r}" + (offer(str(first["loc"][-1]), names) if names else "")
    value = first.get("input")
    huge = isinstance(value, int) and value.bit_length() > 63  # Python does not write it out
    hidden = huge or isinstance(value, (dict, list, tuple)) or (first["loc"] and first["loc"][-1] in _NEVER_SHOWN)
    shown = "" if hidden else repr(value)
    names = re.findall(r"'([^']*)'", first["msg"]) if first["type"] == "literal_error" else []
    return f"{where}: {shown + ': ' if shown else ''}{first['msg'].removeprefix('Value error, ')}{near(value, names) if isinstance(value, str) else ''}"
