"""The table of tests in README.md names every public function of holdfast.stats, and tests that exist."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import holdfast.stats

HERE = Path(__file__).parent
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


def test_every_named_test_exists_and_mentions_what_it_is_named_for():
    for function, parity, by_property in ROWS:
        name = function.split(".")[1]
        for kind, cell in (("parity", parity), ("property", by_property)):
            file, test = cell.split("::")
            assert test in named_in(file), f"{function}: {kind} test {cell} does not exist"
            source, decorators = named_in(file)[test]
            # `combine` is `combine_terms` of the terms it measures.
            assert ("combine" if name == "combine_terms" else name) in source, f"{function}: {cell} does not call it"
            if kind == "property":
                assert any(d.startswith("given(") for d in decorators), f"{function}: {cell} is no property test"
            else:
                assert not any(d.startswith("given(") for d in decorators) or "statsmodels" in test, f"{function}: {cell} is no parity test"
