"""Study files and settings -> a Study, and back. Errors name the field, its value, the rule and the nearest word."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from holdfast.config.part import near
from holdfast.config.study import Study
from holdfast.errors import ConfigError
from holdfast.redact import redacted_tree

_NEVER_SHOWN = ("api_key_env", "base_url")  # where a secret is pasted by mistake


def recipe_names() -> list[str]:
    return sorted(p.name[:-5] for p in resources.files("holdfast").joinpath("recipes").iterdir() if p.name.endswith(".yaml"))


def load_study(path: str | None, overrides: list[str] | tuple[str, ...] = ()) -> Study:
    """Study from a YAML file or the name of a shipped recipe, with `key.sub=value` settings on top.

    Raises ConfigError naming the field, its value, the rule and the fix.
    """
    tree = _read_yaml(path or "embedded")
    for setting in overrides:
        key, eq, text = setting.partition("=")
        if not eq or not key:
            raise ConfigError(f"setting {setting!r}: must be key=value, for example train.r=32")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"setting {key}: {text[:60]!r} is not a YAML value ({error.__class__.__name__})") from None
        _set(tree, key.split("."), value, key)
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_first_sentence(error)) from None


def _read_yaml(path: str) -> dict[str, Any]:
    file = Path(path)
    if file.suffix not in (".yaml", ".yml"):
        if path not in recipe_names():
            raise ConfigError(
                f"study {path!r}: neither a .yaml file nor a shipped recipe ({', '.join(recipe_names())})" + near(path, recipe_names())
            )
        text = resources.files("holdfast").joinpath("recipes", f"{path}.yaml").read_text(encoding="utf-8")
    elif file.is_file():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ConfigError(f"study {path}: not UTF-8 text; name a YAML file") from None
    elif file.parent.name in ("recipes", "") and file.stem in recipe_names():
        text = resources.files("holdfast").joinpath("recipes", f"{file.stem}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"study {path!r}: no such file; shipped recipes: {', '.join(recipe_names())}")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"study {path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"study {path}: nested too deeply; a study has a few levels") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"study {path}: holds {type(tree).__name__}, must be a mapping of settings")
    return tree


def _set(tree: Any, keys: list[str], value: Any, whole: str) -> None:
    for i, key in enumerate(keys):
        last = i == len(keys) - 1
        if isinstance(tree, list):
            entries = [x for x in tree if isinstance(x, dict)]
            named = [x for x in entries if key in (x.get("name"), x.get("kind"))]
            if not named:
                known = [str(x.get("name") or x.get("kind")) for x in entries]
                raise ConfigError(f"setting {whole}: no entry named {key!r}{near(key, known)}; available: {', '.join(known)}")
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


def _first_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "study"
    if first["type"] == "extra_forbidden":
        part: Any = Study
        for step in first["loc"][:-1]:
            if isinstance(step, str) and step in getattr(part, "model_fields", {}):
                part = part.model_fields[step].annotation
                part = getattr(part, "__args__", [part])[0] if not hasattr(part, "model_fields") else part
        known = sorted(getattr(part, "model_fields", {}))
        return f"unknown setting {where!r}" + near(str(first["loc"][-1]), known) + (f"; available: {', '.join(known)}" if known else "")
    value = first.get("input")
    hidden = isinstance(value, (dict, list, tuple)) or (first["loc"] and first["loc"][-1] in _NEVER_SHOWN)
    shown = "" if hidden else repr(value)
    known = re.findall(r"'([^']*)'", first["msg"]) if first["type"] == "literal_error" else []
    return f"{where}: {shown + ': ' if shown else ''}{first['msg'].removeprefix('Value error, ')}{near(value, known) if isinstance(value, str) else ''}"


def schema_json() -> str:
    """The study file's JSON Schema (draft 2020-12), descriptions and defaults included."""
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}, indent=1) + "\n"


def resolved(study: Study) -> str:
    """The whole study as YAML, defaults included, secrets left out."""
    return yaml.safe_dump(redacted_tree(study.model_dump(mode="json")), sort_keys=False, allow_unicode=True, width=120)
