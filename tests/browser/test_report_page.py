"""What people do with a report: read, hover, click through to transcripts, filter, paste a link, use the keyboard, print, go dark."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


def test_the_page_opens_from_disk_without_an_error_or_a_request(opened, study):
    o = opened(study / "report.html")
    page = o.drawn()
    assert o.said == [] and o.requests() == []
    assert page.locator("figure[data-chart]").count() == page.locator("figure svg[role=img]").count() > 8
    assert (study / "report.html").stat().st_size < 6_000_000


def test_its_policy_lets_no_other_script_run(opened, study, tmp_path):
    text = (study / "report.html").read_text(encoding="utf-8")
    changed = text.replace(
        "</main>", "<script>document.title = 'broken in'</script><img src=x onerror=\"document.title='broken in'\"></main>"
    )
    assert changed != text
    (tmp_path / "changed.html").write_text(changed, encoding="utf-8")
    o = opened(tmp_path / "changed.html")
    assert o.page.title().startswith("holdfast:") and any("Content Security Policy" in line for line in o.said)


def test_every_number_of_the_overview_opens_its_transcripts(opened, study):
    o = opened(study / "report.html")
    findings = json.loads((study / "findings.json").read_text())
    cells = o.page.locator("td a.cell")
    instruments = findings["study"]["instruments"]
    assert cells.count() == (len(findings["adapters"]) + 1) * len(instruments)
    for k in range(cells.count()):
        href = cells.nth(k).get_attribute("href")
        cells.nth(k).evaluate("a => a.click()")
        adapter, instrument = re.search(r"adapter=([^&]+)&instrument=([^&]+)$", href).groups()
        expect(o.page.locator("#t-adapter")).to_have_value(adapter)
        expect(o.page.locator("#t-instrument")).to_have_value(instrument)
        expect(o.page.locator("#t-count")).to_have_text(re.compile("^[1-9]"))
    assert o.said == []


def test_filters_count_what_the_trials_table_holds(opened, study):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(study / "trials.parquet")
    page = opened(study / "report.html").page
    count = lambda: int(page.locator("#t-count").inner_text().split(" of ")[0].replace(",", ""))  # noqa: E731
    assert count() == table.num_rows
    mine = table.filter((pc.field("domain") == "truth") & (pc.field("seed") == 1))
    page.locator("#t-adapter").select_option("truth")
    page.locator("#t-seed").select_option("1")
    assert count() == mine.num_rows
    for name in ("instrument", "condition", "outcome"):
        for value in dict.fromkeys(table[name].to_pylist()):
            page.locator(f"#t-{name}").select_option(value)
            assert count() == mine.filter(pc.field(name) == value).num_rows, (name, value)
        page.locator(f"#t-{name}").select_option("")


def test_flips_are_counted_against_the_base_item_by_item(opened, study):
    import pyarrow.parquet as pq

    rows = pq.read_table(
        study / "trials.parquet", columns=["model", "instrument", "item_id", "condition", "rotation", "outcome"]
    ).to_pylist()
    key = lambda r: (r["instrument"], r["item_id"], r["condition"], r["rotation"])  # noqa: E731
    base = {key(r): r["outcome"] for r in rows if r["model"] == "base"}
    lost = sum(base.get(key(r)) == "correct" and r["outcome"] in ("suggested", "other") for r in rows)
    page = opened(study / "report.html").page
    page.locator("#t-flip").select_option("lost")
    assert int(page.locator("#t-count").inner_text().split(" of ")[0].replace(",", "")) == lost > 0


def test_a_pasted_link_shows_the_same_view(opened, study):
    first = opened(study / "report.html").page
    first.locator("#t-adapter").select_option("maths")
    first.locator("#t-outcome").select_option("other")
    first.locator("#t-text").fill("what")
    expect(first.locator("#t-link")).to_have_attribute("href", re.compile("text=what"))
    first.locator("#t-list").focus()
    first.keyboard.press("ArrowDown")
    link = first.locator("#t-link").get_attribute("href")
    second = opened(study / "report.html", link).page
    for part in ("#t-count", "#t-title"):
        assert second.locator(part).inner_text() == first.locator(part).inner_text()
    assert second.locator("#t-text").input_value() == "what" and second.locator(".t-row.on").get_attribute("data-k") == "1"


def test_a_mark_leads_to_its_transcripts_and_hover_shows_its_numbers(opened, study):
    page = opened(study / "report.html").drawn()
    mark = page.locator("figure[data-chart=heat] .mark-rect.role-mark path").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    expect(page.locator("#vg-tooltip-element")).to_contain_text("points")
    mark.click(force=True)
    expect(page.locator("#t-adapter")).to_have_value("maths")
    expect(page.locator("#t-instrument")).to_have_value("gsm8k")


def test_conditions_and_models_stand_side_by_side_with_their_probabilities(opened, study):
    page = opened(study / "report.html", "#t?adapter=truth&seed=0&instrument=imitation").page
    table = page.locator("#t-detail table")
    assert [t.strip() for t in table.locator("thead th").all_inner_texts()] == ["condition and prompt", "base", "truth seed 0"]
    conditions = {t.split("\n")[0] for t in table.locator("tbody th .cond").all_inner_texts()}
    assert {"neutral", "suggest_wrong", "mention"} <= conditions
    shares = [float(t.rstrip(" %")) for t in table.locator("tbody tr").first.locator("td").last.locator(".pc").all_inner_texts()]
    assert shares == sorted(shares, reverse=True) and 98 < sum(shares) < 102
    page.locator("#t-against").select_option("truth/seed1")
    assert "truth seed 1" in page.locator("#t-detail thead").inner_text()


def test_the_keyboard_alone_reaches_everything(opened, study):
    page = opened(study / "report.html").drawn()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(600):
        page.keyboard.press("Tab")
        now = page.evaluate("(e => e.id || (e.matches('a.cell') ? 'cell' : e.tagName))(document.activeElement)")
        reached.add(now)
        if now == "t-list":
            break
    assert {
        "theme",
        "cell",
        "SUMMARY",
        "t-adapter",
        "t-seed",
        "t-instrument",
        "t-condition",
        "t-outcome",
        "t-flip",
        "t-text",
        "t-reset",
        "t-list",
    } <= reached
    page.keyboard.press("End")
    last = int(page.locator("#t-list .t-row.on").get_attribute("aria-setsize")) - 1
    assert page.locator("#t-list").get_attribute("aria-activedescendant") == f"t-row-{last}"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "t-detail"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_serious(opened, study, scheme, width):
    page = opened(study / "report.html", viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True).drawn()
    found = Axe().run(page).response["violations"]
    assert [(v["impact"], v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_is_kept_and_pictures_follow_it(opened, study):
    page = opened(study / "report.html", color_scheme="light").drawn()
    text = page.locator("figure[data-chart=bars] svg text").first
    light = text.evaluate("t => getComputedStyle(t).fill")
    page.locator("#theme").click()
    expect(text).not_to_have_css("fill", light, timeout=30_000)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"


def test_it_prints_with_its_pictures(opened, study):
    page = opened(study / "report.html").drawn()
    printed = page.pdf(format="A4")
    assert printed[:5] == b"%PDF-" and len(printed) > 100_000
    page.emulate_media(media="print")
    assert not page.locator("#t-app").is_visible() and page.locator("figure svg").first.is_visible()


def test_every_picture_has_its_numbers_as_a_table(opened, study):
    page = opened(study / "report.html").page
    for figure in page.locator("figure[data-chart]").all():
        assert figure.locator("details.data tbody tr").count() > 0, figure.get_attribute("data-chart")
