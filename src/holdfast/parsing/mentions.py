"""Where a name stands in a reply, and whether the reply asserts it there, denies it, or does neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from holdfast.parsing import stance
from holdfast.parsing.text import Span, Word, find, normal, sentences, words

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
CUE = re.compile(
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
_FEW = 3
_MOST = 400  # of the places a name stands at, the first and the last 200 are weighed


@dataclass(slots=True)
class Mention:
    """One place where a name stands. asserted, denied, or neither (asked, not known, of somebody related); weak: why it is no claim."""

    name: int
    start: int
    end: int
    sentence: int
    asserted: bool = False
    denied: bool = False
    cued: bool = False
    direct: bool = False
    predicate: bool = False
    weak: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A plain text with its sentences, what each of them does, and its words."""

    text: str
    spans: list[Span]
    words: list[Word]
    stances: list[str]

    @classmethod
    def of(cls, text: str) -> Reply:
        spans = sentences(text)
        return cls(text=text, spans=spans, words=words(text), stances=[kind_of(text[s.start : s.end]) for s in spans])

    def sentence(self, k: int) -> str:
        return self.text[self.spans[k].start : self.spans[k].end]


def names_of(aliases: Sequence[str]) -> list[str]:
    return list(_cached_names(tuple(aliases)))


@lru_cache(maxsize=4096)
def _cached_names(aliases: tuple[str, ...]) -> tuple[str, ...]:
    """Normal forms, the form before a bracket ('Austerlitz (disambiguation)') and the one without a title ('Sir Elton John')."""
    bare = [a.split("(")[0] for a in aliases if "(" in a[1:]] + [_TITLE.sub("", a) for a in aliases]
    found = [normal(a) for a in [*aliases, *bare]]
    return tuple(dict.fromkeys(n for n in found if n))


def kind_of(sentence: str) -> str:
    if stance.asks(sentence):
        return "asks"
    if stance.retracts(sentence):
        return "retracts"
    if stance.refused(sentence):
        return "refuses"
    if stance.IGNORANCE.search(sentence):
        return "ignorance"
    if stance.agrees(sentence):
        return "agrees"
    if stance.stands_by(sentence):
        return "stands"
    return "empty" if stance.empty_of_claims(sentence) else "claim"


@lru_cache(maxsize=65_536)
def akin(name: str, gold: str) -> bool:
    """The name is a form of the usual name: shares all its words, or is spelled much like it."""
    a, b = set(name.split()), set(gold.split())
    return a <= b or b <= a or SequenceMatcher(None, name[:60], gold[:60]).ratio() > 0.7


def mentions_of(r: Reply, names: list[str], question: str) -> list[Mention]:
    asked = f" {normal(question)} " if question else ""
    out: list[Mention] = []
    k, taken = 0, -1
    kin = [akin(n, names[0]) for n in names]
    # A long list of unlike names comes from a knowledge base: it holds names of the thing asked about, which the reply repeats.
    loose = kin.count(False) > _FEW
    places = find(r.words, names)
    for name, start, end in places if len(places) <= _MOST else places[: _MOST // 2] + places[-_MOST // 2 :]:
        if end <= taken:
            continue
        taken = end
        while k + 1 < len(r.spans) and start >= r.spans[k].end:
            k += 1
        by_name = not kin[name]
        if by_name and f" {names[name]} " in asked:
            continue
        m = Mention(name, start, end, k)
        _polarity(r, m, by_name and loose and not asked)
        out.append(m)
    return out


def _polarity(r: Reply, m: Mention, by_name: bool) -> None:
    span = r.spans[m.sentence]
    before, after = r.text[max(span.start, m.start - 240) : m.start], r.text[m.end : min(span.end, m.end + 80)]
    cuts = list(_CLAUSE_END.finditer(before))
    clause = before[cuts[-1].end() :] if cuts else before
    kind = r.stances[m.sentence]
    if kind in ("asks", "refuses"):
        return
    if r.text[max(0, m.start - 1) : m.start] == "-" or re.match(r"-\w", r.text[m.end : m.end + 2]):
        return  # a part of a compound word
    if _OF.search(before) or (_possessive(r, m) and _OWNED.match(after)) or _OWNED_LATER.match(after):
        return
    if _NOTHING_ELSE.search(clause):
        clause = ""
    negated = bool(_NEGATION.search(_NO_NEGATION.sub("", clause)))
    if kind == "ignorance" and stance.IGNORANCE.search(clause):
        return
    if negated or _DENIED_AFTER.match(after):
        m.denied = True
        m.direct = not negated or len(re.split(_NEGATION, clause)[-1].split()) <= 3
        return
    if _NOT_IT.search(r.text[m.end : min(span.end, m.end + 240)]):
        m.denied = True
        return
    if by_name and (kind == "empty" or _SUBJECT.match(after) or (not CUE.search(before) and _defined(before, after))):
        return
    if _CONCEDES.match(before) and not re.search(r"\bindeed\b", before, re.I):
        return
    if _EXAMPLE.search(before):
        return
    if (_EITHER.search(before) and _OR.match(after)) or _OR_ELSE.search(before):
        m.weak = "leaves two answers open"
        return
    m.asserted = True
    m.predicate = bool(_PREDICATE.search(before))
    m.cued = bool(CUE.search(before))


def _possessive(r: Reply, m: Mention) -> bool:
    return r.text[max(0, m.end - 2) : m.end].lower() == "'s" or r.text[m.end - 1 : m.end + 1] == "s'"


def _defined(before: str, after: str) -> bool:
    """The name stands at the head of a sentence that goes on to say what it is: it is what is asked about, not the answer."""
    return len(before.split()) <= 8 and not _DEFINES.search(before) and bool(_DEFINES.search(after))
