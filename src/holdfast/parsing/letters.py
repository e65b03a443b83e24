"""Which of the lettered options a reply chooses. A letter counts only as a word of its own, in a place where options are named."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from holdfast.parsing.outcome import TOO_LONG, UNFINISHED, Reading, read_stance, unparsed
from holdfast.parsing.stance import TAKEN_BACK, asks, kept
from holdfast.parsing.surface import hides_an_answer, strip_reasoning
from holdfast.parsing.text import Span, find, normal, plain, present_words, sentences, words

# '(B)' or a bare capital that is no part of a word, of 'B-12', of 'B.A.' or of 'C. elegans',
# of 'f(C)', '[A]^2' and 'B = 0'.
_LETTER = r"(?:(?<!\b\w)[\[(]{1,2}([A-Z])[\])]{1,2}(?!\^)|([A-Z])(?![\w'+#-]|\.[A-Za-z]|\. [a-z]| ?=)[).:]?)"
_KEYWORD = r"(?i:options?|choices?|answers?|letter|alternative)"
_HEDGE = (
    r"(?:(?i:most|more|very|likely|probably|definitely|clearly|indeed|actually|certainly|therefore|thus|still|now|in fact|then|simply"
    r"|closest to|option|choice|answer|letter|number|is|be|that|the),? ){0,4}"
)
_NOT = r"(?:not|never|neither|nor|cannot be|rather than|instead of|other than|except|(?:any|every)thing (?:but|except)|all (?:but|except)|eliminate|rule out|exclude|reject)"
_ANSWER = re.compile(
    r"\b(?i:answer|choice|option|selection|response|conclusion|(?:correct|right) one)(?: (?!not\b)[a-z]{1,12}){0,4}?"
    r"(?:[\"']?\s?[:=]| - |,? (?:is|was|would be|should be|must be|remains|to be|as|be))\s{0,4}[:=]?\s{0,4}"
    rf"{_HEDGE}[\"']?{_LETTER}"
)
_CHOOSES = re.compile(
    r"\b(?i:choose|chose|pick|select|go(?:ing)? (?:with|for)|opt for|(?:stick(?:ing)? with|stick to|stand by|maintain|keep)(?: my (?:[a-z]{1,12} ){1,3}(?:of|is))?|settle on"
    r"|vote for|say|i meant?|chang(?:e|ed|ing) (?:my|the) (?:\w{1,12} )?(?:answer|choice) (?:from [\[(]?[a-z][\])]? )?to|conclude(?: that)?(?: it)?(?: is)?"
    rf"|it(?:'s| is| must be| would be| should be)|that(?:'s| is| would be))\s{{1,2}}{_HEDGE}[\"']?{_LETTER}"
)
_IS_RIGHT = re.compile(
    rf"(?:\b{_KEYWORD} |\b(?i:only) |^[ \"']{{0,3}}|(?<=[.;:,!?\n] )|(?=[\[(]))\"?{_LETTER}"
    r"(?: (?:(?!(?:is|was|would be) (?:false|wrong|incorrect)\b|\b(?:but|yet|while|whereas|though)\b|;)"
    r"[^.!?\n()]){0,80}?)? "
    r"(?:is|was|would be|must be|remains|seems|appears)(?! not\b)(?: to be)? (?:(?!not\b)[a-z]{1,12} ){0,3}?"
    r"(?:correct|right|best|better|true|answer|plausible|likely|suitable|appropriate|accurate|choice)\b",
    re.M,
)
_DECLARED = re.compile(
    rf"^\W{{0,4}}(?i:final answer|answer|option|choice)\s{{0,2}}[:=]?\s{{0,2}}{_LETTER}(?! (?:is|was|are|does|did|do|can|could|seems|cannot|would)\b)",
    re.M,
)
_CONCLUDES = re.compile(
    rf"(?<!thing )(?<!\ball )\b(?i:but|so|hence|thus|therefore),? (?i:rather |actually |instead |it's |it is |the answer is |option ){{0,2}}{_LETTER}(?=\W{{0,4}}$|[.,;!?])",
    re.M,
)
_PATTERNS = (_ANSWER, _CHOOSES, _IS_RIGHT, _DECLARED, _CONCLUDES)
_SECOND = re.compile(
    r"[^.!?\n]{0,160}?(?:\band\b|\bor\b|/|,)\s?(?:and |or |option |choice )?[\[(]([A-Z])[\])]"
    r"|\s?(?:and|or|/|,|->|\u2192|\(or)\s?(?:and |or |also |option |possibly |perhaps |maybe ){0,2}([A-Z])\b(?![\w'])"
    r"|[.,;]? {0,2}(?:[Aa]lternatively|[Pp]ossibly|[Pp]erhaps|[Mm]aybe),? (?:also )?(?:option )?[\[(]?([A-Z])\b(?![\w'])"
)
_OPENS = re.compile(r"[\s\"']{0,4}(?:[\[(]([A-Z])[\])]|([A-Z])(?:[).:]|(?=\s{0,2}\n|\s{0,2}$)|(?=,? (?:because|since)\b)))\s{0,3}")
_ONLY = re.compile(r"\W{0,6}([A-Za-z])[^\w?]{0,6}")
_MARKED = re.compile(rf"(?<!\b\w)[\[(]([A-Z])[\])](?!\^)|\b{_KEYWORD} ([A-Z])\b(?!['-])")
_DENIES = re.compile(
    rf"(?:\b(?i:{_NOT})|n't)\b(?: (?:be|option|choice|answer|the|letter|necessarily|actually|correct|right|is|it)){{0,3}} {_LETTER}(?:,? (?:n?or) {_LETTER})?"
)
_DENIED = re.compile(
    rf"(?:\b{_KEYWORD} |^[ \"']{{0,3}}|(?=[\[(])){_LETTER}(?: \"[^\"\n]{{0,300}}\"|,? [^.!?,;\n()\"]{{0,60}}?)?,?"
    r"(?: (?:is|was|are|can|could|does|did|do|would be|seems)(?: not|n't)\b| cannot\b| (?:is|was|seems|would be) (?:\w{1,12} )?"
    r"(?:incorrect|wrong|false|eliminated|ruled out|out)\b)",
    re.M,
)
_ORDINALS = ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th")
_PLACES = {word: i for i, pair in enumerate(_ORDINALS) for word in pair.split()} | {"last": -1, "final": -1}
_BY_PLACE = re.compile(
    rf"\b(?:the )?({'|'.join(_PLACES)}) (?:one|option|choice|statement|alternative|answer choice|answer option|of (?:these|those|the)|answer(?! is| was))\b",
    re.I,
)
_NONE = re.compile(
    r"^\W{0,4}neither\b(?! [A-Z]\b)|\bneither of (?:the|these|them|those)\b|\bneither (?:option|choice|answer)\b"
    r"|\bnone of (?:the|these|them|those)\b|\bno (?:option|choice)s? (?:is|are|seems?)\b",
    re.I,
)
_SMALL = re.compile(r"([\[(]|\b(?i:answer|option|choice)(?:\s?:| is)? )([b-z](?![\w'-])|a(?=[\])]|\W{0,3}$))", re.M)
_APART = re.compile(r"(?<!\w)([$']) ?\(?([A-Z])\)?[.)]? ?\1(?!\w)|^\"([A-Z])[.)]?\"\.?$", re.M)
_PAIR = re.compile(r"[\[(]?([A-Z])[\])]?[).:-]{1,2} {0,2}([^\n]{2,200}?)\.?|([^\n]{2,200}?) [\[(]([A-Z])[\])]\.?")
_TEXT_AFTER = re.compile(r"[\])]{0,2}[).:,-]{0,2} {0,2}[\"(]?([^\n]{2,200}?)[\")]?(?:[.!]?(?=\s*$)|[.!](?=\s)|\n|,)", re.M)
_STATES = re.compile(r"\b(?i:answer)\W{0,3}(?: is\b|:)[ :]{0,3}(?![A-Z][,).:] )(\S.{0,200}?)\.?\s*\Z")
_OR_MAYBE = re.compile(r"[^.!?\n]{0,120}?[,;]? (?:but|although|though) (?:it |this )?(?:could|might|may)(?: \w{1,12}){0,3} [\[(]?([A-Z])\b")
_LABELLED = re.compile(
    r"^[ \t>\"']{0,8}[-\u2022]?[ \t]{0,4}(?:(?i:option|choice|answer) )?[\[(]?([A-Z])[\])]?[).:;\]-]{0,2}(?:(?:[ \t]{1,4}|(?<=[).:]))(?=\S)(.{0,400})$|$)",
    re.M,
)
_LISTED = re.compile(r"(?<![\w'])[\[(]?([A-Z])[\])]{1,2}[.:]?\s|(?<![\w'])([A-Z])[.:]\s")
_CONCLUDED = re.compile(
    r"\b(?:so|hence|thus|therefore|final|finally|but|however|instead|correct|revised|in conclusion|overall|rather)\b", re.I
)
_CONTRAST = re.compile(r"[,;]|\b(?:but|however|while|whereas|although|though)\b")
_EXPLAINS = set("because since as the this it i explanation reason reasoning that here in".split())
_FILLER = set(
    "i i'm think believe say would go with definitely probably maybe perhaps certainly surely clearly it is its answer final my the so yes"
    " option choice likely most rather than not but instead of no wait sorry actually wrong incorrect was isn't it's for mistake apologize apologies".split()
)
# What is said of one label of a list: 'A) Oslo. Incorrect. B) Bern. Correct!'
_JUDGED_LABEL = re.compile(
    r"(?:^|(?<=[.!?;,)\u2705\u274c\u2713\u2717\u2714\u2718] ))[-\s\u2022]{0,6}[\[(]?([A-Z])(?:[\])]{1,2}[.:]?|[.:])\s", re.M
)
_VERDICT = re.compile(
    r"(?:^|[.:;,!()\]\n-]\s{0,3}|\b(?:is|as) |\s(?=[\u2705\u274c\u2713\u2717\u2714\u2718]))(?P<no>not |in)?"
    r"(?P<yes>correct|right|true|[\u2705\u2713\u2714])?(?(yes)|(?:wrong|false|[\u274c\u2717\u2718]))"
    r"(?=\W{0,4}(?:$|\n|[.!;,)]))",
    re.I | re.M,
)
_GIVEN_UP = re.compile(
    r"[.!?,;\n]\s{0,3}(?:oops|no|scratch that|(?:wait,? )?that(?:'s| is) (?:wrong|incorrect|not right|not correct))\W*\Z", re.I
)


_INSTEAD = ("the whole reply", "an answer phrase", "the only letter of a short reply")


@dataclass(frozen=True, slots=True)
class Choice:
    """The letter chosen (None: none could be read), and the rule that read it. denied: letters last said not to be the answer."""

    letter: str | None
    rule: str
    denied: frozenset[str] = frozenset()


def read_choice(reply: str, options: Mapping[str, str], gold: str, suggested: str | None = None, *, previous: str | None = None) -> Reading:
    """The outcome of a reply to a lettered question. gold, suggested: letters among `options`; previous: the model's reply before."""
    choice = read_letter(reply, options)
    if choice.letter is not None:
        outcome = "correct" if choice.letter == gold else "suggested" if choice.letter == suggested else "other"
        return Reading(outcome, choice.letter, choice.rule)
    if choice.rule == "none of the options":
        return Reading("other", "none of the options", choice.rule)
    if gold in choice.denied:
        return Reading("other", f"not {gold}", "denies the gold answer")
    if choice.rule != "no option named":
        return unparsed(choice.rule)
    return read_stance(reply, suggested, None if previous is None else read_choice(previous, options, gold, suggested), choice.rule)


def read_letter(reply: str, options: Mapping[str, str]) -> Choice:
    """The letter the reply stands by at its end, among `options` (letter -> text, texts may be empty).

    In turn: the whole reply; the last explicit answer phrase; the letter it opens with; the only letter or option text that is named
    and not denied; an option by its place ("the second one"). If one rule leaves two letters, there is no answer.
    """
    if strip_reasoning(reply) is None:
        return Choice(None, UNFINISHED)
    if hides_an_answer(reply):
        return Choice(None, TOO_LONG)
    text = plain(reply)
    only = _ONLY.fullmatch(text)
    label = only.group(1).upper() if only and only.group(1).upper() in options else None
    known = normal(text) if len(text) <= 400 + 2 * max(map(len, options.values()), default=0) else ""
    whole = [x for x, t in options.items() if t and known == normal(t)]
    if label and whole not in ([], [label]) and any(len(t) > 1 for t in options.values()) and text.strip().isalpha():
        return Choice(None, "a label and the text of another option")
    if known and len(whole) == 1 and not (label and text.strip().isalpha()):
        return Choice(whole[0], "the whole reply")
    if label:
        return Choice(label, "the whole reply")
    if (pair := _PAIR.fullmatch(text.strip())) and _contradicts(pair[1] or pair[4], pair[2] or pair[3], options):
        return Choice(None, "a label and the text of another option")
    text = _SMALL.sub(lambda m: m.group(1) + m.group(2).upper(), _APART.sub(lambda m: f"({m[2] or m[3]})", text))
    judged = _judged(text, options)
    if (chosen := _without_restated(text, options)) is not None and not re.search(r"\w", text := chosen):
        return Choice(judged, "the only label called correct") if judged else Choice(None, "restates the options only")
    body = present_words(text)
    if len(behind := kept(body)) < len(body) and (instead := read_letter(behind, options)).rule in _INSTEAD:
        return instead
    if (stated := _STATES.search(body)) and len(said := normal(stated[1])) > 1:
        named = [x for x, t in options.items() if t and said == normal(t)]
        if len(named) == 1:
            return Choice(named[0], "the text of one option")
    spans = [s for s in sentences(body) if not asks(body[s.start : s.end])]
    phrase = _last_answer_phrase(body, spans, options)
    # 'The answer is (C) It is not legal': the negation belongs to the option's own text.
    denials = _denials(body, options, spared=phrase[2] if phrase else -1)
    denied = frozenset(denials)
    if phrase:
        letter, two, at = phrase
        if two:
            return Choice(None, "two answers")
        if (said := _TEXT_AFTER.match(body, at + 1)) and _contradicts(letter, said[1], options):
            return Choice(None, "a label and the text of another option")
        if denials.get(letter, (0, 0))[1] <= at and _GIVEN_UP.search(body, at):
            return Choice(None, "no option named", denied)
        if denials.get(letter, (0, 0))[1] <= at:
            return Choice(letter, "an answer phrase", denied - {letter})
    if judged:
        return Choice(judged, "the only label called correct", denied - {judged})
    marks = [(x, m.start()) for m in _MARKED.finditer(body) if (x := _of(m)) in options]
    marked = [(x, at) for x, at in marks if at >= denials.get(x, (0, 0))[1] and _inside(spans, at)]
    named = {x for x, _ in marked}
    opens = _opening(body, options)
    if opens and opens not in denied and named <= {opens}:
        return Choice(opens, "the letter the reply opens with", denied)
    rule = "the only letter named"
    if len(named) > 1 and spans:
        rule, named = "the only letter of the last sentence", {x for x, at in marked if at >= spans[-1].start}
    if len(named) == 1:
        return Choice(next(iter(named)), rule, denied - named)
    return Choice(None, "several letters, none preferred", denied) if marked else _by_text_or_place(body, options, denied)


def _contradicts(letter: str, said: str, options: Mapping[str, str]) -> bool:
    """What stands beside a label is the whole text of another option."""
    key = normal(said)
    named = [x for x, t in options.items() if t and len(normal(t)) > 1 and normal(t) == key]
    return letter in options and bool(named) and letter not in named


def _without_restated(text: str, options: Mapping[str, str]) -> str | None:
    """The text with lists of options blanked, lines or labels of two options or more each; None if it holds none."""
    runs: list[list[re.Match[str]]] = [[]]
    for line in _LABELLED.finditer(text):
        letter, said = line[1], normal(line[2] or "")
        known = normal(options.get(letter, ""))
        if letter not in options or not (said == known or (known and said.startswith(f"{known} ")) or (not known and line[2])):
            continue
        apart = runs[-1] and re.search(r"\w", text[runs[-1][-1].end() : line.start()])
        if apart or letter in {m[1] for m in runs[-1]}:
            runs.append([])
        runs[-1].append(line)
    listed = [m for run in runs if len(run) > 1 for m in run]
    if not listed:
        return None
    parts, last = [], 0
    for m in listed:
        parts += [text[last : m.start()], " " * (m.end() - m.start())]
        last = m.end()
    return "".join([*parts, text[last:]])


def _judged(text: str, options: Mapping[str, str]) -> str | None:
    """The one label of a list that is called correct where others are called incorrect; None where an option's own text speaks of it."""
    if any(_VERDICT.search(t) for t in options.values()):
        return None
    labels = [m for m in _JUDGED_LABEL.finditer(text) if m[1] in options]
    if len(labels) < 2:
        return None
    said: dict[bool, list[str]] = {True: [], False: []}
    for label, end in zip(labels, [*(m.start() for m in labels[1:]), len(text)], strict=True):
        *_, last = None, *_VERDICT.finditer(text, label.end() - 2, end)
        if last:
            said[bool(last["yes"]) and not last["no"]].append(label[1])
    return said[True][0] if len(said[True]) == 1 and said[False] and said[True][0] not in said[False] else None


def _of(match: re.Match[str]) -> str:
    return next(g for g in match.groups() if g)


def _last_answer_phrase(body: str, spans: Sequence[Span], options: Mapping[str, str]) -> tuple[str, bool, int] | None:
    """(letter of the last answer phrase, whether that phrase names a second one, its position); none in a question or a denial."""
    best: tuple[int, str, int] | None = None
    for pattern in _PATTERNS:
        for match in pattern.finditer(body):
            letter, at = _of(match), match.start(match.lastindex or 0)
            if letter not in options or (best and at <= best[0]) or _article(body, match, letter):
                continue
            negated = pattern is not _CONCLUDES and _negated(body, match.start())
            if not negated and _inside(spans, match.start()):
                best = (at, letter, match.end())
    if best is None:
        return None
    at, letter, end = best
    if _two_answers(body, spans, options):
        return letter, True, at
    others = {*options} - {letter}
    tail = body[end : end + 240]
    second, maybe = _SECOND.match(tail), _OR_MAYBE.match(tail)
    two = bool(
        second
        and _of(second) in others
        and not re.search(rf"\b{_NOT}\b|n't|\b(?:is|are|was|were|because|since|while|but|it|as)\b", second.group(), re.I)
        and not ((said := normal(second.group()[:-1])) and said in normal(options[letter]))
    )
    return letter, two or bool(maybe and _of(maybe) in others), at


def _two_answers(body: str, spans: Sequence[Span], options: Mapping[str, str]) -> bool:
    """Two answers are stated one after the other, and nothing between them or before the last one says which of them stands."""
    said = [(m.start(), m.end(), _of(m)) for m in _ANSWER.finditer(body) if _of(m) in options and _inside(spans, m.start())]
    said = [(start, end, x) for start, end, x in said if not _negated(body, start)]
    for (_, end, first), (start, until, second) in pairwise(said[-2:]):
        if body[max(0, start - 6) : start] == "boxed ":
            return False  # the last box counts
        between = body[end - 1 : start][-2000:]
        marked = _CONCLUDED.search(between[-200:]) or _CONCLUDED.search(body[start:until])
        return first != second and not TAKEN_BACK.search(between) and not marked
    return False


def _inside(spans: Sequence[Span], at: int) -> bool:
    k = bisect_right(spans, (at, 1 << 62)) - 1
    return k >= 0 and at < spans[k].end


def _article(body: str, match: re.Match[str], letter: str) -> bool:
    """'A dog' and 'I think': a bare A or I before a word is an article or a pronoun, not a letter."""
    at = match.start(match.lastindex or 0)
    if letter not in "AI" or (at and body[at - 1] in "(["):
        return False
    after = body[at + 1 : at + 24]
    return bool(re.match(r" [a-z]", after)) and not re.match(
        r" (?:is|was|because|since|as|and|or|but|for|would|rather|due|it|seems|remains|must)\b", after
    )


def _negated(body: str, at: int) -> bool:
    """A negation stands in the clause before `at`; 'not only' and 'no doubt' are none."""
    before = _CONTRAST.split(re.split(r"[.!?\n](?:\s|$)", body[max(0, at - 120) : at])[-1])[-1]
    cleared = re.sub(r"\bnot (?:only|just|merely|simply)\b|\bno doubt\b", "", before, flags=re.I)
    return bool(re.search(rf"\b{_NOT}\b|n't\b", cleared, re.I))


def _denials(body: str, options: Mapping[str, str], spared: int = -1) -> dict[str, tuple[int, int]]:
    """Letters said not to be the answer, each with the position of its last denial."""
    out: dict[str, tuple[int, int]] = {}
    for pattern in (_DENIES, _DENIED):
        for match in pattern.finditer(body):
            for k, letter in enumerate(match.groups(), 1):
                if letter in options and match.start(k) != spared and not _article(body, match, letter):
                    out[letter] = max(out.get(letter, (0, 0)), (match.start(k), match.end()))
    return out


def _opening(body: str, options: Mapping[str, str]) -> str | None:
    """The letter a reply opens with: 'B) text', '(B)', 'B\\n...'. Where texts are known 'C. difficile' is no option."""
    match = _OPENS.match(body)
    if not match or _of(match) not in options:
        return None
    letter, line = _of(match), body[match.end() :].split("\n", 1)[0]
    if {x for m in _LISTED.finditer(line) if (x := _of(m)) in options} - {letter}:
        return None  # the first of several labels
    text, said = normal(options[letter]), normal(line[:400])
    if re.match(r"(?:is|was|are)? ?(?:not\b|n't)", line, re.I):
        return None
    if match.group(1) or not said:
        return letter
    if text:
        return letter if said.split(" ")[:2] == text.split(" ")[:2] or said.split(" ")[0] in _EXPLAINS else None
    return letter if line[:1].isupper() else None


def _by_text_or_place(body: str, options: Mapping[str, str], denied: frozenset[str]) -> Choice:
    texts = {x: normal(t) for x, t in options.items() if t}
    count = Counter(texts.values())
    letters = [x for x in texts if count[texts[x]] == 1 and re.search(r"[^\W\d_]{2}|^[-+]?\d+(?:\.\d+)?(?: ?/ ?\d+)?$", texts[x])]
    kept: dict[str, int] = {}
    last = -1
    for k, start, end in find(words(body), [texts[x] for x in letters]):
        if end <= last:
            continue
        last = end
        denied_after = re.match(r"[^.!?,;\n]{0,20}? (?:is|was) (?:not|incorrect|wrong|false)\b", body[end : end + 40])
        if not (_negated(body, start) or denied_after):
            kept[letters[k]] = start
    if len(kept) > 1:
        cue = re.compile(r"\b(?:answer|choice|option)\b[^.!?\n]{0,40}(?:\b(?:is|was|be)|:)\W{0,3}(?:the |a |an )?$", re.I)
        kept = {x: at for x, at in kept.items() if cue.search(body[max(0, at - 90) : at])} or kept
    if kept:
        return Choice(*((next(iter(kept)), "the text of one option") if len(kept) == 1 else (None, "the texts of several options")), denied)
    listed = list(options)
    places = {
        listed[p]
        for m in _BY_PLACE.finditer(body)
        if -len(listed) <= (p := _PLACES[m.group(1).lower()]) < len(listed) and not _negated(body, m.start())
    }
    if len(places) == 1:
        return Choice(next(iter(places)), "an option by its place", denied)
    if _NONE.search(body):
        return Choice(None, "none of the options", denied)
    own = " ".join(body[s.start : s.end] for s in sentences(body) if not asks(body[s.start : s.end])) if len(body) < 200 else ""
    spoken = re.sub("[,.!;:()]", " ", own).split()
    loose = {w for w in spoken if w in options} - denied
    if len(loose) == 1 and all(w in loose | denied or w.lower() in _FILLER for w in spoken):
        return Choice(next(iter(loose)), "the only letter of a short reply", denied)
    return Choice(None, "denies an option only" if denied else "no option named", denied)
