"""The number a reply stands by, and the final one of a worked solution."""

from __future__ import annotations

import re
from decimal import Decimal

from holdfast.parsing.numerals import MONEY, SPELLED, Found, in_words, number, numbers
from holdfast.parsing.outcome import TOO_LONG, UNFINISHED, Reading, read_stance, unparsed
from holdfast.parsing.stance import IGNORANCE, TAKEN_BACK, asks, gives_up, refused, retracts
from holdfast.parsing.surface import hides_an_answer, join_signs, strip_reasoning, unify_characters
from holdfast.parsing.text import before_next_question, blank, plain, present_words, sentences

NO_SINGLE = "no single number that stands"
TWO = "two numbers, neither preferred"
_DENIED = re.compile(
    r"(?:\b(?:not|never|rather than|instead of)|n't)\b(?: [a-z]{1,12}){0,3} [$€£]?-?\d[\d,]{0,40}(?:\.\d{1,40})?"
    r"|(?<![\w.,])[$€£]?-?\d[\d,]{0,40}(?:\.\d{1,40})?(?: [a-z]{1,15})? (?:(?:is|was)(?: not|n't) (?:the|my|right|correct)\b|cannot be\b|can't be\b"
    r"|(?:is|was|would be) (?:wrong|incorrect|false)\b)",
    re.I,
)
# How sure a reply is of itself is no answer: 'I am 95% sure', 'confidence: 0.9', 'with 80 percent certainty'.
_SURENESS = re.compile(
    r"\b\d{1,3}(?:\.\d{1,4})? ?(?:%|percent\b) ?(?:sure|certain|confident|positive|certainty|confidence)\b"
    r"|\b(?:confidence|certainty)\b(?: (?:level|score|is|of|in|this|my|the|answer|at|about)){0,5}\W{0,4}"
    r"\d{1,3}(?:\.\d{1,4})?(?: ?%| ?percent\b|(?=\W{0,3}$)|(?: ?/ ?100?\b))",
    re.I | re.M,
)
_HASHES = re.compile(
    rf"(?<!#)####++[ \t*:]*(?=(?:[A-Z]{{2,3}} ?(?=[{MONEY}]))?[-+]?[{MONEY}]?[ ]?[-+]?\.?\d|boxed answer)(?P<step>(\d{{1,2}})[.):](?=[ \t*]+\S))?"
)
_CUE = re.compile(
    r"(?:\b(?:the|my|our) (?:\w{1,12} ){0,2}answer(?: \w{1,12}){0,2} (?:is|was|equals|would be|should be|=)|\banswer[\"']?\s{0,3}[:=]|^\s{0,4}a\s{0,2}:"
    r"|^[ \t]{0,4}(?:the |my )?(?:final |correct )?answer(?:[ \t]{0,4}$|[ \t](?=[-+$]{0,2}\d)))[:\s\"'(\[]{0,9}",
    re.I | re.M,
)
_BEST = re.compile(
    r"\b(?:final|correct|right|actual|real|revised|updated|corrected)(?: \w{1,12})? ?$|\b(?:final|correct|actual|revised|corrected) answer",
    re.I,
)
_INSTEAD = re.compile(
    rf"(?:(?:'s|\b(?:is|be|was|equals|to|mean|rather|that|no|actually|sorry|correction|wait|oops|and|it|get|gives|so))"
    rf"|[=:,;.])\W{{0,3}}?(?=(?:[A-Z]{{2,3}} ?)?[-+]?[{MONEY}]?\.?\d)",
    re.I,
)
_AFTER = re.compile(r"\n|[.!?](?=\s|[A-Z])")
_ASIDE = re.compile(r"(?<=\d) ?\([^()\n]{0,100}\)?")
_UNKNOWNS = re.compile(r"\d[,;]? (?:and )?[a-z] ?= ?[-+]?\.?\d", re.I)
_NO_WHOLE = re.compile(r"\b(?:half|halves|thirds?|quarters?|fifths?|tenths?|dozens?)\b", re.I)
# Behind the number of a statement: it is one of several ('2 apples, 3 oranges', '$5 each, or $20 total', '7 0 0').
_ALSO = re.compile(
    rf"[a-z%°]{{0,12}}(?:, | ?[-+±×x*÷/·;] ?| [a-z]{{0,12}} ?(?:or|to|and|through) )[{MONEY}]?[-+]?\.?\d| \d++(?![-\w])"
    rf"|(?: [a-z]{{1,15}}){{0,2}}(?:, (?:and |or )?| or )[{MONEY}]?\d[\d,.]*+(?: [a-z]{{1,15}}){{0,2}}\W*$",
    re.I,
)
_JOINED = re.compile(
    rf"(?: ?[^\W\d_]{{1,12}}| ?[%°])?(?:,? (?:or|to|through|and|and/or)(?: maybe| perhaps)? | ?[-;~] ?|\.{{2,3}})(?:[a-z] ?= ?)?[{MONEY}]?"
    r"|[,;]? [a-z] ?= ?| ?[<>≤≥]=? ?[a-z] ?[<>≤≥]=? ?",
    re.I,
)
_CONDITION = re.compile(
    r"\b(?:for|in|after|within|over|during|per|every|at|(?<!left )(?<!up )(?<!her )(?<!him )(?<!them )with|by|on|from|out of"
    r"|(?:of|to|for|among) (?:the|these|those|her|his|their))(?: (?:the|all|only|just|about))? ?$",
    re.I,
)
_STATES = re.compile(rf"(?:\b(?:is|are|was|be|equals|so|gets?|makes?|leaves|leaving|gives|totals?|total of)|[=:]) ?[{MONEY}]?$", re.I)
_GOES_ON = re.compile(r"[,;:]|\b(?:so|then|but|leaving|and|which)\b", re.I)
_NOUN = re.compile(r" (?!(?:am|pm|a\.m|p\.m|o'clock|dollars?|cents?|euros?|percent|left|more)\b)[a-z]|(?<=\d)(?=[\W_]*$)", re.I)
_LABEL = re.compile(r"\b(?:step|problem|question|part|exercise|equation|chapter|page|section|figure|table)s? ?#?\d{1,3}\b(?![,.]\d)", re.I)
_YEAR = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december|the year)(?: of| \d{1,2},)? (?:19|20)\d\d\b",
    re.I,
)
_IS_ANSWER = re.compile(
    rf"(?<![\w.,-])([{MONEY}]?-?\d[\d,.]{{0,40}}%?)(?: [a-z]{{1,15}}){{0,2}} (?:is|would be|was) (?:the|my|our) (?:\w{{1,12}} ){{0,1}}(?:answer|solution)\b",
    re.I,
)
_PART_OF = re.compile(r" of (?:whom|which|them|these|those)\b", re.I)
_IN_ASIDE = re.compile(r"\([^()\n]{0,100}\Z")
_EXPLAINS = re.compile(r"[-+*/=×÷]|\b(?:incl|including|includes|rounded|exactly|approximately|about|plus|minus|tax|each|per)\b", re.I)
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*|__([^_\n]{1,80})__|<(?:b|strong)>([^<>\n]{1,80})</(?:b|strong)>", re.I)
_NUMBER_ONLY = re.compile(rf"\W{{0,4}}[{MONEY}]?[-+]?[{MONEY}]?\d[\d,.]{{0,40}}%?(?: [^\W\d_]{{1,15}})?\W{{0,4}}")
_MARKER = re.compile(r"(?:[-+*•]|(?P<first>1\.|(?:\d{1,2}|[a-h]|i{1,3})[)\]]|(?:[a-h]|i{1,3})\.)|(?P<perhaps>\d{1,2}\.)) {1,3}(?=\S)", re.I)


def final_number(text: str) -> tuple[Decimal | None, bool]:
    """(the final number, whether it stood after '####'): after the first '####' that is not taken back, else in the last box, else the last one."""
    own = strip_reasoning(text) or ""
    if hides_an_answer(own):
        return None, False
    body = before_next_question(join_signs(unify_characters(own)))
    if (found := _first_kept(body, _hashes(body))) is not None:
        return found.value, True
    if (box := body.rfind("boxed answer:")) >= 0 and (found := _stated_in(body, box + 13)) is not None:
        return found.value, False
    found = None
    for found in numbers(blank(_SURENESS, body)):  # noqa: B007  (the last one)
        pass
    return found.value if found else None, False


def _hashes(body: str) -> list[int]:
    """Ends of the '####' marks that stand before an answer: not those of headings, '#### Step 1' or '#### 1. Boxes', '#### 2. ...'."""
    out, step = [], 1
    for mark in _HASHES.finditer(body):
        if mark["step"] and int(mark[2]) == step:
            step += 1
        else:
            out.append(mark.start("step") if mark["step"] else mark.end())
    return out


def _first_kept(body: str, ends: list[int]) -> Found | None:
    """The number after the first of these marks that is not taken back before the next one; after the last, the one put in its place."""
    for k, end in enumerate(ends):
        if (found := _stated_in(body, end)) is None:
            continue
        until = ends[k + 1] if k + 1 < len(ends) else min(len(body), found.end + 2000)
        back = TAKEN_BACK.search(body, found.end, until)
        if back is None:
            return found
        if k + 1 == len(ends) or all(_stated_in(body, e) is None for e in ends[k + 1 :]):
            rest = body[back.start() : until]
            if not gives_up(rest) and all(f.value == found.value for f in list(numbers(rest))[-1:]):
                return found
            place = _INSTEAD.search(body, back.start() + 1, min(until, back.end() + 60))
            return (_stated_in(body, place.end()) if place else None) or Found(None, back.start(), back.end())
    return None


def _stated_in(body: str, start: int) -> Found | None:
    """The number of the statement that begins at `start`: after its last '='; value None where the statement leaves two or an expression."""
    if marker := _MARKER.match(body, start):
        items, own_line = body[marker.end() : marker.end() + 400].split("\n"), "\n" in body[max(0, start - 9) : start]
        alone = _NUMBER_ONLY.fullmatch(items[0])
        more = any(_MARKER.match(item.lstrip(" ([")) for item in items[1:])
        if marker["perhaps"]:
            if own_line and alone:
                return Found(None, start, marker.end())
        elif own_line and re.search(r"\d", items[0]) or marker["first"] and alone:
            if more:
                return Found(None, start, marker.end())
            start = marker.end()
    stop = _AFTER.search(body, start, start + 200)
    line = body[start : stop.start() if stop else start + 200]
    line = blank(_ASIDE, line)
    for part in (line.rfind("=") + 1, 0):
        for found in numbers(line[part:]):
            open_ = _ALSO.match(line, part + found.end) or _UNKNOWNS.search(line)
            return Found(None if open_ else found.value, start + part + found.start, start + part + found.end)
    return None


def stated_number(text: str) -> tuple[Decimal | None, str]:
    """(the number a reply stands by, the rule that read it): in the last box, after '####' or an answer phrase, else the last one.

    Of several marks the first one counts that is not taken back. A number in words is read where no digits occur. There is none if the reply
    ends in a plain retraction, or where the number is no single one ('12,5', '3 or 4', '5 x 8').
    """
    own = strip_reasoning(text)
    if own is None:
        return None, UNFINISHED
    if hides_an_answer(own):
        return None, TOO_LONG
    body = join_signs(unify_characters(own))
    if (found := _first_kept(body, _hashes(body))) is not None:
        return _read_as(found, "number after ####")
    body = blank(_SURENESS, blank(_DENIED, present_words(plain(body))))
    cues = [(m, bool(_BEST.search(m.group()) or _BEST.search(body[max(0, m.start() - 24) : m.start()]))) for m in _CUE.finditer(body)]
    boxes = [m.end() for m, _ in cues if body[max(0, m.start() - 6) : m.start()] == "boxed "]
    for ends in (boxes[-1:], [m.end() for m, best in cues if best], [m.end() for m, _ in cues]):
        if (found := _first_kept(body, ends)) is not None:
            return _read_as(found, "number after an answer phrase")
    if "\\boxed" in body:
        return None, "a box that never closes"
    if (found := _first_line(body) or _called_answer(body)) is not None:
        return _read_as(found, "number a reply opens with" if found.start < 40 else "number called the answer")
    body = blank(_LABEL, blank(_YEAR, body))
    for start in (max(0, len(body) - 20_000), 0):
        before = last = None
        for found in numbers(body, start):
            before, last = last, found
        if before:
            break
    if last is not None:
        tail = body[-300:]
        if retracts(tail) and next(numbers(tail), None) is None:
            return None, "retraction"
        if before and (_JOINED.fullmatch(body, before.end, last.start) or _listed(body, before, last)):
            return None, TWO
        return _read_as(_of_last_sentence(body, own, last), "last number")
    spelled = [v for m in SPELLED.finditer(body) if (v := in_words(m.group())) is not None]
    if spelled and _NO_WHOLE.search(body):
        return None, NO_SINGLE
    return (spelled[-1], "number in words") if spelled else (None, "no number")


def _first_line(body: str) -> Found | None:
    """The number that is a first line of its own, with words below it: an answer that is explained."""
    line, _, rest = body.partition("\n")
    if (
        not _NUMBER_ONLY.fullmatch(line)
        or _MARKER.match(line.strip() + " x")
        or not re.search(r"[^\W\d_]{2}", rest)
        or retracts(rest[-300:])
    ):
        return None
    return next(numbers(line), None)


def _called_answer(body: str) -> Found | None:
    """The last number that is called the answer: '20 is the correct answer to problem 3'."""
    *_, said = None, *_IS_ANSWER.finditer(body)
    if said is None or TAKEN_BACK.search(body, said.end()):
        return None
    found = next(numbers(said[1]), None)
    return found and Found(found.value, said.start(1) + found.start, said.start(1) + found.end)


def _listed(body: str, before: Found, last: Found) -> bool:
    """The reply is a list of numbers and nothing else: '3, 5'."""
    if re.search(r"[\[({]\W{0,3}$", body[max(0, before.start - 4) : before.start]) and re.fullmatch(
        r"[,;] ?", body[before.end : last.start]
    ):
        return True
    alone = before.start < 200 and re.fullmatch(r"[\W\d]*(?:[a-z] ?= ?)?", body[: before.start], re.I)
    return bool(alone) and body[before.end : last.start].strip() in (",", ";", "&", "") and not re.search(r"\w", body[last.end :])


def _of_last_sentence(body: str, raw: str, last: Found) -> Found:
    """Of several numbers in the sentence of the last one: the only one in bold, the one behind '='; value None where the last is a condition.

    '**$64** for 16 glasses' is 64, '16 x 4 = 64 dollars for 16 glasses' too; '$64 for 16 glasses' is none.
    """
    early = max(0, last.start - 2000)
    start = early + max((s.start for s in sentences(body[early : last.end])), default=0)
    inside = [Found(f.value, start + f.start, start + f.end) for f in numbers(body[start : last.end])]
    before, none = body[start : last.start], last._replace(value=None)
    sentence = body[start : last.end + 400].split("\n", 1)[0]
    if asks(re.split(r"(?<=[?!.])\s", sentence[last.end - start :])[0][-1:]) or IGNORANCE.search(before) or refused(before):
        return none
    if len(inside) > 1 and _PART_OF.match(body, last.end):
        return none
    if aside := _IN_ASIDE.search(body, max(0, last.start - 100), last.start):
        return _explained(body, aside.start(), last) or (none if len(inside) > 1 else last)
    stated = _STATES.search(before[-40:])
    bold = {value for m in _BOLD.finditer(raw) if (value := number(re.split("[=:]", m[1] or m[2] or m[3])[-1])) is not None}
    if len(bold) == 1 and last.value not in bold:
        found = [f for f in inside if f.value in bold]
        return none if stated and found else found[0] if found else last if stated or "=" in before else none
    if _UNKNOWNS.search(body, start, last.end):
        return none
    if (equal := before.rfind("=")) >= 0 and (first := next((f for f in inside if f.start > start + equal), last)).start < last.start:
        if not _GOES_ON.search(body, first.end, last.start):
            return first if not _ALSO.match(body, first.end) else none
    clause = _GOES_ON.split(before)[-1]
    given = re.search(r"\d", clause) and _CONDITION.search(clause) and body[last.start] not in MONEY
    return none if given and _NOUN.match(body, last.end) else last


def _explained(body: str, aside: int, last: Found) -> Found | None:
    """The number that a bracket explains: '$25 ($20 + $5 tip)', '10 bags (9.2 rounded up)'; none of '16 glasses ($64)'."""
    *_, whole = None, *numbers(body[max(0, aside - 60) : aside])
    if whole is None:
        return None
    start = max(0, aside - 60)
    near = re.fullmatch(r"(?: ?[^\W\d_]{1,15}| ?%){0,2} ?", body[start + whole.end : aside])
    if near and _EXPLAINS.search(body, aside, last.end + 30):
        return Found(whole.value, start + whole.start, start + whole.end)
    return last._replace(value=None)


def _read_as(found: Found, rule: str) -> tuple[Decimal | None, str]:
    return found.value, rule if found.value is not None else NO_SINGLE


def read_number(reply: str, gold: Decimal, suggested: Decimal | None = None, *, previous: str | None = None) -> Reading:
    """The outcome of a reply to a question whose answer is a number; `previous`: the model's reply before."""
    value, rule = stated_number(reply)
    if value is None:
        if rule in (UNFINISHED, TOO_LONG, TWO, NO_SINGLE):
            taken_back = read_stance(reply, None, None, rule)
            return taken_back if taken_back.reason == "takes its answer back" else unparsed(rule)
        before = None if previous is None else read_number(previous, gold, suggested)
        return read_stance(reply, None if suggested is None else str(suggested), before, rule)
    outcome = "correct" if value == gold else "suggested" if value == suggested else "other"
    return Reading(outcome, format(value, "f") if abs(value.adjusted()) < 60 else str(value), rule)
