"""Hostile text on a terminal, in a spreadsheet, in Markdown, in LaTeX: every character of Unicode, and sequences whole."""

import csv
import io
import re
import shutil
import subprocess
import unicodedata

import pytest

from holdfast.escape import csv_cell, latex, markdown, one_line, plain

EVERY = "".join(map(chr, range(0x110000)))


@pytest.mark.slow
@pytest.mark.parametrize("write", [plain, markdown, one_line])
def test_no_character_of_unicode_moves_a_cursor_or_turns_the_line(write):
    left = write(EVERY) if write is not one_line else one_line(EVERY, 2_000_000)
    bad = [hex(ord(c)) for c in left if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs")]
    turned = [hex(ord(c)) for c in left if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")]
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


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "＝1", "\x00=1", "\x1b[0m=1", "\u202e=1"])
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


# Everything that `latex` may write besides letters, digits and harmless signs: a command with its end, a braced character, mathematics of one sign.
_TOKEN = re.compile(
    r"\\ifdefined\\Umathchar (.)\\else\{\[\}U\+[0-9A-F]{4,6}\{\]\}\\fi\{\}|\\([a-z]+)\{\}|\\([{}$&#%_])|\{([\[\]*,?!-])\}|(\$\\?[a-z]*-?\$)|(~)|([^\\{}$&#%_^~])", re.I | re.S
)  # fmt: skip


def unlatex(text):
    """The text that LaTeX shows; fails where anything else than text stands."""
    named = {latex(c)[1:-2]: c for c in "\\^~<>|\"'`\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2022\u20ac"}
    signs = {latex(c): c for c in "\u2212\u00b1\u00d7\u2264\u2265\u2260\u2248\u2192"}
    out, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found, text[at : at + 40]
        code, name, escaped, braced, sign, tie, letter = found.groups()
        out.append(code or escaped or braced or letter or ("\u00a0" if tie else named[name] if name else signs[sign]))
        at = found.end()
    return "".join(out)


@pytest.mark.slow
def test_every_character_of_unicode_is_itself_in_latex():
    for start in range(0, 0x110000, 0x4000):
        part = EVERY[start : start + 0x4000]
        for c in (*part[:0x800], *part[0x2000:0x2800]) if start == 0 else ():
            assert unlatex(latex(c)) == unicodedata.normalize("NFC", plain(c)), hex(ord(c))
        assert unlatex(latex(part)) == unicodedata.normalize("NFC", plain(part))
        latex(part).encode()


@pytest.mark.parametrize(
    "text",
    ["--", "---", "``", "''", "?`", "!`", "<<", ">>", ",,", "[2em]", "*", "\\\\", "\\input{x}", "%", "^^41", "\n\n", "\x00", "\ud800"],
)
def test_no_ligature_argument_or_command_is_left(text):
    written = latex("a" + text + "b")
    assert unlatex(written) == plain("a" + text + "b") and "\n" not in written
    assert not re.search(r"--|''|``|,,|<<|>>|\?`|!`|\^\^|^\s*[\[*]|\\input", written)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_pdftex_sets_every_character_in_text_and_at_the_start_of_a_row(tmp_path):
    some = [chr(c) for c in [*range(0x250), *range(0x2000, 0x2070), 0x20AC, 0x2192, 0x2212, 0x4E2D, 0x1F469, 0xD800, 0x202E]]
    rows = " \\\\\n".join(latex(c) + " & x" for c in [*some, "[2em]", "*", *("".join(some[k : k + 16]) for k in range(0, len(some), 16))])
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\\usepackage{textcomp,longtable}\n\\begin{document}\n"
        f"\\begin{{longtable}}{{ll}}\n{rows}\n\\end{{longtable}}\n\\end{{document}}\n", encoding="utf-8"
    )  # fmt: skip
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, timeout=120
    )
    log = (tmp_path / "t.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0 and "\n!" not in log and "Missing character" not in log, [
        x for x in log.splitlines() if x.startswith(("!", "Missing"))
    ][:5]
