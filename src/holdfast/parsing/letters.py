"""Which of the lettered options a reply chooses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.parsing.quotes import own_words, present_words
from holdfast.parsing.stance import asks, retracts
from holdfast.parsing.text import find, normal, plain, sentences, words

_LETTER = r"(?:[\[(]{1,2}([A-Z])[\])]{1,2}|([A-Z])(?![\w'-]|\.[A-Za-z])[).:]?)"
_HEDGE = r"(?:(?:most |more |very )?(?:likely|probably|definitely|clearly|indeed|actually|certainly|therefore|thus|still|now|in fact|then|simply|closest to|option|choice|answer|letter|number|is|be|that|the option|the choice),? ){0,3}"
_NOT = r"(?:not|n't|never|neither|nor|isn't|wasn't|cannot be|can't be|rather than|instead of|other than|except|eliminate|rule out|exclude|reject)"
_ANSWER = re.compile(
    rf"\b(?:answer|choice|option|selection|response|conclusion)(?: (?!not\b)[a-z]{{1,12}}){{0,4}}?(?:\s?[:=]|,? (?:is|was|would be|should be|must be|remains|to be|as|be))\s{{0,4}}[:=]?\s{{0,4}}{_HEDGE}[\"']?{_LETTER}",
)
_CHOOSES = re.compile(
    rf"\b(?i:choose|chose|pick|select|go(?:ing)? (?:with|for)|opt for|stick(?:ing)? with|stand by|settle on|vote for|say|conclude(?: that)?(?: it)?(?: is)?|it(?:'s| is| must be| would be| should be)|that(?:'s| is| would be))\s{{1,2}}{_HEDGE}[\"']?{_LETTER}",
)
_IS_RIGHT = re.compile(
    rf"(?:\b(?i:option|choice|answer|letter) )?{_LETTER}(?: [^.!?\n()]{{0,80}}?)? (?:is|was|would be|must be|remains|seems|appears to be)(?! not| n't) (?:[a-z]{{1,12}} ){{0,3}}?(?:correct|right|best|true|answer)\b",
)
_LABEL = re.compile(rf"^\W{{0,4}}(?i:answer|option|choice|a)?\s{{0,2}}:?\s{{0,2}}{_LETTER}", re.M)
_ONLY = re.compile(r"^\W{0,6}([A-Za-z])\W{0,6}$")
_OPENS = re.compile(r"^[\s\"']{0,4}(?:[\[(]([A-Z])[\])]|([A-Z])(?:[).:]|(?=\s{0,2}$|\n)))")
_MARKED = re.compile(r"[\[(]([A-Z])[\])]|\b(?i:option|choice|answer) ([A-Z])\b(?!['-])")
_ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "fifth": 4, "5th": 4, "sixth": 5, "last": -1, "final": -1}
_REFERENCE = re.compile(
    rf"\b(?:the )?({'|'.join(_ORDINALS)}) (?:one|option|choice|statement|alternative|of (?:these|those|the)|(?:answer )?(?:option|choice)|answer(?! is| was))\b", re.I
)
_NONE = re.compile(r"\bnone of (?:the|these|them|those)\b|\bneither (?:of|option|is)\b|\bno (?:option|choice) (?:is|seems)\b", re.I)
_CONTRAST = re.compile(r"[,;]|\b(?:but|however|while|whereas|although|though)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The letter chosen (None: none could be read), and the rule that read it. denied: letters said not to be the answer."""

    letter: str | None
    rule: str
    denied: frozenset[str] = frozenset()


def read_letter(reply: str, options: Mapping[str, str]) -> Choice:
    """The letter the reply stands by at its end, among `options` (letter -> text, texts may be empty).

    In turn: the whole reply; the last explicit answer phrase; a single letter or option named and not denied; an option by
    its place ("the second one"). Two different letters left standing by the same rule are no answer.
    """
    text = plain(reply)
    only = _ONLY.match(text)
    if only and only.group(1).upper() in options:
        return Choice(letter=only.group(1).upper(), rule="the whole reply")
    whole = [x for x, t in options.items() if t and normal(text) == normal(t)]
    if len(whole) == 1:
        return Choice(letter=whole[0], rule="the whole reply")
    body = present_words(text)
    spans = [s for s in sentences(body) if not asks(body[s.start : s.end])]
    denied = _denied(body, options)
    found = _explicit(body, spans, options)
    if found is not None:
        return Choice(letter=found[0], rule="an answer phrase", denied=denied) if found[0] else Choice(letter=None, rule="two answers in one phrase")
    opens = _OPENS.match(body)
    if opens and _of(opens) in options and not _is_not(body[opens.end() : opens.end() + 12]):
        later = _marked(body[opens.end() :], options) - denied
        if later <= {_of(opens)} or not retracts(body):
            return Choice(letter=_of(opens), rule="the letter the reply opens with", denied=denied)
    named = _marked(body, options) - denied
    if len(named) == 1:
        return Choice(letter=next(iter(named)), rule="the only letter named", denied=denied)
    if named:
        last = _marked(body[spans[-1].start :], options) - denied if spans else set()
        if len(last) == 1:
            return Choice(letter=next(iter(last)), rule="the only letter of the last sentence", denied=denied)
        return Choice(letter=None, rule="several letters, none preferred", denied=denied)
    return _by_text_or_place(body, own_words(text), options, denied)


def _of(match: re.Match[str]) -> str:
    return next(g for g in match.groups() if g)


def _is_not(text: str) -> bool:
    return bool(re.match(r"\s{0,3}(?:is|was|are)?\s?(?:not\b|n't)", text, re.I))


def _explicit(body: str, spans: list, options: Mapping[str, str]) -> tuple[str | None] | None:
    """The last explicit phrase's letter; (None,) if that phrase names two."""
    best: tuple[int, str, int] | None = None
    for span in spans:
        sentence = body[span.start : span.end]
        for pattern in (_ANSWER, _CHOOSES, _IS_RIGHT):
            for match in pattern.finditer(sentence):
                letter = _of(match)
                before = _clause_before(sentence, match.start())
                if letter not in options or _negated(before) or _bare_pronoun(match, letter, sentence):
                    continue
                at = span.start + match.start(match.lastindex or 0)
                if best is None or at > best[0]:
                    best = (at, letter, span.start + match.end())
    for match in _LABEL.finditer(body):
        if re.match(r"\W{0,4}(?i:answer|option|choice)", match.group()) and _of(match) in options and (best is None or match.start() > best[0]):
            best = (match.start(), _of(match), match.end())
    if best is None:
        return None
    joined = re.match(r"[^.!?\n]{0,160}?(?:,|\band\b|\bor\b|/)\s?(?:and |or |option |choice )?[\[(]([A-Z])[\])]|\s?(?:and|or|/|&)\s?(?:option )?([A-Z])\b(?![\w'])", body[best[2] :])
    if joined and _of(joined) in options and _of(joined) != best[1] and not re.search(rf"\b{_NOT}\b|n't", joined.group(), re.I):
        if re.search(r"\b(?:and|or)\b|/", joined.group()) and not re.search(r"\b(?:is|are|was|were|because|since|while|but)\b", joined.group()):
            return (None,)
    return (best[1],)


def _bare_pronoun(match: re.Match[str], letter: str, sentence: str) -> bool:
    """'A dog' and 'I think': a bare A or I followed by a word is an article or a pronoun, not a letter."""
    bracketed = match.group(match.lastindex or 0) and sentence[max(0, match.start(match.lastindex or 0) - 1)] in "(["
    if bracketed or letter not in "AI":
        return False
    after = sentence[match.end(match.lastindex or 0) :]
    return bool(re.match(r" [a-z]", after)) and not re.match(r" (?:is|was|because|since|as|and|or|but|for|would|rather|due|it|seems|remains|must)\b", after)


def _clause_before(sentence: str, at: int) -> str:
    head = sentence[max(0, at - 120) : at]
    cuts = list(_CONTRAST.finditer(head))
    return head[cuts[-1].end() :] if cuts else head


def _negated(before: str) -> bool:
    return bool(re.search(rf"\b{_NOT}\b|n't\b", before, re.I)) and not re.search(r"\bnot (?:only|just|merely|simply)\b|\bno doubt\b", before, re.I)


def _denied(body: str, options: Mapping[str, str]) -> frozenset[str]:
    out = set()
    lead = re.compile(rf"(?:\b{_NOT}|n't)\b(?: (?:be|option|choice|answer|the|letter|necessarily|actually|a|correct|right|answer is|is|it)){{0,3}} {_LETTER}", re.I)
    for match in lead.finditer(body):
        out.add(_of(match).upper())
    trail = re.compile(rf"{_LETTER}(?: [^.!?,;\n()]{{0,60}}?)?(?:(?: is| was| are| can| could| does| would be)(?: not|n't)\b| cannot\b|n't\b| (?:is|was) (?:\w{{1,12}} )?(?:incorrect|wrong|false|eliminated|ruled out|out)\b)")
    for match in trail.finditer(body):
        if not _bare_pronoun(match, _of(match), body):
            out.add(_of(match))
    return frozenset(x for x in out if x in options)


def _marked(body: str, options: Mapping[str, str]) -> set[str]:
    return {x for m in _MARKED.finditer(body) if (x := _of(m)) in options}


def _by_text_or_place(body: str, own: str, options: Mapping[str, str], denied: frozenset[str]) -> Choice:
    texts = {x: normal(t) for x, t in options.items() if t}
    letters = list(texts)
    kept: dict[str, int] = {}
    taken = -1
    for k, start, end in find(words(body), [texts[x] for x in letters]):
        if end <= taken:
            continue
        taken = end
        if _negated(_clause_before(body, start)) or re.match(r"[^.!?,;\n]{0,20}? (?:is|was) (?:not|incorrect|wrong|false)\b", body[end : end + 40]):
            continue
        kept[letters[k]] = start
    if len(kept) == 1:
        return Choice(letter=next(iter(kept)), rule="the text of one option", denied=denied)
    if len(kept) > 1:
        cued = [x for x, at in kept.items() if re.search(r"\b(?:answer|choice|option)\b[^.!?\n]{0,40}\b(?:is|was|be|:)\W{0,3}(?:the |a |an )?$", body[max(0, at - 90) : at], re.I)]
        if len(cued) == 1:
            return Choice(letter=cued[0], rule="the text of one option after an answer phrase", denied=denied)
        return Choice(letter=None, rule="the texts of several options", denied=denied)
    places = {list(options)[p] for m in _REFERENCE.finditer(body) if abs(p := _ORDINALS[m.group(1).lower()]) < len(options) and not _negated(_clause_before(body, m.start()))}
    if len(places) == 1:
        return Choice(letter=next(iter(places)), rule="an option by its place", denied=denied)
    if _NONE.search(body):
        return Choice(letter=None, rule="none of the options", denied=denied)
    loose = {x for m in re.finditer(r"(?<![\w'-])([A-Z])(?![\w'-])", body) if (x := m.group(1)) in options and x not in "AI" and x not in denied}
    if len(loose) == 1 and len(body) < 200:
        return Choice(letter=next(iter(loose)), rule="the only letter of a short reply", denied=denied)
    return Choice(letter=None, rule="denies an option only" if denied else "no option named", denied=denied)
