"""`holdfast recipes` and `holdfast --version`."""

import json

import pytest
from typer.testing import CliRunner

import holdfast
from holdfast.cli.app import app
from holdfast.config import recipe_names


def test_every_recipe_is_listed_with_its_cost():
    listed = json.loads(CliRunner().invoke(app, ["recipes", "--json"]).stdout)
    assert [r["name"] for r in listed] == recipe_names()
    assert all(r["summary"].endswith(".") or r["summary"].endswith(".md") for r in listed), "a whole sentence on the first line"
    assert all(r["cost"].startswith(("minutes", "hours", "needs")) for r in listed)
    text = CliRunner().invoke(app, ["recipes"]).stdout
    assert all(r["name"] in text and r["summary"] in text and r["cost"] in text for r in listed)


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "recipes"]])
def test_the_version_is_printed(arguments):
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (0, f"holdfast {holdfast.__version__}\n")
