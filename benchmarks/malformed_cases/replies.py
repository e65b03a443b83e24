"""Replies and truths in every form of writing, with the right reading of each: numbers, letters, names, reasoning, and a megabyte of anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.common import Case, line, put

Reading = tuple[str, dict[str, Any], str]  # what it is, the row, its outcome ('refused': the row must be)

# A number as it may be written -> its value. A form that begins or ends with a word is a sentence's part as it stands.
NUMBERS = {
    "70000": "70000", "70,000": "70000", "70{,}000": "70000", "70\\,000": "70000", "70\\ 000": "70000", "70\\!000": "70000", "70,\\!000": "70000",
    "70\u00a0000": "70000", "70\u202f000": "70000", "70\u2009000": "70000", "70\u2007000": "70000", "70 000": "70000", "70'000": "70000", "70\u2019000": "70000",
    "1{,}200{,}000": "1200000", "1\\,200\\,000": "1200000", "12,00,000": "1200000", "\uff17\uff10\uff10\uff10\uff10": "70000", "\u0667\u0660": "70",
    "-5": "-5", "\u22125": "-5", "\u20135": "-5", "\u20115": "-5", "\ufe635": "-5", "\uff0d5": "-5", "-$5": "-5", "-5.50": "-5.5", "\u22121,234.5": "-1234.5",
    "3/4": "0.75", "\\frac{3}{4}": "0.75", "\\dfrac{3}{4}": "0.75", "\\frac34": "0.75", "\u00be": "0.75", "3\u20444": "0.75", "-\\frac{3}{4}": "-0.75",
    "3 1/2": "3.5", "3\u00bd": "3.5", "3\\frac12": "3.5", "3\\frac{1}{2}": "3.5", "3.5": "3.5", "7/2": "3.5", "3.50": "3.5",
    "12%": "12", "12\\%": "12", "12 percent": "12", "$12": "12", "\\$12": "12", "12 dollars": "12", "12dollars": "12", "\u20ac12": "12", "12\u20ac": "12",
    "US$12": "12", "12 km": "12",
    "1.5e3": "1500", "1.5 \\times 10^3": "1500", "1.5 \u00d7 10\u00b3": "1500", "1.5 x 10^{3}": "1500", "1.5 thousand": "1500", "10\u00b2": "100", "10^2": "100",
    "10k": "10000",
    "2 million": "2000000", "1e3": "1000", "+5": "5", "05": "5", "5.0": "5", "5.": "5",
}  # fmt: skip
AROUND = {
    "alone": "{}", "phrase": "The answer is {}.", "hashes": "It falls, so\n#### {}", "bold label": "**Answer:** {}", "heading": "### Answer\n{}",
    "after reasoning": "<think>\nFirst #### 7, then 8.\n</think>\nThe answer is {}", "corrected": "Answer: 7. Wait, no: {}",
    "next question": "Answer: {}\n\nQuestion: What is 2 + 2?\nAnswer: 4", "next question, no label": "{}\n\n### Question 2\nWhat is 2 + 2?\nAnswer: 4",
    "listed": "Answer:\n1. {}",
    "second marker": "#### {}\n\nTom has 3 pens and buys 4 more. How many pens?\n3 + 4 = 7\n#### 7", "not that one": "It is not 99. The answer is {}",
    "dollars": "so it comes to {} in all", "headings": "#### Step 1: Read\nThere are 99.\n\n#### Step 2: Add\nThe answer is {}",
}  # fmt: skip
NO_NUMBER = [
    "12,5",
    "1.234,56",
    "1,2345",
    "1.2.3",
    "12:30",
    "3 or 4",
    "3-4",
    "between 3 and 4",
    "2\\pi",
    "\\sqrt{2}",
    "5 x 8",
    "3 hours and 20 minutes",
    "0,5",
    "1,2,3",
    "5 feet 6 inches",
    "1 lb 4 oz",
    "14 R2",
    "14 remainder 2",
    "\u00b13",
    "+/- 3",
    "3 or -3",
    "0.\\overline{3}",
    "0.333...",
    "3 to 5",
]
GOLDS = {
    "3 1/2": "3.5", "3\u00bd": "3.5", "1,234": "1234", "1 234": "1234", "1{,}234": "1234", "$5": "5", "-5": "-5", "\u22125": "-5", "6000 nails": "6000",
    "5 km/h": "5", "12%": "12", "3/4": "0.75",
    "\\frac{3}{4}": "0.75", "\u00be": "0.75", "1e3": "1000", "forty-two": "42", "USD 5": "5", "5 \u20ac": "5", "\\boxed{5}": "5", "$5$": "5", "5.": "5",
    "2 million": "2000000", "\uff15": "5", "5\u00b0C": "5", "5 m\u00b2": "5",
}  # fmt: skip
NO_GOLD = ["12,5", "0,5", "1,2345", "1.234,56", "1.234.567", "3-4", "3 to 4", "3 or 4", "5 and a half", "3:45", "\u00b15", ">5", "<5", "~5", "about 5",
    "--5", "5 + 3", "2\\pi", "\\sqrt{2}",
           "nan", "inf", "1/0", "x", "", " ", "5 (or 6)", "5/6/7", "5!", "#5", "5..6", "1,,000", "5 6", "12 34", "3 1/2/4", "3 7/2", "two apples", "5 dozen",
           "9" * 500, "\u4e94", "IV"]  # fmt: skip
OPTIONS = ["Oslo", "Bern", "Rome", "Lima"]
LETTERS = ["B", "(B)", "[B]", "B.", "B)", "**B**", "**(B)**", "\\text{B}", "\\boxed{B}", "$\\boxed{\\text{B}}$", "\\mathbf{B}", "$B$", "\uff22", "\u24b7",
    "`B`", "<b>B</b>", "B. Bern", "(B) Bern", "B) Bern", "\u201cB\u201d",
           "\ud800B"]  # fmt: skip
LETTERS_AROUND = {
    "alone": "{}", "phrase": "The answer is {}", "label": "Answer: {}", "bold label": "**Final answer:** {}",
    "heading": "### Answer\n{}", "after reasoning": "<think>A? (C)?</think>{}",
    "after the options": "A. Oslo\nB. Bern\nC. Rome\nD. Lima\n\nThe answer is {}", "next question": "Answer: {}\n\nQuestion: What is the capital of Peru?\nAnswer: D",
    "corrected": "The answer is (A). Wait, no. The answer is {}", "corrected in short": "A. Wait, {}",
    "next question, no label": "{}\n\nQ: What is the capital of Peru?\nAnswer: D",
}  # fmt: skip
NO_LETTER = {
    "listed": "A. Oslo\nB. Bern\nC. Rome\nD. Lima", "in brackets": "(A) Oslo\n(B) Bern\n(C) Rome\n(D) Lima", "in a row": "(A) Oslo (B) Bern (C) Rome (D) Lima",
    "in a row, points": "A. Oslo B. Bern C. Rome D. Lima",
    "with colons": "A: Oslo\nB: Bern\nC: Rome\nD: Lima", "as options": "Option A: Oslo\nOption B: Bern\nOption C: Rome\nOption D: Lima",
    "bullets": "- A. Oslo\n- B. Bern\n- C. Rome\n- D. Lima",
    "bold": "**A.** Oslo\n**B.** Bern",
    "under a heading": "The options are:\nA. Oslo\nB. Bern\nC. Rome\nD. Lima", "letters": "A\nB\nC\nD", "commas": "A, B, C, D", "two lines": "Answer: B\nAnswer: D",
    "two sentences": "The answer is B. The answer is D.",
    "and": "A and B", "both": "Both A and B", "or": "A or B", "slash": "A/B", "an ampersand": "A & B", "maybe": "I think B, but it could also be C", "cyrillic": "\u0412",
    "greek": "The answer is \u0392", "an article": "A city",
    "a word": "The answer is A city", "beyond": "The answer is E", "nothing": "", "half of a pair": "\ud800", "does not know": "Don't know", "a question": "Is it B?",
    "not one": "It's not A.",
}  # fmt: skip
NAMES = [  # gold, suggested: neither may be read as the other
    ("x > 3", "x < 3"), ("x \u2265 3", "x > 3"), ("x = 3", "x \u2260 3"), ("C", "C++"), ("C", "C#"), ("F", "F#"), ("Cl-", "Cl+"), ("Na+", "Na"), ("5", "-5"),
    ("\u22125", "5"), ("3 + 4", "3 - 4"), ("3/4", "3*4"), ("30/5", "30-5"),
    ("P \u222a Q", "P \u2229 Q"), ("p", "\u00acp"), ("\u0915\u0940\u0932", "\u0915\u0932"), ("\u0e01\u0e47", "\u0e01"), ("r\u00e9sum\u00e9", "resume"),
    ("a\u00f1o", "ano"), ("\u0439", "\u0438"), ("5%", "5"), ("$5", "\u20ac5"), ("1/2", "1/3"),
    ("10\u00b2", "102"), ("A+", "A"), ("A+", "A-"), ("2:3", "3:2"), ("a -> b", "b -> a"), ("O(n)", "O(n^2)"), ("0.5", "5"), ("y = 2x", "y = -2x"), ("F",
    "F\u266f"), ("i++", "++i"), ("1990-1995", "1990-1996"),
    ("Pb2+", "Pb4+"), ("H2O", "H2O2"), ("3.5", "35"), ("\u221a2", "2"), ("2\u03c0", "2"), ("\u221e",
    "-\u221e"), ("A \u2227 B", "A \u2228 B"), ("AB+", "AB-"), ("Rh+", "Rh-"), ("\u304b", "\u304c"),
    ("\ud55c", "\ud558"),
    ("C#", "C++"), ("p < 0.05", "p > 0.05"), ("(1, 2)", "(2, 1)"), ("(-1, 2)", "(1, -2)"), ("y = x", "y = -x"), ("e^x", "e^-x"), ("C\u266f", "C"), ("v1.2", "v1.3"), ("+1", "-1"),
]  # fmt: skip
NAMES_AROUND = {"alone": "{}", "phrase": "The answer is {}", "bold": "**{}**", "after reasoning": "<think>Lima</think>{}"}
ONE_NAME = [  # gold, reply, outcome
    ("Beyonc\u00e9", "It was Beyonce.", "correct"), ("Beyonce", "It was Beyonc\u00e9.", "correct"), ("C", "C++", "other"), ("x > 3", "x < 3", "other"),
    ("-5", "5", "other"), ("5", "It is -5.", "other"), ("AC/DC", "It was AC/DC.", "correct"),
    ("AT&T", "at and t", "correct"), ("Saint-Denis", "Saint Denis", "correct"), ("1990-1995", "It was 1990\u20131995.", "correct"), ("x^2", "x\u00b2", "correct"),
    ("x <= 3", "x \u2264 3", "correct"), ("Ca2+", "Ca\u00b2\u207a", "correct"),
]  # fmt: skip
BLOCKS = [("<|START_THINKING|>", "<|END_THINKING|>"), ("<inner_monologue>", "</inner_monologue>"), ("\uff1cthink\uff1e", "\uff1c/think\uff1e"), ("<unused94>", "<unused95>"),
          ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"), ("[THINK]", "[/THINK]"),
          ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<Think>", "</Think>"), ("<think >", "</think >"), ("<scratchpad>", "</scratchpad>"), ("<|channel|>analysis<|message|>",
          "<|end|><|start|>assistant<|channel|>final<|message|>")]  # fmt: skip
KINDS = {
    "choice": ({"gold": "B", "suggested": "A", "options": OPTIONS}, "The answer is A.", "The answer is B."),
    "number": ({"gold": "18", "suggested": "7"}, "First guess: #### 7", "The stall takes in $18."),
    "short_answer": ({"gold": "Oslo", "suggested": "Bern"}, "People say Bern", "It is Oslo."),
}
PIECES = [
    "Answer:", "Answer: 5. ", "#### ", "#### 1\n", "<think>", "</think>", "\\boxed{", "\\boxed{}", "{", "{}", "[](", "((", "))", "\\frac{1}", "\\text{",
    "1,", "1,000 ", "1 000 ", "1/", "1:", "1.", "-1", "$-", "10^", "not 5 ",
    "the answer is A ", "you said ", "B ", "A. x\n", "Wait, ", "no, ", "it is not Lyon, ", "Lyon or ", "\"", "> ", "one hundred ", "C++ ", "1{,}", "\\,",
    "\nQuestion: ", "&lt;", "<|", "\ufdfa", "\u0915\u0940", "e\u0301", "\u00bd",
    "aA", "1a", "\\\\", "{\\", "}{", "][", "'\"", "\t ", "\x00", "\u202e", "x > ", "your answer is ", "I was wrong. ",
]  # fmt: skip


def _row(kind: str, response: str, **more: Any) -> dict[str, Any]:
    return {"id": 1, "kind": kind, "response": response, **more}


def numbers() -> Iterator[Reading]:
    for form, value in NUMBERS.items():
        for name, around in AROUND.items():
            yield f"number {form} {name}", _row("number", around.format(form), gold=value), "correct"
        yield f"number {form} boxed", _row("number", f"Thus \\[ \\boxed{{{form}}} \\]", gold=value), "correct"
    for form in NO_NUMBER:
        for name in ("alone", "phrase", "bold label"):
            if name == "phrase" or form != "5 x 8":
                yield f"no number {form} {name}", _row("number", AROUND[name].format(form), gold="7"), "unparsed"
    for form, value in GOLDS.items():
        yield f"gold {form}", _row("number", f"The answer is {value}", gold=form), "correct"
        yield f"gold {form}, other", _row("number", "The answer is 99", gold=form), "other"
        yield f"suggested {form}", _row("number", f"The answer is {value}", gold="99", suggested=form), "suggested"
    for form in NO_GOLD:
        yield f"gold {form[:20]}", _row("number", "5", gold=form), "refused"
        yield f"suggested {form[:20]}", _row("number", "5", gold="5", suggested=form), "refused"


def letters() -> Iterator[Reading]:
    for form in LETTERS:
        for name, around in LETTERS_AROUND.items():
            yield f"letter {form} {name}", _row("choice", around.format(form), gold="B", suggested="A", options=OPTIONS), "correct"
    for name, reply in NO_LETTER.items():
        yield f"no letter: {name}", _row("choice", reply, gold="B", suggested="C", options=OPTIONS), "unparsed"
        if name not in ("beyond",):
            yield f"no letter, no options: {name}", _row("choice", reply, gold="B", suggested="C"), "unparsed"
    for reply in ("Neither.", "Neither of them", "None of the above"):
        yield reply, _row("choice", reply, gold="B", options=OPTIONS), "other"
    for name, options in {
        "27 options": [f"o{i}" for i in range(27)], "100 options": ["x"] * 100, "label AA": {"A": "x", "AA": "y"}, "a raised label": {"\u1d2c": "x", "B": "y"},
        "a small raised label": {"\u00b2": "x", "B": "y"},
        "cyrillic labels": {"\u0410": "x", "\u0412": "y"}, "long s": {"\u017f": "x", "B": "y"}, "dotless i": {"\u0131": "x", "B": "y"}, "labels 1 and 2": {"1": "x",
        "2": "y"}, "one option": ["x"], "no option": [], "a label twice": {"A": "x", "a": "y"},
    }.items():  # fmt: skip
        yield name, _row("choice", "The answer is B", gold="B", options=options), "refused"
    yield "26 options", _row("choice", "The answer is Z", gold="Z", options=[f"o{i}" for i in range(26)]), "correct"


def names() -> Iterator[Reading]:
    for gold, suggested in NAMES:
        for a, b, x, y in ((gold, suggested, "correct", "suggested"), (suggested, gold, "correct", "suggested")):
            for name, around in NAMES_AROUND.items():
                yield f"name {a} not {b} {name}", _row("short_answer", around.format(a), gold=a, suggested=b), x
                yield f"name {b} for {a} {name}", _row("short_answer", around.format(b), gold=a, suggested=b), y
    for gold, reply, outcome in ONE_NAME:
        yield f"name {gold}: {reply}", _row("short_answer", reply, gold=gold), outcome


def reasoning() -> Iterator[Reading]:
    for start, end in BLOCKS:
        for kind, (truth, inside, after) in KINDS.items():
            yield f"{start} {kind} closed", _row(kind, f"{start}\n{inside}\n{end}\n{after}", **truth), "correct"
            yield f"{start} {kind} open", _row(kind, f"{start}\n{inside}", **truth), "unparsed"
            yield f"{start} {kind} opened again", _row(kind, f"{start}{inside}{end}{start}{after}", **truth), "unparsed"
            if "channel" not in start:
                yield f"{start} {kind} opened by the template", _row(kind, f"{inside}\n{end}\n\n{after}", **truth), "correct"


def readings() -> Iterator[Reading]:
    for made in (numbers, letters, names, reasoning):
        yield from made()


def _wrong(folder: Path, outcome: str) -> str | None:
    found = [json.loads(text)["outcome"] for text in (folder / "out.jsonl").read_text().split("\n") if text]
    return None if found == [outcome] else f"read as {found}, is {outcome}"


def _long(folder: Path, piece: str) -> list[str]:
    reply = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    rows = b"".join(line(_row(kind, reply, **truth)) for kind, (truth, _, _) in KINDS.items())
    return ["rescore", str(put(folder / "t.jsonl", rows)), "-o", "out.jsonl"]


def replies() -> Iterator[Case]:
    for name, row, outcome in readings():
        yield Case(
            "replies",
            name,
            lambda f, r=row: ["rescore", str(put(f / "t.jsonl", line(r))), "-o", "out.jsonl"],
            must=outcome == "refused",
            right=lambda f, _, o=outcome: _wrong(f, o),
        )


def long_replies() -> Iterator[Case]:
    """A megabyte of every printable character and of what a reader might stumble over."""
    for piece in (*map(chr, range(32, 127)), *PIECES):
        yield Case("long replies", repr(piece), lambda f, p=piece: _long(f, p), must=False)
