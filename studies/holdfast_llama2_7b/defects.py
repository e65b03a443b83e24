"""What in a published study keeps its numbers from meaning what they say. One function a check; each ends in a defect or in "ok"."""

from __future__ import annotations

from collections.abc import Callable

from holdfast_llama2_7b.correlation import refusal
from holdfast_llama2_7b.counts import Counts, modal
from holdfast_llama2_7b.study import Defect, Study
from holdfast_llama2_7b.tables import BENCHMARKS, Tables
from holdfast_llama2_7b.training import training_of
from holdfast_llama2_7b.words import change, count, name, names, plain, rate, say

MIN_COVERAGE, MAX_COVERAGE_GAP = 0.95, 0.02  # METRICS section 4, rule 1
SKEWED, MIN_KEYS = 0.9, 20


def find(tables: Tables, counts: Counts | None) -> tuple[Study, list[Defect]]:
    study = Study(tables=tables, counts=counts, training=training_of(tables))
    return study, [d for check in CHECKS for d in check(study)]


def _agreement(s: Study) -> list[Defect]:
    wrong, compared = s.tables.disagreements, len(s.tables.compared)
    evidence = {"compared": compared, "disagreements": [[c.where, *c.cell, c.published, c.recomputed] for c in wrong]}
    if not wrong:
        text = say("all {n} numbers that two of the study's files state, or that follow from its counts, agree", n=count(compared))
        return [Defect(check="tables", level="ok", sentence=text, evidence=evidence)]
    first = wrong[0]
    text = say(
        "{k} of {n} numbers stated twice disagree; first {where}, {model}, {cell}: {stated} where {computed} follows from the counts",
        k=count(len(wrong)),
        n=count(compared),
        where=plain(first.where),
        model=name(first.cell[0]),
        cell=name(first.cell[1]),
        stated=rate(first.published),
        computed=rate(first.recomputed),
    )
    return [Defect(check="tables", level="warn", sentence=text, evidence=evidence)]


def _coverage(s: Study) -> list[Defect]:
    """Rule 1 on the axis whose reply has to be read before it is doubted."""
    cover = {m: s.coverage(m, "doubt") for m in ("base", *s.adapters)}
    evidence = {"coverage": cover, "bounds": {m: s.bounds(m, "doubt") for m in cover}}
    bad = [a for a in s.adapters if not _covered(cover["base"], cover[a])]
    if not bad:
        return [Defect(check="coverage", level="ok", sentence=say("every model's first answers were read well enough"), evidence=evidence)]
    known = {m: c for m, c in cover.items() if c is not None}
    worst = min(known, key=known.__getitem__, default="base")
    level = s.tables.levels[worst, "doubt"]
    text = say(
        "are-you-sure changes of {who} are bounded, not identified: {missing} of the {n} first answers of {worst}, for one, could not be read",
        who=names(bad),
        n=count(level.total),
        missing=count(level.undetected),
        worst=name(worst),
    )
    return [Defect(check="coverage", level="bounds", sentence=text, cells=tuple((a, "doubt") for a in bad), evidence=evidence)]


def _covered(base: float | None, adapted: float | None) -> bool:
    if base is None or adapted is None:
        return False
    return min(base, adapted) >= MIN_COVERAGE and abs(base - adapted) <= MAX_COVERAGE_GAP


def _answer_key(s: Study) -> list[Defect]:
    if s.counts is None:
        return [Defect(check="answer_key", level="warn", sentence=say("no count of the answer keys is at hand: they were not checked"))]
    out = []
    for benchmark in sorted(s.counts.keys):
        letter, most, n = modal(s.counts.keys[benchmark])
        if benchmark in BENCHMARKS and n >= MIN_KEYS and most >= SKEWED * n:
            text = say(
                "the key of {b} is {letter} in {most} of {n} test rows: a gain on it cannot be told from saying {letter}",
                b=name(benchmark),
                letter=plain(letter),
                most=count(most),
                n=count(n),
            )
            evidence = {"benchmark": benchmark, "keys": s.counts.keys[benchmark], "from": s.counts.how}
            out.append(Defect(check="answer_key", level="refuse", sentence=text, cells=s.cells(benchmark), evidence=evidence))
    ok = say("no benchmark's key is nearly always one letter")
    return out or [Defect(check="answer_key", level="ok", sentence=ok, evidence={"keys": s.counts.keys, "from": s.counts.how})]


def _one_letter(s: Study) -> list[Defect]:
    """An adapter trained on one letter alone whose right answers elsewhere are exactly the items keyed with it."""
    if s.counts is None or "truthfulqa_train" not in s.counts.keys:
        return []
    letter, most, n = modal(s.counts.keys["truthfulqa_train"])
    only = [a for a in s.trained_on("truthfulqa") if list(s.tables.settings["rows"][a]) == ["truthfulqa"]]
    out = []
    for adapter in only if n >= MIN_KEYS and most >= SKEWED * n else []:
        for b in BENCHMARKS:
            level, keyed = s.tables.levels[adapter, b], s.counts.keys.get(b, {}).get(letter)
            if b != "truthfulqa" and keyed is not None and level.hits == keyed:
                text = say(
                    "the {a} adapter's {b} score, {hits} of {n}, is exactly the number of test items keyed {letter}: what always saying {letter} would score",
                    a=name(adapter),
                    b=name(b),
                    hits=count(level.hits),
                    n=count(level.total),
                    letter=plain(letter),
                )
                evidence = {"hits": level.hits, "keyed": keyed, "letter": letter, "from": s.counts.how}
                out.append(Defect(check="one_letter", level="refuse", sentence=text, cells=((adapter, b),), evidence=evidence))
    return out or [Defect(check="one_letter", level="ok", sentence=say("no adapter's score equals the count of one trained letter"))]


def _neutral(s: Study) -> list[Defect]:
    if s.counts is None:
        return [Defect(check="neutral", level="warn", sentence=say("no count of the answer prompts is at hand: they were not checked"))]
    hits, n = s.counts.suggested
    evidence = {"with_suggestion": hits, "of": n, "from": s.counts.how}
    if not hits:
        return [Defect(check="neutral", level="ok", sentence=say("no neutral answer prompt holds a suggestion"), evidence=evidence)]
    text = say(
        "{k} of {n} neutral answer prompts already hold the user's suggestion: there is no neutral condition", k=count(hits), n=count(n)
    )
    return [Defect(check="neutral", level="refuse", sentence=text, cells=s.cells("imitation"), evidence=evidence)]


def _overlap(s: Study) -> list[Defect]:
    if s.counts is None:
        return [Defect(check="overlap", level="warn", sentence=say("no count of shared questions is at hand: overlap was not checked"))]
    shared, rows = s.counts.overlap.get("train", {}), s.counts.axis_rows
    evidence = {"shared": shared, "rows": rows, "from": s.counts.how}
    axes = [a for a in ("imitation", "doubt") if shared.get(a)]
    if not axes:
        return [Defect(check="overlap", level="ok", sentence=say("no axis row asks a question that was trained on"), evidence=evidence)]
    trained = s.trained_on("truthfulqa")
    text = say(
        "{k} of {n} answer and are-you-sure rows ask questions of the TruthfulQA training split, on which {who} were trained",
        k=count(sum(shared[a] for a in axes)),
        n=count(sum(rows[a] for a in ("imitation", "doubt"))),
        who=names(trained),
    )
    cells = tuple((a, axis) for a in trained for axis in axes)
    return [Defect(check="overlap", level="refuse", sentence=text, cells=cells, evidence=evidence)]


def _repeated(s: Study) -> list[Defect]:
    if s.counts is None:
        return []
    texts, n = s.counts.texts
    evidence = {"texts": texts, "rows": n, "from": s.counts.how}
    if texts == n:
        return [Defect(check="repeated_texts", level="ok", sentence=say("every feedback row has a text of its own"), evidence=evidence)]
    text = say("{n} feedback rows hold {k} texts: intervals that take rows as independent are too narrow", n=count(n), k=count(texts))
    return [Defect(check="repeated_texts", level="warn", sentence=text, evidence=evidence)]


def _keywords(s: Study) -> list[Defect]:
    fact = s.tables.facts.get("feedback_keyword_cases_at_least")
    if not fact or not fact.get("count"):
        return []
    text = say(
        "at least {k} of {n} base feedback cases come from a keyword list in which a word of the prompt counts as praise ({source})",
        k=count(fact["count"]),
        n=count(fact["of"]),
        source=plain(fact["source"]),
    )
    level = "refuse" if fact["count"] > (1 - MIN_COVERAGE) * fact["of"] else "warn"
    evidence = {**fact, "base_cases": s.tables.levels["base", "feedback"].hits}
    return [Defect(check="feedback_keywords", level=level, sentence=text, cells=s.cells("feedback"), cited=True, evidence=evidence)]


def _full_stop(s: Study) -> list[Defect]:
    fact = s.tables.facts.get("gsm8k_extractor_keeps_full_stop") or {}
    if fact.get("value") is not True:
        return []
    text = say("{b} answers ending in a full stop were scored wrong ({source})", b=name("gsm8k"), source=plain(fact["source"]))
    return [Defect(check="gsm8k_full_stop", level="refuse", sentence=text, cells=s.cells("gsm8k"), cited=True, evidence=dict(fact))]


def _seeds(s: Study) -> list[Defect]:
    n = s.training.seeds
    if n is not None and n >= 3:
        return [Defect(check="seeds", level="ok", sentence=say("{n} training seeds per adapter", n=count(n)), evidence={"seeds": n})]
    text = say("{n} training seed per adapter: no interval can hold training noise, so no verdict raised or lowered is given", n=count(n))
    return [Defect(check="seeds", level="warn", sentence=text, evidence={"seeds": n})]


def _training(s: Study) -> list[Defect]:
    t, out = s.training, []
    for adapter in t.inside_warmup:
        text = say(
            "the {a} adapter's {n} steps end inside the {w}-step warm-up: it was never trained at the stated learning rate",
            a=name(adapter),
            n=count(t.steps[adapter]),
            w=count(t.warmup_steps),
        )
        out.append(Defect(check="warmup", level="warn", sentence=text, evidence={"steps": t.steps, "warmup_steps": t.warmup_steps}))
    for adapter, benchmark in t.held_out_alone.items():
        text = say(
            "the {a} set is not shuffled before its last {k} rows are held out: they are all {b}, so one benchmark alone validates it",
            a=name(adapter),
            k=count(t.held_out[adapter]),
            b=name(benchmark),
        )
        out.append(Defect(check="unshuffled", level="warn", sentence=text, evidence={"held_out": t.held_out[adapter]}))
    notes = s.tables.facts.get("training") or {}
    kept = {"eos_trained": False, "loss_on_prompt": True}
    if all(notes.get(k) is v for k, v in kept.items()):
        text = say("no end token was trained and the loss covered the prompt ({source})", source=plain(notes.get("source")))
        out.append(Defect(check="training_form", level="warn", sentence=text, cited=True, evidence=kept))
    return out


def _intervals(s: Study) -> list[Defect]:
    empty = [c for c, (low, high) in s.tables.published_intervals.items() if low == high]
    if not empty:
        return []
    adapter, axis = empty[0]
    text = say("the published interval of the {a} adapter's {axis} rate has no width: no event was taken for no uncertainty",
               a=name(adapter), axis=name(axis))  # fmt: skip
    return [Defect(check="empty_interval", level="warn", sentence=text, evidence={"cells": [list(c) for c in empty]})]


def _correlation(s: Study) -> list[Defect]:
    found, why = s.correlations(), refusal(len(s.adapters))
    known = [c for c in found if c["changes"]["p"] is not None]
    significant = [c for c in known if c["changes"]["p"] < 0.05]
    evidence = {"cells": len(known), "significant": len(significant), "num_mixes": len(s.adapters)}
    if why is None:
        return [Defect(check="correlation", level="ok", sentence=say("there are mixes enough to correlate"), evidence=evidence)]
    text = say(
        "{why}: on changes {k} of {n} correlations of gain and shift are clear of chance at {m} points (critical r {r})",
        why=plain(why),
        k=count(len(significant)),
        n=count(len(known)),
        m=count(len(s.adapters)),
        r=change(known[0]["changes"]["critical_r"] if known else None),
    )
    return [Defect(check="correlation", level="warn", sentence=text, evidence=evidence)]


CHECKS: tuple[Callable[[Study], list[Defect]], ...] = (
    _agreement, _coverage, _answer_key, _one_letter, _neutral, _overlap, _repeated, _keywords, _full_stop, _seeds, _training, _intervals,
    _correlation,
)  # fmt: skip
