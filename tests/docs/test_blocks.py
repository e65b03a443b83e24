"""Every command and code block of README and pages does what it is there for: it runs, loads or parses."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
import yaml
from blocks import Block, blocks, pages

from holdfast.cli.app import app
from holdfast.cli.options import study_of
from holdfast.config import Study, load_study, recipe_names

COMMANDS = typer.main.get_command(app).commands
PAGES = {p.name: p for p in pages()}
RUN = {"sh", "python"}
ELSEWHERE = {"how-to-cluster.md"}  # its commands run whole in tests/execution/test_shards.py and test_ray.py
ONCE = ("holdfast run embedded", "holdfast analyze published:llama2-7b")  # typed on several pages, which share what it makes
TIMEOUT = 500


def runs(block: Block) -> bool:
    return block.language in RUN and block.title is None


def test_no_block_escapes():
    """An indented block is not seen by the rules below: pages have fences. The README's own first commands are run by tests/test_readme.py."""
    for page in pages():
        for block in blocks(page):
            assert block.language != "indented", f"{block.where}: use a fence"
            if block.language in ("", "text"):
                assert not [c for c in block.commands() if c.split()[0] in ("holdfast", "make", "python", "pip")], f"{block.where}: use sh"


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, p in PAGES.items() if n not in ELSEWHERE and any(map(runs, blocks(p)))])
def test_a_page_can_be_followed(name, folder, typed_before, request):
    """From top to bottom in an empty folder: files are written, commands and code run."""
    mine = blocks(PAGES[name])
    if any((b.title or "").startswith(("src/", "tests/")) for b in mine):
        request.getfixturevalue("checkout")
    environment = request.getfixturevalue("environment")
    for block in mine:
        if block.title and block.language in ("python", "jsonl", "yaml"):
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            (folder / "block.py").write_text(block.text, encoding="utf-8")
            follow("python block.py", block, folder, environment)
        elif block.language == "sh" and block.title is None:
            for command in block.commands():
                if command not in typed_before or not command.startswith(ONCE):
                    follow(command, block, folder, environment)
                typed_before.add(command)


def follow(command: str, block: Block, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, f"{block.where}: {command}\n{done.stdout[-1500:]}\n{done.stderr[-2500:]}"


def typed() -> list[tuple[str, str]]:
    """Every holdfast command that some page types and no test runs whole."""
    out = []
    for page in pages():
        for block in blocks(page):
            if block.language == "sh" and (block.title or page.name in ELSEWHERE):
                out += [(block.where, c[c.index("holdfast ") :]) for c in block.commands() if "holdfast " in c]
    return out


@pytest.mark.parametrize(("where", "command"), typed(), ids=lambda v: v if ":" in v else None)
def test_a_command_for_elsewhere_parses_and_its_study_loads(where, command):
    name, *arguments = shlex.split(command)[1:]
    with COMMANDS[name].make_context(name, arguments) as context:
        given = context.params
        assert not context.args, f"{where}: nothing reads {context.args}"
    said = [a for a in arguments if not a.startswith("-")]
    assert all(any(a in _words(value) for value in given.values()) for a in said), f"{where}: an argument is lost in {given}"
    if "arguments" in given:  # a study file of the reader's stands for any study
        words = ["embedded" if a.endswith(".yaml") else a for a in given["arguments"] or []]
        study = study_of(words, given.get("device"), given.get("dtype"), given["limit"], given["seeds"])
        assert study.domains and study.instruments
        if words and words[0] in recipe_names() and study.model.world_seed is None and ":" not in study.model.name:
            planned(study)


def _words(value: object) -> list[str]:
    """What was typed for a parameter, as it was typed."""
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value).removesuffix(".0")]


def planned(study: Study) -> None:
    from holdfast.planning import on_device
    from holdfast.sources.materials import Materials

    found = on_device(study, Materials(study), 80.0)
    assert found["parameters"] > 0 and found["disk, GiB"] > 0


@pytest.mark.parametrize("name", [n for n, p in PAGES.items() if any(b.language in ("yaml", "json", "jsonl") for b in blocks(p))])
def test_data_and_studies_of_a_page_are_what_they_look_like(name, tmp_path):
    for block in blocks(PAGES[name]):
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "jsonl":
            assert [json.loads(line) for line in block.text.strip().split("\n")]
        elif block.language == "yaml":
            given = yaml.safe_load(block.text)
            file = tmp_path / "study.yaml"
            if "domains" in given and "instruments" in given and "kind: insistence" not in block.text and "kind: arc" not in block.text:
                file.write_text(block.text)
                assert load_study(str(file)).domains
            elif "domains" not in given:  # a part, on top of a whole study
                whole = load_study("embedded").model_dump(mode="json")
                assert Study.model_validate({**whole, **given})


def test_the_tutorial_takes_under_ten_commands():
    own = [c for b in blocks(PAGES["tutorial-first-study.md"]) if b.language == "sh" for c in b.commands()]
    assert 5 <= len(own) < 10
