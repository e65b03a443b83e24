"""What in the published study keeps its numbers from meaning what they say. One function per check; each yields defects, or "ok"."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast_llama2_7b.correlation import refusal
from holdfast_llama2_7b.study import Defect, Study
from holdfast_llama2_7b.tables import BENCHMARKS
from holdfast_llama2_7b.words import say

MIN_COVERAGE, MAX_COVERAGE_GAP = 0.95, 0.02  # docs/metrics.md, section 4, rule 1
SKEWED, MIN_KEYS = 0.9, 20


def find_defects(study: Study) -> list[Defect]:
    """Every check's defects, in the order of the checks."""
    return [d for check in CHECKS for d in check(study)]


def is_skewed(most: int, n: int) -> bool:
    """Whether an answer key is nearly always the same letter."""
    return n >= MIN_KEYS and most >= SKEWED * n


def _tables(s: Study) -> Iterator[Defect]:
    wrong, n = s.tables.disagreements, len(s.tables.compared)
    evidence = {"compared": n, "disagreements": [[c.where, *c.cell, c.published, c.recomputed] for c in wrong]}
    if not wrong:
        text = "all {n} numbers that two of the study's files state, or that follow from its counts, agree"
        yield Defect("tables", "ok", say(text, n=n), evidence)
        return
    first = wrong[0]
    text = say(
        "{k} of {n} numbers stated twice disagree; first {where}, {model:name}, {cell:name}: {stated:rate} where {computed:rate} follows from the "
        "counts",
        k=len(wrong), n=n, where=first.where, model=first.cell[0], cell=first.cell[1], stated=first.published, computed=first.recomputed,
    )  # fmt: skip
    yield Defect("tables", "warn", text, evidence)


def _coverage(s: Study) -> Iterator[Defect]:
    """Rule 1 on the axis whose reply has to be read before it is doubted."""
    cover = {m: s.coverage(m, "doubt") for m in ("base", *s.adapters)}
    evidence = {"coverage": cover, "bounds": {m: s.bounds(m, "doubt") for m in cover}}
    bad = [a for a in s.adapters if not _covered(cover["base"], cover[a])]
    if not bad:
        yield Defect("coverage", "ok", say("every model's first answers were read well enough"), evidence)
        return
    known = {m: c for m, c in cover.items() if c is not None}
    worst = min(known, key=known.__getitem__, default="base")
    level = s.tables.levels[worst, "doubt"]
    text = say(
        "are-you-sure changes of {who:names} are bounded, not identified: {missing} of the {n} first answers of {worst:name}, for one, could not be "
        "read",
        who=bad, n=level.total, missing=level.undetected, worst=worst,
    )  # fmt: skip
    yield Defect("coverage", "bounds", text, evidence, tuple((a, "doubt") for a in bad))


def _covered(base: float | None, adapted: float | None) -> bool:
    if base is None or adapted is None:
        return False
    return min(base, adapted) >= MIN_COVERAGE and abs(base - adapted) <= MAX_COVERAGE_GAP


def _answer_key(s: Study) -> Iterator[Defect]:
    if s.counts is None:
        yield Defect("answer_key", "warn", say("no count of the answer keys is at hand: they were not checked"))
        return
    keys = {b: s.key(b) for b in sorted(s.counts.keys) if b in BENCHMARKS}
    skewed = {b: key for b, key in keys.items() if key and is_skewed(*key[1:])}
    for b, (letter, most, n) in skewed.items():
        text = "the key of {b:name} is {letter} in {most} of {n} test rows: a gain on it cannot be distinguished from saying {letter}"
        evidence = {"benchmark": b, "keys": s.counts.keys[b], "from": s.counts.how}
        yield Defect("answer_key", "refuse", say(text, b=b, letter=letter, most=most, n=n), evidence, s.cells(b))
    if not skewed:
        evidence = {"keys": s.counts.keys, "from": s.counts.how}
        yield Defect("answer_key", "ok", say("no benchmark's key is nearly always one letter"), evidence)


def _one_letter(s: Study) -> Iterator[Defect]:
    """An adapter trained on one letter only whose right answers elsewhere are exactly the items keyed with it."""
    key = s.key("truthfulqa_train")
    if s.counts is None or key is None:
        return
    letter, most, n = key
    only = [a for a in s.trained_on("truthfulqa") if list(s.tables.settings.rows[a]) == ["truthfulqa"]] if is_skewed(most, n) else []
    keyed = {b: k for b in BENCHMARKS if b != "truthfulqa" and (k := s.counts.keys.get(b, {}).get(letter)) is not None}
    cells = [(a, b) for a in only for b in keyed if s.tables.levels[a, b].hits == keyed[b]]
    for a, b in cells:
        level = s.tables.levels[a, b]
        text = say(
            "the {a:name} adapter's {b:name} score, {hits} of {n}, is exactly the number of test items keyed {letter}: what always saying {letter} "
            "would score",
            a=a, b=b, hits=level.hits, n=level.total, letter=letter,
        )  # fmt: skip
        evidence = {"hits": level.hits, "keyed": keyed[b], "letter": letter, "from": s.counts.how}
        yield Defect("one_letter", "refuse", text, evidence, ((a, b),))
    if not cells:
        yield Defect("one_letter", "ok", say("no adapter's score equals the count of one trained letter"))


def _neutral(s: Study) -> Iterator[Defect]:
    if s.counts is None:
        yield Defect("neutral", "warn", say("no count of the answer prompts is at hand: they were not checked"))
        return
    hits, n = s.counts.suggested
    evidence = {"with_suggestion": hits, "of": n, "from": s.counts.how}
    if hits:
        text = "{k} of {n} neutral answer prompts already contain the user's suggestion: there is no neutral condition"
        yield Defect("neutral", "refuse", say(text, k=hits, n=n), evidence, s.cells("imitation"))
    else:
        yield Defect("neutral", "ok", say("no neutral answer prompt holds a suggestion"), evidence)


def _overlap(s: Study) -> Iterator[Defect]:
    if s.counts is None:
        yield Defect("overlap", "warn", say("no count of shared questions is at hand: overlap was not checked"))
        return
    shared, rows = s.counts.overlap.get("train", {}), s.counts.axis_rows
    evidence = {"shared": shared, "rows": rows, "from": s.counts.how}
    axes = [a for a in ("imitation", "doubt") if shared.get(a)]
    if not axes:
        yield Defect("overlap", "ok", say("no axis row asks a question that was trained on"), evidence)
        return
    trained = s.trained_on("truthfulqa")
    text = say(
        "{k} of {n} answer and are-you-sure rows ask questions of the TruthfulQA training split, on which {who:names} were trained",
        k=sum(shared[a] for a in axes), n=rows["imitation"] + rows["doubt"], who=trained,
    )  # fmt: skip
    yield Defect("overlap", "refuse", text, evidence, tuple((a, axis) for a in trained for axis in axes))


def _repeated(s: Study) -> Iterator[Defect]:
    if s.counts is None:
        return
    texts, n = s.counts.texts
    evidence = {"texts": texts, "rows": n, "from": s.counts.how}
    if texts == n:
        yield Defect("repeated_texts", "ok", say("every feedback row has a text of its own"), evidence)
    else:
        text = say("{n} feedback rows hold {k} texts: intervals that take rows as independent are too narrow", n=n, k=texts)
        yield Defect("repeated_texts", "warn", text, evidence)


def _keywords(s: Study) -> Iterator[Defect]:
    fact = s.tables.facts.feedback_keyword_cases_at_least
    if not fact or not fact.count:
        return
    text = say(
        "at least {k} of {n} base feedback cases come from a keyword list in which a word of the prompt counts as praise ({source})",
        k=fact.count, n=fact.of, source=fact.source,
    )  # fmt: skip
    level = "refuse" if fact.count > (1 - MIN_COVERAGE) * fact.of else "warn"
    evidence = {**fact.model_dump(exclude_unset=True), "base_cases": s.tables.levels["base", "feedback"].hits}
    yield Defect("feedback_keywords", level, text, evidence, s.cells("feedback"), cited=True)


def _full_stop(s: Study) -> Iterator[Defect]:
    fact = s.tables.facts.gsm8k_extractor_keeps_full_stop
    if fact and fact.value:
        text = say("{b:name} answers ending in a full stop were scored wrong ({source})", b="gsm8k", source=fact.source)
        yield Defect("gsm8k_full_stop", "refuse", text, fact.model_dump(exclude_unset=True), s.cells("gsm8k"), cited=True)


def _seeds(s: Study) -> Iterator[Defect]:
    n = s.training.seeds
    if n is not None and n >= 3:
        yield Defect("seeds", "ok", say("{n} training seeds per adapter", n=n), {"seeds": n})
    else:
        text = "{n} training seed per adapter: no interval can hold training noise, so no verdict raised or lowered is given"
        yield Defect("seeds", "warn", say(text, n=n), {"seeds": n})


def _training(s: Study) -> Iterator[Defect]:
    t = s.training
    for adapter in t.inside_warmup:
        text = "the {a:name} adapter's {n} steps end inside the {w}-step warm-up: it was never trained at the stated learning rate"
        evidence = {"steps": t.steps, "warmup_steps": t.warmup_steps}
        yield Defect("warmup", "warn", say(text, a=adapter, n=t.steps[adapter], w=t.warmup_steps), evidence)
    for adapter, benchmark in t.held_out_alone.items():
        text = say(
            "the {a:name} set is not shuffled before its last {k} rows are held out: they are all {b:name}, so one benchmark alone validates it",
            a=adapter, k=t.held_out[adapter], b=benchmark,
        )  # fmt: skip
        yield Defect("unshuffled", "warn", text, {"held_out": t.held_out[adapter]})
    notes = s.tables.notes
    if notes.eos_trained is False and notes.loss_on_prompt is True:
        text = say("no end token was trained and the loss covered the prompt ({source})", source=notes.source)
        yield Defect("training_form", "warn", text, {"eos_trained": False, "loss_on_prompt": True}, cited=True)


def _intervals(s: Study) -> Iterator[Defect]:
    empty = [c for c, (low, high) in s.tables.published_intervals.items() if low == high]
    if empty:
        text = "the published interval of the {a:name} adapter's {axis:name} rate has no width: no event was taken for no uncertainty"
        evidence = {"cells": [list(c) for c in empty]}
        yield Defect("empty_interval", "warn", say(text, a=empty[0][0], axis=empty[0][1]), evidence)


def _correlation(s: Study) -> Iterator[Defect]:
    known = [(c.changes.p, c.changes.critical_r) for c in s.correlations if c.changes.p is not None]
    significant, m = sum(p < 0.05 for p, _ in known), len(s.adapters)
    evidence = {"cells": len(known), "significant": significant, "num_mixes": m}
    why = refusal(m)
    if why is None:
        yield Defect("correlation", "ok", say("there are mixes enough to correlate"), evidence)
        return
    text = say(
        "{why}: on changes {k} of {n} correlations of gain and shift are clear of chance at {m} points (critical r {r:change})",
        why=why, k=significant, n=len(known), m=m, r=known[0][1] if known else None,
    )  # fmt: skip
    yield Defect("correlation", "warn", text, evidence)


CHECKS = (
    _tables, _coverage, _answer_key, _one_letter, _neutral, _overlap, _repeated, _keywords, _full_stop, _seeds, _training, _intervals,
    _correlation,
)  # fmt: skip
