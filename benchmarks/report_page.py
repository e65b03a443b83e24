"""A report in a real browser: seconds until it can be used, milliseconds of a filter, requests, errors, and pictures of it.

    python -m benchmarks.report_page OUT [--pictures DIR]      # a finished run
    python -m benchmarks.report_page OUT --synthetic 100000    # its findings with that many made transcripts

Needs the dev extras and Chromium (HOLDFAST_CHROMIUM names one).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

SIZES = (1440, 768, 390)


def measured(browser: Any, page_file: Path, rounds: int = 5) -> dict[str, Any]:
    interactive, filters, said, asked = [], [], [], []
    for _ in range(rounds):
        context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.on("console", lambda m: said.append(m.text))
        page.on("pageerror", lambda e: said.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(f"file://{page_file}")
        page.wait_for_selector("html[data-interactive]", state="attached")
        interactive.append(int(page.evaluate("document.documentElement.dataset.interactive")))
        page.wait_for_selector("html[data-charts]", state="attached")
        for name, value in (("outcome", "other"), ("flip", "lost"), ("flip", ""), ("outcome", "")):
            page.locator(f"#t-{name}").select_option(value)
            filters.append(page.evaluate("Transcripts.filterMs"))
        for text in ("what", "question number 1999", ""):
            page.locator("#t-text").fill(text)
            page.wait_for_timeout(700)
            filters.append(page.evaluate("Transcripts.filterMs"))
        context.close()
    return {
        "bytes": page_file.stat().st_size,
        "interactive, ms": {"median": statistics.median(interactive), "most": max(interactive)},
        "filter, ms": {"median": round(statistics.median(filters), 1), "most": round(max(filters), 1)},
        "console lines": len(said),
        "requests": sum(not u.startswith("file://") for u in asked),
    }


def pictures(browser: Any, page_file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for width in SIZES:
        for scheme in ("light", "dark"):
            context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"file://{page_file}")
            page.wait_for_selector("html[data-charts]", state="attached")
            page.screenshot(path=folder / f"report-{width}-{scheme}.png")
            if page.locator("#transcripts").count():
                page.locator("#transcripts").scroll_into_view_if_needed()
                page.evaluate("document.getElementById('transcripts').scrollIntoView()")
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"transcripts-{width}-{scheme}.png")
            context.close()


def made(count: int, models: list[str]) -> Iterator[str]:
    each = count // len(models)
    for model in models:
        for k in range(each):
            yield json.dumps({
                "model": model, "instrument": ("mmlu", "doubt")[k % 2], "item_id": f"i{k // 2}", "condition": "neutral", "rotation": 0,
                "prompt": f"[user] question number {k} " + "about something long enough to be a prompt " * 6, "prefill": "",
                "reply": f"an answer of its own to {k}, by {model}, " + "with some words to it " * 10, "gold": "C", "outcome": ("correct", "other")[k % 3 == 0],
            }) + "\n"  # fmt: skip


def synthetic(out: Path, count: int, folder: Path) -> Path:
    """The run's findings with made transcripts, every reply a text of its own."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from holdfast.report import write_report

    load = lambda name: json.loads((out / name).read_text(encoding="utf-8"))  # noqa: E731
    findings = load("findings.json")
    models = ["base", *(f"{a['name']}/seed{s}" for a in findings["adapters"][:3] for s in range(3))]
    with gzip.open(folder / "transcripts.jsonl.gz", "wt", encoding="utf-8", compresslevel=1) as stream:
        stream.writelines(made(count, models))
    pq.write_table(pa.table({"x": np.zeros(count, dtype=np.uint8)}), folder / "trials.parquet")
    return write_report(folder, findings, load("audit.json"), load("environment.json"), folder / "transcripts.jsonl.gz")


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("out", type=Path)
    parse.add_argument("--synthetic", type=int)
    parse.add_argument("--pictures", type=Path)
    asked = parse.parse_args()
    chromium = os.environ.get("HOLDFAST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        page = synthetic(asked.out, asked.synthetic, Path(scratch)) if asked.synthetic else (asked.out / "report.html").resolve()
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"])
        print(json.dumps(measured(browser, page), indent=1))
        if asked.pictures:
            pictures(browser, page, asked.pictures)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
