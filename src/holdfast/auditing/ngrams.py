"""Near copies by word n-grams: which evaluation texts stand, nearly whole, inside one training text. Plain code, one pass."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+")


def word_ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    """Distinct runs of `size` words, NFKC and case folded, punctuation left out; empty for a shorter text."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return set(zip(*(words[i:] for i in range(size)), strict=False))


def containment(texts: Iterable[str], wanted: Sequence[str], size: int = 8, least: int = 10) -> dict[int, float]:
    """{index in `wanted`: largest share of its n-grams found in any one of `texts`}, zeros left out.

    A wanted text with fewer than `least` distinct n-grams is too short to tell and is left out. Source of the idea: Brown et al.
    2020 (arXiv:2005.14165, appendix C), there with 13-grams and any collision; here a share, so that a quoted phrase is no copy.
    Time grows with the number of words, not with the product of the two lists.
    """
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes: dict[int, int] = {}
    for n, text in enumerate(wanted):
        grams = word_ngrams(text, size)
        if len(grams) < least:
            continue
        sizes[n] = len(grams)
        for gram in grams:
            holders[gram].append(n)
    best: dict[int, float] = {}
    known = holders.keys()
    for text in texts:
        counts: dict[int, int] = defaultdict(int)
        for gram in word_ngrams(text, size) & known:
            for n in holders[gram]:
                counts[n] += 1
        for n, count in counts.items():
            best[n] = max(best.get(n, 0.0), count / sizes[n])
    return best
