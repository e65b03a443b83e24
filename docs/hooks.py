"""What the reference says of the code is written from the code when the pages are built: `<!-- generated: NAME -->` stands for it."""

from __future__ import annotations

import ast
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

MARK = re.compile(r"<!-- generated: ([a-z_]+) -->")
REFERENCE = re.compile(r"docs/metrics\.md, section (\d)((?:, rules? \d(?:(?:,| and) \d)*)?)")  # tests/docs/test_references.py follows them
SECTIONS = {
    "1": "1-words-and-scoring",
    "2": "2-capability",
    "3": "3-the-three-axes",
    "4": "4-when-a-number-may-be-called-a-finding",
    "5": "5-the-published-study",
}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Raises KeyError for a mark that nothing is generated for."""
    return MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


def commands() -> str:
    """Every command: what it does, its usage, arguments, options and example, in the order of `holdfast --help`."""
    import typer

    from holdfast.cli.app import app

    group = typer.main.get_command(app)
    context = group.make_context("holdfast", [], resilient_parsing=True)
    out = []
    for name in group.list_commands(context):
        command = group.commands[name]
        with command.make_context(name, [], parent=context, resilient_parsing=True) as own:
            usage = " ".join(["holdfast", name, *command.collect_usage_pieces(own)]).replace("{", "").replace("}", "")
            rows = [_parameter(p, own) for p in command.params]
        out += [f"## holdfast {name}", "", _text(inspect.cleandoc(command.help or "")), "", "```text", usage, "```", ""]
        for kind, title in (("argument", "argument"), ("option", "option")):
            mine = [row for what, *row in rows if what == kind]
            if mine:
                out += [*_table([title, "what it is", "default"], mine), ""]
        out += ["```text", command.epilog.removeprefix("Example: "), "```", ""]
    return "\n".join(out)


def _parameter(p: Any, context: Any) -> list[str]:
    shown = "required" if p.required else "" if p.default in (None, False, (), []) or callable(p.default) else f"`{p.default}`"
    named = re.sub(r" <[^>]+>$", "", p.get_help_record(context)[0]) if p.param_type_name == "argument" else p.get_help_record(context)[0]
    return [p.param_type_name, f"`{named}`", _text(p.help or ""), shown]


def study() -> str:
    """Every key of a study file with type, default and description, a section a part."""
    from holdfast.config import Study

    out: list[str] = []
    for key, model in _parts(Study):
        out += [f"## {key}" if key else "## The study itself", "", *filter(None, [_text(inspect.cleandoc(model.__doc__ or ""))]), ""]
        rows = []
        for name, field in model.model_fields.items():
            part, section = _part_of(field.annotation), _section(key, name)
            told = " ".join(filter(None, [field.description, f"See [{section}](#{section.replace('.', '').lower()})." if part else None]))
            if not told:
                raise ValueError(f"{model.__name__}.{name}: a key without words; give its field a description")
            default = "required" if field.is_required() else "" if part else f"`{_yaml(field.get_default(call_default_factory=True))}`"
            rows.append([f"`{name}`", _type(field), default, _text(told)])
        out += [*_table(["key", "type", "default", "what it is"], rows), ""]
    return "\n".join(out)


def _section(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _parts(model: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    yield key, model
    for name, field in model.model_fields.items():
        if part := _part_of(field.annotation):
            yield from _parts(part, _section(key, name))


def _part_of(annotation: Any) -> Any:
    """The model a key holds, one or a list of them; None for a plain value."""
    from pydantic import BaseModel

    kinds = [annotation, *get_args(annotation)]
    return next((k for k in kinds if inspect.isclass(k) and issubclass(k, BaseModel)), None)


def _type(field: Any) -> str:
    from holdfast.config.part import OneOf

    words = [name for m in field.metadata if isinstance(m, OneOf) for name in m.names()]
    limits = [_LIMITS[n].format(getattr(m, n)) for m in field.metadata for n in _LIMITS if getattr(m, n, None) is not None]
    return _text(", ".join([" or ".join(f"`{w}`" for w in words) or _name(field.annotation), *limits]))


_LIMITS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "max_length": "at most {} characters"}
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "mapping", Any: "anything", type(None): "null"}


def _yaml(value: Any) -> str:
    """A default as a study file has it."""
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or isinstance(value, bool)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def _name(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{v}`" for v in inside)
    if origin is tuple:
        return "list of " + (
            "entries" if _part_of(kind) else _name(inside[0]) + "s" if inside[-1] is Ellipsis else f"{len(inside)} numbers"
        )
    if origin is dict:
        return "mapping"
    if origin is not None and hasattr(kind, "__metadata__"):
        limits = [_LIMITS[n].format(getattr(m, n)) for m in kind.__metadata__ for n in _LIMITS if getattr(m, n, None) is not None]
        return ", ".join([_name(inside[0]), *limits])
    if inside:
        return " or ".join(_name(i) for i in inside if i is not type(None)) + (", or null" if type(None) in inside else "")
    return "mapping" if _part_of(kind) else str(kind)


def instruments() -> str:
    """Every instrument: what it is, its conditions, its contrasts."""
    from holdfast.instruments import available

    out = []
    for name, made in sorted(available().items(), key=lambda kv: (kv[1].kind != "axis", kv[0])):
        about = inspect.cleandoc(inspect.getmodule(made).__doc__ or "")
        own = inspect.cleandoc(made.__dict__.get("__doc__") or "")
        out += [
            f"## {name}",
            "",
            f"{made.kind.capitalize()}. {_text(about)}",
            "",
            _text(own),
            "",
            "Conditions: " + ", ".join(f"`{c}`" for c in made.conditions) + ".",
            "",
        ]
        if made.contrasts:
            out += [*_table(["contrast", "mean of", "among", "in"], [_contrast(c) for c in made.contrasts]), ""]
    return "\n".join(out)


def _contrast(c: Any) -> list[str]:
    value = f"1 - {c.column}" if c.sign < 0 and c.column.startswith("p_") else c.column
    term = f"{value} under `{c.plus}`" + (f", less the same under `{c.minus}`" if c.minus else "")
    if c.sign < 0 and not c.column.startswith("p_"):
        term = f"{c.column} under `{c.minus}`, less the same under `{c.plus}`"
    among = "all items" if c.among == "all" else f"items {c.among} under `{c.anchor}`"
    return [
        f"`{c.name}`" + (" (headline)" if c.headline else " (must be equivalent to 0)" if c.placebo else ""),
        term,
        among,
        c.unit + "s" * (c.unit == "fraction"),
    ]


def findings() -> str:
    """Every record of findings.json with its keys, the whole file first."""
    from holdfast.results import StudyFindings

    out: list[str] = []
    for record in _records(StudyFindings, {}):
        parent = next((b for b in record.__bases__ if "model_fields" in dir(b) and b.model_fields), None)
        inherited = f" Also has the keys of {_record_link(parent)}." if parent else ""
        rows = [
            [f"`{field.alias or name}`", _text(_json_type(field.annotation)), _text(field.description or "")]
            for name, field in record.model_fields.items()
            if parent is None or name not in parent.model_fields
        ]
        out += [f"## {record.__name__}", "", _text(inspect.cleandoc(record.__doc__ or "")) + inherited, ""]
        out += [*_table(["key", "type", "what it is"], rows), ""] if rows else []
    return "\n".join(out)


def _records(record: Any, seen: dict[str, Any]) -> list[Any]:
    """A record, the one it extends and all records in its fields, each once, in the order in which they occur."""
    from pydantic import BaseModel

    def inside(annotation: Any) -> Iterator[Any]:
        if inspect.isclass(annotation) and not get_args(annotation) and issubclass(annotation, BaseModel):
            yield annotation
        for part in get_args(annotation):
            yield from inside(part)

    if record.__name__ not in seen:
        seen[record.__name__] = record
        for parent in record.__bases__:
            if parent is not BaseModel and parent.model_fields:
                _records(parent, seen)
        for field in record.model_fields.values():
            for other in inside(field.annotation):
                _records(other, seen)
    return [*seen.values()]


def _record_link(record: Any) -> str:
    return f"[{record.__name__}](#{record.__name__.lower()})"


def _json_type(annotation: Any) -> str:
    """A type as the JSON file has it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _json_type(parts[0])
    if origin is Literal:
        return " or ".join(f"`{v}`" for v in parts)
    if origin is tuple:
        return f"list of {_json_type(parts[0])}" + ("" if parts[-1] is Ellipsis else f", {len(parts)} entries")
    if origin is dict:
        return f"mapping of {_json_type(parts[1])}"
    if parts:
        return " or ".join(_json_type(p) for p in parts)
    if annotation in (Any, type(None)):
        return "any" if annotation is Any else "null"
    if annotation in _WORDS:
        return _WORDS[annotation]
    return _record_link(annotation) if _part_of(annotation) else "mapping"


def findings_schema() -> str:
    """The JSON Schema of findings.json; `python docs/hooks.py` writes it to docs/findings.schema.json."""
    from holdfast.results import StudyFindings

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **StudyFindings.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def audit() -> str:
    """Every audit check: what it looks for and what to do about it, from its module."""
    import holdfast.auditing as package

    rows = []
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        made = import_module(f"holdfast.auditing.{module}")
        if hasattr(made, "check"):
            said = {n.value for n in ast.walk(ast.parse(inspect.getsource(made))) if isinstance(n, ast.Constant)}
            said |= {"refuse"} if hasattr(made, "refusals") else set()
            levels = ", ".join(x for x in ("ok", "warn", "refuse") if x in said)
            rows.append([f"`{module}`", _text(made.__doc__ or ""), levels, _text(made.NEXT)])
    return "\n".join(_table(["check", "what it looks for", "levels", "what to do"], rows))


def recipes() -> str:
    """Every shipped recipe, by the comment it begins with."""
    from importlib import resources

    from holdfast.config import load_study, recipe_names

    rows = []
    for name in recipe_names():
        text = resources.files("holdfast").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
        about = " ".join(line.lstrip("# ").strip() for line in text[: text.index("\nname:") + 1].splitlines() if line.startswith("#"))
        found = load_study(name)
        rows.append([f"`{name}`", f"`{found.model.name}`", str(len(found.domains)), str(found.seeds), _text(about)])
    return "\n".join(_table(["recipe", "base", "adapters", "seeds", "what it is"], rows))


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    line = lambda cells: "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"  # noqa: E731
    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def _text(said: str) -> str:
    """One paragraph of a docstring. References to docs/metrics.md become links; what Markdown or HTML would read as markup stays text."""
    said = REFERENCE.sub(_link, " ".join(said.split()))
    parts = re.split(r"(`[^`]*`|\]\([^)]*\))", said)
    return "".join(p if k % 2 else p.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_") for k, p in enumerate(parts))


def _link(reference: re.Match[str]) -> str:
    return f"[metrics, section {reference[1]}{reference[2]}](metrics.md#{SECTIONS[reference[1]]})"


GENERATED = {f.__name__: f for f in (commands, study, instruments, findings, audit, recipes)}

if __name__ == "__main__":
    from pathlib import Path

    Path(__file__).with_name("findings.schema.json").write_text(findings_schema(), encoding="utf-8")
