"""A real browser (Chromium, headless, its network off) on pages of a real, small run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from warm import HOLDFAST

STUDY = [
    "embedded",
    "seeds=2",
    "dose={}",
    "domains=[{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 120}]}, "
    "{name: truth, own_benchmark: truthfulqa, sources: [{kind: world, domain: truth, limit: 120}]}, {name: identity, role: 'null', identity: true}]",
]


def chromium() -> str:
    found = os.environ.get("HOLDFAST_CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    assert found, "these tests need Chromium: make test installs Debian's where it can, or name one in HOLDFAST_CHROMIUM"
    return found


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-background-networking"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """A finished run: two domains and a null adapter, two seeds, a few items."""
    out = tmp_path_factory.mktemp("browser") / "out"
    done = subprocess.run([*HOLDFAST, "run", *STUDY, "--limit", "12", "-o", str(out)], capture_output=True, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


class Opened:
    """A page with what it said and asked."""

    def __init__(self, context, file: Path, hash: str = ""):
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)  # a loaded machine is not a broken page
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.said.append(f"error: {e}"))
        self.page.on("dialog", lambda d: (self.said.append(f"dialog: {d.message}"), d.dismiss()))
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.goto(f"file://{file}{hash}")
        self.page.wait_for_selector("html[data-interactive]", state="attached")

    def drawn(self):
        self.page.wait_for_selector("html[data-charts]", state="attached")
        return self.page

    def requests(self) -> list[str]:
        return [url for url in self.asked[1:] if not url.startswith(("data:", "blob:"))]


@pytest.fixture
def opened(browser):
    contexts = []

    def make(file: Path, hash: str = "", **options) -> Opened:
        context = browser.new_context(offline=True, **{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        return Opened(context, file, hash)

    yield make
    for context in contexts:
        context.close()
