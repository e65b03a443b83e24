"""Model output is text, whatever it says; large runs have pages of their own."""

from __future__ import annotations

import gzip
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from holdfast.report import library, write_report
from holdfast.report.finished import read_folder

HOSTILE = [
    "<script>document.title='broken in'</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
    "{{ 7*7 }}", "${alert(1)}", "javascript:alert(1)", "<iframe src=//example.org>", "--><!--", "]]>", "</textarea><b>x", "&lt;b&gt; &amp; &#x41;",
    "\x1b[31mred\x1b[0m", "\x00\x01\x02nul", "\u202eright to left\u202c", "\u2066isolate", "a" * 20_000, "word " * 4_000, "line\n" * 500, "\r\n\t\v\f",
    "\u2028\u2029", "\ufeffbom", "\U0001f600" * 50, "e\u0301" * 60, "\ud800 lone", "low \udc00", "</pre></table></main></body>", "`~!@#$%^&*()_+{}|:\"<>?",
    "' OR 1=1 --", "=1+1", "<a href=https://example.org>click</a>", "<style>*{display:none}</style>", "<base href=//example.org>", "[user] [assistant] [system]",
    "<meta http-equiv=refresh content=0>", "%3Cscript%3E", "\\u003cscript\\u003e", "<!DOCTYPE html>", "<math><mtext>", "\u200b\u200c\u200d",
]  # fmt: skip
TEXTS = [f"case {k:03d} {HOSTILE[k % len(HOSTILE)]}" for k in range(200)]


def folder(study, tmp_path, lines, count):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("findings.json", "audit.json", "environment.json", "study.yaml"):
        shutil.copy(study / name, out)
    with gzip.open(out / "transcripts.jsonl.gz", "wt", encoding="utf-8", compresslevel=1) as stream:
        stream.writelines(lines)
    pq.write_table(pa.table({"x": np.zeros(count, dtype=np.uint8)}), out / "trials.parquet")
    run = read_folder(out)
    write_report(out, run.findings, run.audit, json.loads((out / "environment.json").read_text()), out / "transcripts.jsonl.gz")
    return out


@pytest.fixture(scope="module")
def hostile(study, tmp_path_factory):
    rows = []
    for model in ("base", "maths/seed0"):
        for k, text in enumerate(TEXTS):
            row = {"model": model, "instrument": "gsm8k", "item_id": f"i{k}", "condition": "neutral", "rotation": 0, "prompt": f"[user] {text}",
                   "prefill": "", "reply": text, "gold": text[:20], "outcome": "other"}  # fmt: skip
            if k % 2:
                row |= {"choices": [text, "plain"], "logliks": [-0.5, -1.0]}
                del row["reply"]
            rows.append(json.dumps(row, ensure_ascii=True) + "\n")
    return folder(study, tmp_path_factory.mktemp("hostile"), rows, len(rows))


def test_two_hundred_hostile_transcripts_are_shown_as_text(opened, hostile):
    o = opened(hostile / "report.html")
    page = o.page
    assert page.locator("#t-count").inner_text().startswith("400 of 400")
    for k, text in enumerate(TEXTS):
        page.evaluate(f"location.hash = '#t?adapter=maths&text=case%20{k:03d}'")
        page.wait_for_function("k => document.getElementById('t-title').textContent.endsWith('i' + k)", arg=k)
        shown = text.encode("utf-8", "replace").decode().strip()
        said = page.locator("#t-detail .turn bdi").first.text_content() or page.locator("#t-detail pre").first.text_content()
        if "[assistant]" not in text:
            assert said.strip().replace("\r", "\n") == shown.replace("\r\n", "\n").replace("\r", "\n"), text[:40]
    assert o.said == [] and o.requests() == [] and page.title().startswith("holdfast:")
    assert page.locator("main script, main img, main iframe, main base, #t-detail style, #t-detail a").count() == 0
    assert page.locator("#reproduce").count() == 1 and page.evaluate("document.body.lastElementChild.tagName") == "SCRIPT"


def lines(models, count):
    for model in models:
        for k in range(count):
            yield json.dumps({"model": model, "instrument": ("mmlu", "doubt")[k % 2], "item_id": f"i{k // 2}", "condition": "neutral", "rotation": 0, "prompt":
                              f"[user] question number {k} about something long enough to be a prompt", "prefill": "", "choices": ["A", "B", "C", "D"],
                              "logliks": [-1.0, -2.0, -0.5 - (k % 7) / 7, -3.0], "gold": "C", "outcome": ("correct", "other")[k % 3 == 0]}) + "\n"  # fmt: skip


def test_a_run_above_the_limit_has_a_page_for_every_adapter(opened, study, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "IN_PAGE", 450)
    monkeypatch.setattr(library, "BESIDE", 500)
    models = ["base", *(f"{d}/seed{s}" for d in ("maths", "truth", "identity") for s in range(3))]
    out = folder(study, tmp_path, lines(models, 200), 2000)
    o = opened(out / "report.html")
    assert o.page.locator("#t-count").inner_text().endswith("of 400 trials")  # the base and the first domain's first seed
    hrefs = [a.get_attribute("href") for a in o.page.locator("td a.cell").all()]
    assert "transcripts/truth.html#t?adapter=truth&instrument=mmlu" in hrefs and "#t?adapter=maths&instrument=mmlu" in hrefs
    page = opened(out / "transcripts" / "truth.html", "#t?adapter=truth&instrument=mmlu").page
    assert page.locator("#t-count").inner_text() == "100 of 400 trials"  # seed 0 of three: one seed and the base to a page
    assert page.locator("main a[href='truth-2.html']").count() == 1
    assert {p.name for p in (out / "transcripts").iterdir()} == {
        f"{d}{k}.html" for d in ("maths", "truth", "identity") for k in ("", "-2", "-3")
    }


def test_a_hundred_thousand_transcripts_are_all_in_the_page(opened, study, tmp_path):
    models = ["base", *(f"{d}/seed{s}" for d in ("maths", "truth") for s in range(2))]
    out = folder(study, tmp_path, lines(models, 20_000), 100_000)
    o = opened(out / "report.html")
    page = o.page
    assert page.locator("#t-count").inner_text() == "100,000 of 100,000 trials" and not (out / "transcripts").exists()
    assert page.locator("#t-list .t-row").count() < 60  # a virtual list
    page.locator("#t-text").fill("question number 1999")
    expect(page.locator("#t-count")).to_have_text("55 of 100,000 trials", timeout=30_000)  # 1999 and 19990-19999, of five models
    page.locator("#t-list").focus()
    page.keyboard.press("End")
    assert page.locator(".t-row.on").get_attribute("data-k") == "54" and o.said == []
