"""The page of findings made by hand."""

import made_findings as made
import pytest

from holdfast.report import write_report

WHOLE = {"check": "batching", "level": "refuse", "claim": "no difference smaller than .3 nats is an adapter's", "evidence": {}}
OF_A_CELL = {"check": "overlap", "level": "refuse", "claim": "evaluation items were trained on", "evidence": {}, "cell": ["law", "doubt"]}


@pytest.mark.slow
@pytest.mark.parametrize("refused", [[WHOLE], [OF_A_CELL], [WHOLE, OF_A_CELL]])
def test_refusals_of_a_run_and_of_a_cell_stand_on_the_page(tmp_path, refused):
    page = write_report(tmp_path, made.records(refused=refused), made.entries(refused), {}, None).read_text(encoding="utf-8")
    listed = page.partition('<h2 id="refused">')[2].partition("</ul>")[0]
    assert listed.count("<li>") == len(refused) and ("(law, doubt)" in listed) == (OF_A_CELL in refused)
    assert ("is an adapter&#39;s" in listed) == (WHOLE in refused)
