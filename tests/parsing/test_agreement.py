"""Agreement with people and sources. The sources' transcripts are read where HOLDFAST_DATA_ROOT names them."""

import os
from collections import Counter
from pathlib import Path

import agreement
import pytest
from sampling import SIZE, TRANSCRIPTS, rows_of, sample

PAGE = Path(__file__).parents[2] / "docs" / "parsing.md"
ROOT = os.environ.get("HOLDFAST_DATA_ROOT")
with_transcripts = pytest.mark.skipif(not ROOT, reason="HOLDFAST_DATA_ROOT names no folder with transcripts")


def test_the_labelled_replies_are_whole_and_their_halves_share_no_question():
    rows = agreement.labelled()
    assert len(rows) == SIZE == len({r["id"] for r in rows}) and Counter(r["split"] for r in rows) == {"tuning": 100, "checking": 100}
    assert {r["label"] for r in rows} == {"correct", "other", "unparsed"} and all(r["reason"] for r in rows)
    halves = [{r["question"] for r in rows if r["split"] == split} for split in ("tuning", "checking")]
    assert not halves[0] & halves[1]


@pytest.mark.parametrize("split", ["tuning", "checking"])
@pytest.mark.parametrize("with_question", [False, True])
def test_second_replies_are_read_as_a_reader_reads_them(split, with_question):
    assert agreement.rates(agreement.final_replies(split, with_question=with_question))[0] >= 0.9


def test_the_page_shows_what_the_parser_does_now():
    assert agreement.PAGE + agreement.labelled_section() in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
@with_transcripts
def test_the_page_shows_the_sources_labels():
    assert agreement.source_section(Path(ROOT) / "transcripts") in PAGE.read_text(encoding="utf-8")


@with_transcripts
def test_the_labelled_replies_are_the_sampled_ones():
    drawn = sample(rows_of(Path(ROOT) / "transcripts" / TRANSCRIPTS))
    assert [(r["id"], r["final_response"], r["split"]) for r in drawn] == [(r["id"], r["reply"], r["split"]) for r in agreement.labelled()]


@with_transcripts
def test_letters_agree_with_the_sources():
    for name, pairs in agreement.lettered(Path(ROOT) / "transcripts"):
        assert agreement.rates(pairs)[0] >= 0.98, name


@with_transcripts
def test_numbers_agree_with_the_source():
    assert agreement.rates(agreement.solutions(Path(ROOT) / "transcripts"))[0] >= 0.995


@with_transcripts
@pytest.mark.parametrize("with_question", [False, True])
def test_first_replies_agree_with_the_judge_at_high_coverage(with_question):
    found, coverage = agreement.rates(agreement.first_replies(Path(ROOT) / "transcripts", with_question=with_question))
    assert found >= 0.92 and coverage >= 0.95
