"""Every public function and method of the five packages says what it takes, returns and raises."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import holdfast

SRC = Path(holdfast.__file__).parent
PACKAGES = ("api.py", "stats", "analysis", "engine", "instruments")
FILES = sorted(f for p in PACKAGES for f in ([SRC / p] if p.endswith(".py") else (SRC / p).rglob("*.py")))


def public(body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[tuple[ast.ClassDef | None, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield owner, node  # type: ignore[misc]


def lacks(owner: ast.ClassDef | None, function: ast.FunctionDef) -> list[str]:
    doc = ast.get_docstring(function) or ""
    decorators = {d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in function.decorator_list}
    if {"property", "cached_property"} & decorators:
        return [] if doc else ["docstring"]
    inherits = owner is not None and any(f"See `{ast.unparse(base).split('.')[-1]}." in doc for base in owner.bases)
    if inherits or "See `Instrument." in doc or "See `Lettered." in doc:
        return []
    arguments = [a for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs) if a.arg not in ("self", "cls")]
    returned = function.returns is not None and ast.unparse(function.returns) not in ("None", "NoReturn")
    wanted = {"docstring": True, "Args:": bool(arguments), "Returns:": returned}
    have = {"docstring": bool(doc), "Args:": "Args:" in doc, "Returns:": "Returns:" in doc or "Yields:" in doc}
    return [name for name, needed in wanted.items() if needed and not have[name]]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(SRC).as_posix())
def test_everything_public_is_documented(file):
    found = {
        f"{o.name + '.' if o else ''}{f.name}": missing
        for o, f in public(ast.parse(file.read_text(encoding="utf-8")).body)
        if (missing := lacks(o, f))
    }
    assert not found
