"""The table of tests in README.md names every public function of holdfast.stats, and tests that exist; no function is there only to be tested."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import holdfast.stats

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in (HERE / "README.md").read_text().splitlines()
    if line.startswith("| `")
]


def public_functions():
    found = []
    for module in pkgutil.iter_modules(holdfast.stats.__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"holdfast.stats.{module.name}")
            own = [f for _, f in inspect.getmembers(loaded, inspect.isfunction) if f.__module__ == loaded.__name__]
            found += [f"{module.name}.{f.__name__}" for f in own if not f.__name__.startswith("_")]
    return sorted(found)


def names_used(folder):
    """{module path: names that its code mentions}."""
    trees = {path: ast.parse(path.read_text()) for path in folder.rglob("*.py")}
    return {
        path: {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(tree) if isinstance(n, (ast.Name, ast.Attribute))}
        for path, tree in trees.items()
    }


def named_in(file):
    """{test name: (source, names of its decorators)}."""
    text = (HERE / file).read_text()
    return {
        node.name: (ast.get_source_segment(text, node), [ast.unparse(d) for d in node.decorator_list])
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_public_function_is_in_the_table_once():
    assert sorted(row[0] for row in ROWS) == public_functions()


@pytest.mark.slow
def test_every_public_function_is_used_by_the_package():
    used = names_used(ROOT / "src")
    for function in public_functions():
        assert any(function.split(".")[1] in names for names in used.values()), function


@pytest.mark.slow
def test_every_named_test_exists_and_mentions_what_it_is_named_for():
    for function, parity, by_property in ROWS:
        name = function.split(".")[1]
        for kind, cell in (("parity", parity), ("property", by_property)):
            file, test = cell.split("::")
            assert test in named_in(file), f"{function}: {kind} test {cell} does not exist"
            source, decorators = named_in(file)[test]
            # `combine` is `combine_terms` of the terms that `measure_terms` gives.
            inside = name in ("combine_terms", "measure_terms") and "combine(" in source
            assert name in source or inside, f"{function}: {cell} does not call it"
            if kind == "property":
                assert any(d.startswith("given(") for d in decorators), f"{function}: {cell} is no property test"
            else:
                assert not any(d.startswith("given(") for d in decorators) or "statsmodels" in test, f"{function}: {cell} is no parity test"
