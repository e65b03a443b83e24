"""Numbers of the command line are those of a study file: digits, and nothing that Python alone would read."""

import pytest
from typer import BadParameter

from holdfast import cli
from holdfast.cli.options import number

WHOLE = ["1_0", "1e1", "10.0", " 10", "٣", "0x10", "--5", "", "nan", "9" * 5000, "²"]


@pytest.mark.parametrize("text", WHOLE)
@pytest.mark.parametrize("command", [
    ["plan", "embedded", "--limit"], ["plan", "embedded", "--seeds"], ["figures", "x", "--columns"], ["judge", "x", "--kind", "feedback", "--seed"],
])  # fmt: skip
def test_what_is_no_number_is_one_line(command, text, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["holdfast", *command, text])
    with pytest.raises(SystemExit) as end:
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and line.startswith("holdfast: ") and "must be a whole number" in line


@pytest.mark.parametrize("text", ["1_0.5", "inf", "nan", "1e999", "0x1p3", "1,5", "٣.٥", " 1", "1_0", "0.05", "2e6"])
def test_a_fraction_is_plain_too(text):
    with pytest.raises(BadParameter):
        number(0.1, 1e6, float)(text)


@pytest.mark.parametrize(("text", "value"), [("80", 80.0), ("0.5", 0.5), (".5", 0.5), ("1e3", 1000.0), ("5.", 5.0), ("+2", 2.0)])
def test_plain_numbers_are_read(text, value):
    assert number(0.1, 1e6, float)(text) == value and number()("-007") == -7
