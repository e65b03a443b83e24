"""What the import contract in pyproject.toml cannot see: packages outside it, a package's own `__init__`, and circles through it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {
    "holdfast": ROOT / "src",
    "holdfast_llama2_7b": ROOT / "studies",
    "holdfast_calibration": ROOT / "experiments",
    "experiments": ROOT,
}
FILES = {
    ".".join(file.relative_to(place).with_suffix("").parts).removesuffix(".__init__"): file
    for package, place in PLACES.items()
    for file in (place / package).rglob("*.py")
    if not file.is_relative_to(ROOT / "experiments" / "holdfast_calibration") or package != "experiments"
}
# (modules that import, what they may not import, modules that may)
FORBIDDEN = (
    ("holdfast", ("holdfast_llama2_7b", "experiments"), ()),
    ("holdfast", ("holdfast_calibration",), ("holdfast.cli.commands.calibrate",)),  # its command: docs/architecture.md
    ("holdfast_llama2_7b", ("holdfast_calibration", "experiments"), ()),
    ("holdfast_calibration", ("holdfast_llama2_7b", "experiments"), ()),
    ("", ("holdfast.cli",), ("holdfast.__main__", "holdfast.cli")),
)


def imports(module: str, text: str | None = None) -> set[str]:
    """Modules that a module names, wherever in its text: inside functions and under TYPE_CHECKING, too."""
    named = set()
    for node in ast.walk(ast.parse(text if text is not None else FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            named |= {whole if (whole := f"{node.module}.{a.name}") in FILES else str(node.module) for a in node.names}
    return named


def within(module: str, package: str) -> bool:
    return not package or f"{module}.".startswith(f"{package}.")


def broken(module: str, named: set[str]) -> list[str]:
    bad = [
        f"{module} -> {name}"
        for source, targets, may in FORBIDDEN
        if within(module, source) and not any(within(module, m) for m in may)
        for name in named
        if any(within(name, t) for t in targets)
    ]
    # The public face is for users: inside, names come from where they are defined. The version stands there, too.
    inside = within(module, "holdfast") and module != "holdfast.cli.app"
    return bad + [f"{module} -> {name}" for name in named if inside and name == "holdfast"]


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(FILES))
def test_no_module_imports_what_it_may_not(module):
    assert not broken(module, imports(module))


@pytest.mark.slow
def test_no_circle_even_through_a_packages_own_init():
    TopologicalSorter({m: (imports(m) & FILES.keys()) - {m} for m in FILES}).prepare()


@pytest.mark.parametrize(
    "module, text",
    [
        ("holdfast.stats.power", "import experiments.organisms"),
        ("holdfast.stats.power", "import holdfast"),
        ("holdfast.stats.power", "def f():\n    from holdfast import run"),
        ("holdfast.report.page", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from holdfast.cli.text import audit_lines"),
        ("experiments.organisms.training", "from holdfast.cli.options import study_of"),
        ("holdfast_llama2_7b.study", "from holdfast_calibration import calibrate"),
        ("holdfast.api", "import holdfast_calibration"),
    ],
)
def test_the_rules_catch_what_they_are_for(module, text):
    assert broken(module, imports(module, text))


@pytest.mark.slow
def test_a_module_that_imports_its_own_package_is_a_circle():
    graph = {m: (imports(m) & FILES.keys()) - {m} for m in FILES}
    graph["holdfast.instruments.base"] = {*graph["holdfast.instruments.base"], "holdfast.instruments"}
    with pytest.raises(ValueError):
        TopologicalSorter(graph).prepare()
