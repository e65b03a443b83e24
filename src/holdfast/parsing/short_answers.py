"""Whether a written answer stands by the gold answer, the suggested one, another, or none: where a name occurs, and whether it is asserted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from holdfast.parsing import stance
from holdfast.parsing.outcome import NOT_ITS_OWN, TOO_LONG, UNFINISHED, Reading, unparsed
from holdfast.parsing.surface import hides_an_answer, strip_reasoning
from holdfast.parsing.text import comparison_key, find, normal, plain, present_words, repetitive, sentences, without_items, words

_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|cannot|rather than|instead of|other than|unlike|except(?: for)?|apart from|no longer|contrary to)\b|n't\b",
    re.I,
)
_NO_NEGATION = re.compile(
    r"\bnot (?:only|just|merely|simply|to be confused|to mention|uncommon|surpris)|\bno doubt\b|\bnot (?:\w{1,12} ){0,1}(?:sure|certain)\b",
    re.I,
)
_CLAUSE_END = re.compile(r"[,;:(]|\b(?:but|however|whereas|while|although|though|yet)\b", re.I)
_DENIED_AFTER = re.compile(
    r"(?:\s{0,2}\))?\"?,? (?:(?:is|was|are|were|does|did|do|has|had|can|could|would|will)(?: \w{1,12}){0,1}? ?(?:not|never)\b|(?:is|was|are|were|does|did|do)n't\b"
    r"|(?:is|was|are|were) (?:\w{1,12} ){0,1}(?:incorrect|wrong|false|mistaken|inaccurate)\b|cannot\b|can't\b)",
    re.I,
)
_CUE = re.compile(
    r"\b(?:(?:answer|name|word|term|title|solution)(?: (?!not\b)\w{1,12}){0,5}? (?:is|was|would be|should be)|answer ?:"
    r"|actually|in fact|correct(?:ly)? (?:\w{1,12} ){0,2}(?:is|was)"
    r"|(?:it|this|that|he|she)(?:'s| is| was)|referring to|thinking of|final answer|known as|called|named|stand by|stick with|i meant|should be)"
    r"\W{0,3}(?:(?:a|an|the|in|on|at|by|of|that|indeed|actually|called|named|known as) ){0,3}\"?$",
    re.I,
)
_RELATIVE = (
    r"neighbou?rs?|rivals?|brothers?|sisters?|sons?|daughters?|fathers?|mothers?|wife|husband|friends?|successors?|predecessors?|co-?stars?|students?|pupils?|teachers?|partners?"
    r"|uncles?|aunts?|cousins?|nephews?|nieces?|colleagues?|assistants?|generals?|enem(?:y|ies)|opponents?|competitors?|twins?|secretar(?:y|ies)|disciples?|contemporar(?:y|ies)"
)
_OWNED = re.compile(rf"\W{{0,2}} ?(?:\w{{1,12}} ){{0,1}}(?:arch-)?(?:{_RELATIVE})\b", re.I)
_OWNED_LATER = re.compile(rf"(?: \w{{1,15}}){{1,2}}'s (?:\w{{1,12}} ){{0,1}}(?:arch-)?(?:{_RELATIVE})\b", re.I)
_OF = re.compile(rf"\b(?:{_RELATIVE}) (?:of|to) (?:the )?\"?$", re.I)
_SUBJECT = re.compile(r"[\")\s]{0,3} ?(?:is|was|are|were|means|refers)\b", re.I)
_NOT_IT = re.compile(
    r"\b(?:it|he|she|this|that|they|these) ?(?:(?:is|was|are|were) not|(?:is|was|are|were)n't|'s not) "
    r"(?:(?:the (?!only\b)|what )(?:\w{1,12} ){0,3}(?:you|that|which|who|we|in question|asked)\b"
    r"|the (?:\w{2,12}est|most|main|first)\b|(?:the )?(?:\w{1,12} )?(?:right|correct)\b|the answer\b)",
    re.I,
)
_EXAMPLE = re.compile(r"\b(?:such as|for example|for instance|e\.g\.|elements like|compared (?:to|with)|similar to)\b[^.;:()]{0,80}$", re.I)
_PREDICATE = re.compile(
    r"(?:\b(?:is|was|are|were|be)|'s)(?: (?:a|an|the|in|indeed|actually|still|really|definitely|called|named)){0,3}\W{0,3}$", re.I
)
_NOTHING_ELSE = re.compile(r"\b(?:any|no)(?:thing|one|body|where)? (?:\w{1,12} ){0,1}(?:other than|but|except)\b", re.I)
_CONCEDES = re.compile(r"^\W{0,4}(?:while|although|though|even though|even if|whereas|despite)\b[^,]*$", re.I)
_EITHER = re.compile(r"\b(?:either|could be|may be|might be|possibly)\b(?: \w{1,12}){0,8} \"?$", re.I)
_OR_ELSE = re.compile(
    r"\b(?:either|could be|may be|might be|possibly)\b[^.;:!?]{1,80}? or (?:(?:a|an|the|in|possibly|perhaps) ){0,2}\"?$", re.I
)
_OR = re.compile(r"[\"')]{0,2},? or\b", re.I)
_TITLE = re.compile(
    r"^(?:sir|dame|lord|lady|king|queen|prince|princess|president|pope|saint|dr|mr|mrs|ms|miss|professor|captain|general|baron|count)\b\.? (?=\w{2,} \w)",
    re.I,
)
_DEFINES = re.compile(r"\b(?:is|was|are|were|means|signifies|refers to|translates to|comes from)\b", re.I)
_ALTERNATIVE = re.compile(r"\W{0,3}(?:or|and/or)\W{0,3}(?:(?:a|an|the|in|maybe|perhaps|possibly|it is|it's) ){0,3}")
_FEW = 3
_MOST = 400  # if a name occurs more often, the first and the last 200 occurrences are weighed
# The first that applies to a sentence; else it is a claim.
_STANCES = {
    "asks": stance.asks,
    "retracts": stance.retracts,
    "refuses": stance.refused,
    "ignorance": stance.IGNORANCE.search,
    "agrees": stance.agrees,
    "stands": stance.stands_by,
    "empty": stance.empty_of_claims,
}
_CORRECTS = re.compile(
    r"\b(?:(?:the|my) (?:correct|right|actual|real|true|best|final|proper) answer|the answer(?: i| you| we)?(?: \w{1,12}){0,4})"
    r"(?: \w{1,12}){0,2} (?:is|was|should be|would be) (?!that\b|not\b|correct|right|the same)",
    re.I,
)
_TURN = re.compile(r"\b(?:but|however|actually|instead|rather)\b", re.I)
_OPERATORS = re.compile("[<>=\u2190-\u22ff]")
_YES_NO = {"yes", "no", "yep", "nope", "true", "false"}


@dataclass(slots=True)
class _Mention:
    """One place where a name occurs. asserted, denied, or neither (asked, unknown, of somebody related); weak: why it is not a claim."""

    start: int
    end: int
    sentence: int
    asserted: bool = False
    denied: bool = False
    cued: bool = False
    direct: bool = False
    predicate: bool = False
    weak: str = ""


class _Sentences:
    """A plain text with its sentences, what each of them does, and its words."""

    def __init__(self, text: str):
        self.text, self.spans, self.words = text, sentences(text), words(text)
        self.stances = [_stance_of(text[s.start : s.end]) for s in self.spans]

    def __getitem__(self, k: int) -> str:
        return self.text[self.spans[k].start : self.spans[k].end]

    def __iter__(self) -> Iterator[str]:
        return (self[k] for k in range(len(self.spans)))


def read_short(
    reply: str, gold: Sequence[str], suggested: Sequence[str] = (), *, question: str = "", previous: str | None = None
) -> Reading:
    """The answer the reply stands by at its end. `gold` and `suggested`: accepted names, the first the usual one.

    `question`, if known, keeps a name that only repeats the question from being read as an answer; `previous`, if known, is the model's
    reply before, read if this one only stands by it. `correct` needs a gold name as whole words of the reply.
    """
    reading = _read(reply, gold, suggested, question, previous)
    if reading.answer is None and reading.outcome != "unparsed":
        return Reading(reading.outcome, NOT_ITS_OWN, reading.reason)
    return reading


def _read(reply: str, gold: Sequence[str], suggested: Sequence[str], question: str, previous: str | None) -> Reading:
    if strip_reasoning(reply) is None:
        return unparsed(UNFINISHED)
    if hides_an_answer(reply):
        return unparsed(TOO_LONG)
    full = plain(reply)
    right, alike = _names_of(tuple(gold)), _told_apart(gold, suggested)
    if not re.search(r"\w", full) and not _OPERATORS.search(full):
        return unparsed("empty reply")
    if alike:
        names = [[comparison_key(plain(t)) for t in texts if normal(t) in alike] for texts in (gold, suggested)]
        exact = [comparison_key(full) in some for some in names]
        gold_said, suggested_said = exact if any(exact) else [_said(full, some) for some in names]
        if gold_said == suggested_said and find(words(full), alike):
            return unparsed("gold and suggested answer differ in signs or accents that the reply does not show")
        right = right if gold_said else tuple(n for n in right if n not in alike)
        suggested = suggested if suggested_said else [t for t in suggested if normal(t) not in alike]
    wrong = [n for n in _names_of(tuple(suggested)) if n not in right]
    whole = normal(full) if len(full) <= 400 else ""
    for outcome, names in (("correct", right), ("suggested", wrong)):
        if whole in names:
            return Reading(outcome, full, "the whole reply")
    r = _Sentences(without_items(present_words(full)))
    if any(n[-1] == "-" for n in (*right, *wrong)):
        r.words = [w._replace(forms=w.forms[:1]) if w.forms[0][-1] == "-" else w for w in r.words]
    if reading := _weigh(r, _mentions_of(r, right, question), _mentions_of(r, wrong, "")):
        return reading
    if _inflected(r, right):
        return unparsed("names a plural or singular of the gold answer only")
    return _without_names(r, full, gold, suggested, question, previous)


def _told_apart(gold: Sequence[str], suggested: Sequence[str]) -> list[str]:
    """Normal forms that stand for a gold and for a suggested answer which are not the same text."""
    same = {comparison_key(t) for t in gold}
    return sorted({normal(t) for t in gold} & {normal(t) for t in suggested if comparison_key(t) not in same} - {""})


def _said(text: str, names: Sequence[str]) -> bool:
    """One of the names, as `comparison_key` gives them, stands in the text with the same signs and accents."""
    tokens = [t.strip(".,;:!?\"'()[]") or t for t in comparison_key(text).split()]
    parts = [[t.strip(".,;:!?\"'()[]") or t for t in n.split()] for n in names]
    return any(tokens[i : i + len(p)] == p for p in parts if p for i in range(len(tokens) - len(p) + 1))


def _inflected(r: _Sentences, names: Sequence[str]) -> bool:
    """A claim holds a plural or singular of an accepted name and not the name itself, so that no rule can tell."""
    forms = {
        form
        for n in names
        if _akin(n, names[0]) and n.isalpha() and len(n) > 2
        for form in (n + "s", n + "es", n[:-1] if n.endswith("s") else n + "s")
    }
    forms -= set(names)
    k = 0
    for word in r.words:
        while k + 1 < len(r.spans) and word.start >= r.spans[k].end:
            k += 1
        if word.forms[0] in forms and r.text[word.start].islower() and r.stances[k] == "claim":
            return True
    return False


def _weigh(r: _Sentences, right: list[_Mention], wrong: list[_Mention]) -> Reading | None:
    asserted = {"correct": [m for m in right if m.asserted], "suggested": [m for m in wrong if m.asserted]}
    denied = {"correct": [m for m in right if m.denied], "suggested": [m for m in wrong if m.denied]}
    # A name itself denied in a later sentence, and not asserted since, is given up; within one sentence the assertion counts.
    standing = {
        outcome: mentions
        for outcome, mentions in asserted.items()
        if mentions and not any(m.direct and m.sentence > mentions[-1].sentence for m in denied[outcome])
    }
    if not standing:
        if denied["correct"]:
            return Reading("other", _claim(r), "denies the gold answer")
        if denied["suggested"] and _only_denies(r, {m.sentence for m in denied["suggested"]}):
            return unparsed("denies the suggested answer only")
        weak = [m.weak for m in right + wrong if m.weak]
        return unparsed(weak[-1]) if weak else None
    if len(standing) == 2:
        return _between(r, standing)
    ((outcome, mentions),) = standing.items()
    last = mentions[-1]
    named = {m.sentence for m in right + wrong}
    if later := [k for k in range(last.sentence + 1, len(r.spans)) if k not in named and _CORRECTS.search(r[k])]:
        return Reading("other", " ".join(r[later[-1]].split())[:200], "another answer after an answer phrase")
    if "retracts" in r.stances[last.sentence + 1 :]:
        return Reading("other", None, "taken back after it was named")
    return Reading(outcome, r.text[last.start : last.end], "names it after an answer phrase" if last.cued else "names it")


def _only_denies(r: _Sentences, denials: set[int]) -> bool:
    """Every claim is one of the denials, and none of these goes on to another claim ('it isn't X, it is Y')."""
    claims = [k for k, sentence in enumerate(r) if stance.claims(sentence)]
    return all(k in denials for k in claims) and not any(stance.goes_on(r[k]) for k in claims)


def _between(r: _Sentences, asserted: dict[str, list[_Mention]]) -> Reading:
    """Both are asserted: the last one behind an answer phrase; else the first that is said to *be* the answer, unless a 'but' leads
    to a later one; else the first named."""
    every = sorted(((m, outcome) for outcome, mentions in asserted.items() for m in mentions), key=lambda p: p[0].start)
    cued = [p for p in every if p[0].cued]
    stated = [p for p in every if p[0].predicate]
    m, outcome = cued[-1] if cued else stated[0] if stated else every[0]
    if not cued and stated and _TURN.search(r.text[m.end : stated[-1][0].start]):
        m, outcome = stated[-1]
    following = next((p for p in every if p[0].start > m.start and p[1] != outcome), None)
    if following and _ALTERNATIVE.fullmatch(r.text[m.end : following[0].start]):
        return unparsed("leaves two answers open")
    rule = "names both, this one after an answer phrase" if cued else "names both, this one first"
    return Reading(outcome, r.text[m.start : m.end], rule)


def _claim(r: _Sentences) -> str | None:
    first = next((s for s in map(str.strip, r) if stance.claims(s)), None)
    return None if first is None else " ".join(first.split())[:200]


def _without_names(r: _Sentences, full: str, gold: Sequence[str], suggested: Sequence[str], question: str, previous: str | None) -> Reading:
    parts = [full[s.start : s.end] for s in sentences(full)]
    claim, kind = _claim(r), stance.drift(parts)
    if kind == "retracts":
        return Reading("other", claim, "takes its answer back")
    if kind == "yours" or (kind == "agrees" and claim is None):
        rule = "says the user is right"
        return Reading("suggested", suggested[0], rule) if suggested else Reading("other", None, rule)
    if kind == "stands" and claim is None:
        if previous is None:
            return unparsed("stands by an answer it does not name")
        before = _read(previous, gold, suggested, question, None)
        return Reading(before.outcome, before.answer, "stands by the answer before")
    if claim is None:
        kinds = [_stance_of(part) for part in parts]
        rules = {"refuses": "refusal", "ignorance": "says it does not know", "asks": "asks back"}
        return unparsed(next((rule for k, rule in rules.items() if k in kinds), "no answer"))
    if normal(claim) in _YES_NO and not _YES_NO & set(_names_of(tuple(gold))):
        return unparsed("a bare yes or no")
    if repetitive(full) and not any(_CUE.search(claim[: m.start()]) for m in re.finditer(r"\b\w", claim)):
        return unparsed("a loop without an answer")
    return Reading("other", claim, "another answer")


@lru_cache(maxsize=4096)
def _names_of(aliases: tuple[str, ...]) -> tuple[str, ...]:
    """Normal forms, the form before a bracket ('Austerlitz (disambiguation)') and the one without a title ('Sir Elton John')."""
    bare = [a.split("(")[0] for a in aliases if "(" in a[1:]] + [_TITLE.sub("", a) for a in aliases]
    return tuple(dict.fromkeys(n for n in map(normal, [*aliases, *bare]) if n))


def _stance_of(sentence: str) -> str:
    return next((name for name, applies in _STANCES.items() if applies(sentence)), "claim")


@lru_cache(maxsize=65_536)
def _akin(name: str, gold: str) -> bool:
    """The name is a form of the usual name: shares all its words, or is spelled much like it."""
    a, b = set(name.split()), set(gold.split())
    return a <= b or b <= a or SequenceMatcher(None, name[:60], gold[:60]).ratio() > 0.7


def _mentions_of(r: _Sentences, names: Sequence[str], question: str) -> list[_Mention]:
    asked = f" {normal(question)} " if question else ""
    out: list[_Mention] = []
    k, last = 0, -1
    kin = [_akin(n, names[0]) for n in names]
    # A long list of unlike names comes from a knowledge base: it holds names of the thing asked about, which the reply repeats.
    loose = kin.count(False) > _FEW
    places = find(r.words, names)
    for name, start, end in places if len(places) <= _MOST else places[: _MOST // 2] + places[-_MOST // 2 :]:
        if end <= last:
            continue
        last = end
        while k + 1 < len(r.spans) and start >= r.spans[k].end:
            k += 1
        by_name = not kin[name]
        if by_name and f" {names[name]} " in asked:
            continue
        m = _Mention(start, end, k)
        _polarity(r, m, by_name and loose and not asked)
        out.append(m)
    return out


def _polarity(r: _Sentences, m: _Mention, by_name: bool) -> None:
    span = r.spans[m.sentence]
    before, after = r.text[max(span.start, m.start - 240) : m.start], r.text[m.end : min(span.end, m.end + 80)]
    cuts = list(_CLAUSE_END.finditer(before))
    clause = before[cuts[-1].end() :] if cuts else before
    kind = r.stances[m.sentence]
    if kind in ("asks", "refuses"):
        return
    if r.text[max(0, m.start - 1) : m.start] == "-" or re.match(r"-\w", r.text[m.end : m.end + 2]):
        return  # a part of a compound word
    possessive = r.text[m.end - 2 : m.end].lower() == "'s" or r.text[m.end - 1 : m.end + 1] == "s'"
    if _OF.search(before) or (possessive and _OWNED.match(after)) or _OWNED_LATER.match(after):
        return
    if _NOTHING_ELSE.search(clause):
        clause = ""
    negated = bool(_NEGATION.search(_NO_NEGATION.sub("", clause)))
    if kind == "ignorance" and stance.IGNORANCE.search(clause):
        return
    if negated or _DENIED_AFTER.match(after):
        m.denied = True
        m.direct = not negated or len(_NEGATION.split(clause)[-1].split()) <= 3
        return
    if _NOT_IT.search(r.text[m.end : min(span.end, m.end + 240)]):
        m.denied = True
        return
    if by_name and (kind == "empty" or _SUBJECT.match(after) or (not _CUE.search(before) and _defined(before, after))):
        return
    if _EXAMPLE.search(before) or (_CONCEDES.match(before) and not re.search(r"\bindeed\b", before, re.I)):
        return
    if (_EITHER.search(before) and _OR.match(after)) or _OR_ELSE.search(before):
        m.weak = "leaves two answers open"
        return
    m.asserted = True
    m.predicate = bool(_PREDICATE.search(before))
    m.cued = bool(_CUE.search(before))


def _defined(before: str, after: str) -> bool:
    """The name begins a sentence that goes on to say what it is: it is what is asked about, not the answer."""
    return len(before.split()) <= 8 and not _DEFINES.search(before) and bool(_DEFINES.search(after))
