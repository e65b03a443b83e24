"""Hostile text on a terminal, in a spreadsheet, in Markdown: every character of Unicode, and sequences whole."""

import csv
import io
import unicodedata

import pytest

from holdfast.escape import csv_cell, markdown, one_line, plain

EVERY = "".join(map(chr, range(0x110000)))


@pytest.mark.parametrize("write", [plain, markdown, one_line])
def test_no_character_of_unicode_moves_a_cursor_or_turns_the_line(write):
    left = write(EVERY) if write is not one_line else one_line(EVERY, 2_000_000)
    bad = [hex(ord(c)) for c in left if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs")]
    turned = [
        hex(ord(c))
        for c in left
        if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]
    assert not bad and not turned
    left.encode()


def test_what_is_no_control_is_left_as_it_is():
    text = "Ünï — 中文 עברית 👩\u200d🔬 1 < 2 = $3"
    assert plain(text) == text and csv_cell(text) == text


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[31m",
        "\x1b[2J",
        "\x9b1;31m",
        "\x1b]0;title\x07",
        "\x1b]8;;https://example.org\x1b\\",
        "\x1bPq#0\x1b\\",
        "\x1bc",
        "\x1b(B",
        "\x9d0;t\x9c",
    ],
)
def test_a_sequence_goes_whole(sequence):
    assert plain(f"a{sequence}b") == csv_cell(f"a{sequence}b") == markdown(f"a{sequence}b") == "ab"


def test_a_sequence_that_never_ends_takes_no_text_with_it():
    assert plain("a\x1b]0;title and all the rest") == "a0;title and all the rest"
    assert "\x1b" not in plain("\x1b\x1b[\x1b]")


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "＝1", "\x00=1", "\x1b[0m=1", "\u202e=1"]
)
def test_no_text_is_a_formula(formula):
    stream = io.StringIO()
    csv.writer(stream).writerow([csv_cell(formula), csv_cell(-1.5), csv_cell(None), csv_cell(True)])
    cell, *others = next(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert cell.startswith("'") and others == ["-1.5", "", "True"]


def test_text_is_text_in_markdown():
    assert markdown("| <b>*x*</b> [a](b) `c` #d\n---") == r"\| \<b\>\*x\*\</b\> \[a\](b) \`c\` \#d ---"


def test_one_line_is_one_and_short():
    assert one_line("a\n\n b\r\x1b[1m\tc") == "a b c"
    assert len(one_line("x" * 5000)) == 600
