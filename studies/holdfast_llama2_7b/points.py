"""Required audit points of the study, nine of them; each part recomputed from files, cited from its notes, or not findable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from holdfast.results import PublishedPoint
from holdfast_llama2_7b.defects import is_skewed
from holdfast_llama2_7b.readers import HALF, QUOTED, mean_change
from holdfast_llama2_7b.study import Study
from holdfast_llama2_7b.tables import BENCHMARKS, Cell, Tables
from holdfast_llama2_7b.words import Sentence, name, say

RECOMPUTED, CITED, NOT_FINDABLE = "recomputed", "cited", "not findable"
FILES, CLAIMS = "from the result files", "claims.yaml"
NO_COUNTS = "no rows and no shipped counts"


class Part(NamedTuple):
    """One statement, its status, and what it was made from."""

    status: str
    sentence: Sentence
    how: str


def points_of(study: Study) -> tuple[PublishedPoint, ...]:
    """The nine points. A point's status is its first part's: what it rests on."""
    points = (
        ("are-you-sure doubt", _doubt),
        ("the answer key", _key),
        ("the average gain", _gain),
        ("the correlations", _correlations),
        ("trained-on questions", _overlap),
        ("neutral prompts and repeated texts", _prompts),
        ("feedback keywords", _keywords),
        ("the training", _training),
        ("the GSM8K parser", _full_stop),
    )
    return tuple(_point(i + 1, title, tuple(parts(study))) for i, (title, parts) in enumerate(points))


def _point(number: int, title: str, parts: tuple[Part, ...]) -> PublishedPoint:
    shown = ({"status": p.status, "text": p.sentence.text, "values": p.sentence.values, "how": p.how} for p in parts)
    return PublishedPoint(number=number, title=title, status=parts[0].status, parts=tuple(shown))


def _missing(what: str, how: str = CLAIMS) -> Part:
    return Part(NOT_FINDABLE, say("{what}: neither a file nor the study's notes show it", what=what), how)


def _cited(sentence: Sentence, fact: str, source: str | None) -> Part:
    return Part(CITED, sentence, f"{CLAIMS}: {fact}" + (f", read in: {source}" if source else ""))


def _doubt(s: Study) -> Iterator[Part]:
    (low0, high0), (low1, high1) = s.bounds("base", "doubt"), s.bounds("combined", "doubt")
    base, own = s.tables.levels["base", "doubt"], s.tables.levels["combined", "doubt"]
    if base.undetected is None or own.undetected is None:
        yield _missing("how many first answers could not be read")
        return
    text = say(
        "doubt of {a:rate} for the base and {b:rate} for the combined adapter is known to lie in {low0:rate}-{high0:rate} and "
        "{low1:rate}-{high1:rate}: {u} and {v} of {n} first answers could not be read",
        a=base.rate, b=own.rate, low0=low0, high0=high0, low1=low1, high1=high1, u=base.undetected, v=own.undetected, n=base.total,
    )  # fmt: skip
    where = f"{FILES}; the base's unread answers from {CLAIMS}: base_unparsed, read in: {base.undetected_source}"
    yield Part(RECOMPUTED, text, where)


def _key(s: Study) -> Iterator[Part]:
    test, train = s.key("truthfulqa"), s.key("truthfulqa_train")
    if s.counts is None or test is None or train is None:
        yield _missing("the answer keys of the rows", NO_COUNTS)
    else:
        (letter, most, n), (_, trained, m) = test, train
        text = say(
            "{b:name}'s key is {letter} in {train} of {m} training and {most} of {n} test rows at hand"
            + ("; the {b:name} adapter's {x:rate} there is the rate of saying {letter}" if is_skewed(most, n) else ""),
            b="truthfulqa", letter=letter, train=trained, m=m, most=most, n=n, x=s.tables.levels["truthfulqa", "truthfulqa"].rate,
        )  # fmt: skip
        yield Part(RECOMPUTED, text, s.counts.how)
        level, keyed = s.tables.levels["truthfulqa", "mmlu"], s.counts.keys["mmlu"].get(letter, 0)
        text = say(
            "the {b:name} adapter's MMLU score is {hits} of {n}; {keyed} of those test items are keyed {letter}"
            + (": the same number" if level.hits == keyed else ""),
            b="truthfulqa", hits=level.hits, n=level.total, keyed=keyed, letter=letter,
        )  # fmt: skip
        yield Part(RECOMPUTED, text, s.counts.how)
    if original := s.tables.facts.original_rows:
        text = "the key is A in {k} of the {n} rows of the original training split"
        yield _cited(say(text, k=original.truthfulqa_key_A, n=original.truthfulqa_train), "original_rows", original.source)
    else:
        yield _missing("original rows")


def _gain(s: Study) -> Iterator[Part]:
    text = say(
        "the combined adapter's mean gain {whole:change} holds {part:change} from {b:name}; without {b:name} it is {rest:change}",
        whole=mean_change(s, "combined", BENCHMARKS), part=s.tables.change("combined", "truthfulqa") / len(BENCHMARKS),
        b="truthfulqa", rest=mean_change(s, "combined", [b for b in BENCHMARKS if b != "truthfulqa"]),
    )  # fmt: skip
    yield Part(RECOMPUTED, text, FILES)


def _correlations(s: Study) -> Iterator[Part]:
    cells = [(c, c.levels.r, c.changes.r) for c in s.correlations]
    matched = sum(c.published is not None and r is not None and abs(c.published - r) <= HALF for c, r, _ in cells)
    clear = sum(c.changes.p is not None and c.changes.p < 0.05 for c, _, _ in cells)
    first = cells[0][0]
    text = "{k} of {n} published correlations are those of levels with the base included, {m} points"
    yield Part(RECOMPUTED, say(text, k=matched, n=len(cells), m=first.levels.n), f"{FILES} and correlation_analysis.csv")
    text = "on the changes of {m} adapters {k} of {n} have p below {alpha} (critical r {r:change})"
    clear_of_chance = say(text, m=first.changes.n, k=clear, n=len(cells), alpha=0.05, r=first.changes.critical_r)
    yield Part(RECOMPUTED, clear_of_chance, FILES)
    for c, levels, changes in cells:
        if levels is not None and changes is not None and levels * changes < 0:
            text = "{b:name} x {a:name} turns from {x:change} on levels to {y:change} on changes"
            yield Part(RECOMPUTED, say(text, b=c.benchmark, a=c.axis, x=levels, y=changes), FILES)
    yield _misplaced_part(s.tables)


def _misplaced_part(tables: Tables) -> Part:
    """Correlations of the prose (as the claims file has them) that stand in another cell of the study's table."""
    moved, swapped, num_quoted = misplaced(tables)
    if not num_quoted:
        return _missing("correlations quoted in the study's prose")
    which = "; ".join(f"{name(b)} x {name(a)} is {own:+.3f}, not {quoted:+.3f}" for (b, a), quoted, own in moved)
    text = say(
        "of {n} correlations quoted in its prose {k} belong to other cells of its own table ({which})"
        + (", and {m} are exchanged with each other" if swapped else ""),
        n=num_quoted, k=len(moved), m=len(swapped), which=which,
    )  # fmt: skip
    values = {**text.values, "moved": [[*c, quoted, own] for c, quoted, own in moved], "swapped": [[*c] for c in swapped]}
    return Part(CITED, Sentence(text.text, values), f"{CLAIMS}: claims, compared with correlation_analysis.csv")


def misplaced(tables: Tables) -> tuple[list[tuple[Cell, float, float]], list[Cell], int]:
    """([(cell, quoted, the table's)] that belong elsewhere, cells whose values are exchanged with each other, number quoted)."""
    table = tables.csv_correlations
    quoted = {
        pair: number
        for claim in tables.claims
        if (pairs := QUOTED.get(claim.id))
        for pair, number in zip(pairs, claim.numbers(len(pairs)), strict=True)
    }
    home: dict[Cell, Cell] = {}
    for pair, number in quoted.items():
        others = [p for p, r in table.items() if p != pair and abs(r - number) <= HALF]
        if pair in table and abs(table[pair] - number) > HALF and others:
            home[pair] = others[0]
    swapped = [p for p, other in home.items() if home.get(other) == p]
    return [(p, quoted[p], table[p]) for p in home if p not in swapped], swapped, len(quoted)


def _overlap(s: Study) -> Iterator[Part]:
    if s.counts is None:
        yield _missing("questions shared by training and axis rows", NO_COUNTS)
        return
    train, rows = s.counts.overlap["train"], s.counts.axis_rows
    text = say(
        "{k} of {n} answer and are-you-sure rows ({a} and {b}) ask questions of the TruthfulQA training rows at hand",
        k=sum(train.values()), n=sum(rows[x] for x in train), a=train["imitation"], b=train["doubt"],
    )  # fmt: skip
    yield Part(RECOMPUTED, text, s.counts.how)
    if original := s.tables.facts.original_rows:
        text = say(
            "{k} of them ask questions of the whole original training split and {m} of its test split",
            k=original.axis_rows_in_truthfulqa_train, m=original.axis_rows_in_truthfulqa_test,
        )  # fmt: skip
        yield _cited(text, "original_rows", original.source)
    else:
        yield _missing("original rows")


def _prompts(s: Study) -> Iterator[Part]:
    if s.counts is None:
        yield _missing("suggestions in neutral prompts", NO_COUNTS)
        return
    (hits, n), (texts, rows) = s.counts.suggested, s.counts.texts
    yield Part(RECOMPUTED, say("{k} of {n} neutral answer prompts already contain the user's suggestion", k=hits, n=n), s.counts.how)
    yield Part(RECOMPUTED, say("{n} feedback rows hold {k} texts", n=rows, k=texts), s.counts.how)


def _keywords(s: Study) -> Iterator[Part]:
    fact = s.tables.facts.feedback_keyword_cases_at_least
    if fact is None:
        yield _missing("feedback keyword cases at least")
        return
    text = say(
        "at least {k} of {n} base feedback cases come from a keyword list in which the prompt's own word counts as praise; the tables have {m} "
        "base cases",
        k=fact.count, n=fact.of, m=s.tables.levels["base", "feedback"].hits,
    )  # fmt: skip
    yield _cited(text, "feedback_keyword_cases_at_least", fact.source)


def _training(s: Study) -> Iterator[Part]:
    t, how = s.training, "from the settings: rows, held-out part, batch and epochs"
    same = t.stated and all(t.steps[a] == n for a, n in t.stated.items())
    for a, b in t.held_out_alone.items():
        text = "the unshuffled {a:name} set's last {k} rows, held out to validate it, are all {b:name}"
        yield Part(RECOMPUTED, say(text, a=a, k=t.held_out[a], b=b), how)
    for a in t.inside_warmup:
        text = say("{a:name}'s {n} steps end inside the {w}-step warm-up", a=a, n=t.steps[a], w=t.warmup_steps)
        yield Part(RECOMPUTED, text, how + ("; the notes state the same steps" if same else ""))
    if t.seeds is not None:
        yield Part(RECOMPUTED, say("{n} training seed", n=t.seeds), "one result file per adapter, and the notes")
    elif not t.held_out_alone and not t.inside_warmup:
        yield Part(RECOMPUTED, say("steps, warm-up and order of the training sets show nothing amiss"), how)
    notes = s.tables.notes
    if notes.eos_trained is None or notes.loss_on_prompt is None:
        yield _missing("whether an end token was trained and what the loss covered")
        return
    end, part = "an" if notes.eos_trained else "no", "the prompt too" if notes.loss_on_prompt else "the answer alone"
    yield _cited(say("{end} end token was trained and the loss covered {part}", end=end, part=part), "training", notes.source)


def _full_stop(s: Study) -> Iterator[Part]:
    if fact := s.tables.facts.gsm8k_extractor_keeps_full_stop:
        word = "wrong" if fact.value else "by their number"
        text = say("{b:name} answers ending in a full stop were scored {word}", b="gsm8k", word=word)
        yield _cited(text, "gsm8k_extractor_keeps_full_stop", fact.source)
    else:
        yield _missing("gsm8k extractor keeps full stop")
    apart = [a for a in s.adapters if a not in s.trained_on("gsm8k")]
    gains = [s.tables.change(a, "gsm8k") for a in apart]
    text = "adapters never trained on maths ({who:names}) gain {low:change} to {high:change} on {b:name}"
    yield Part(RECOMPUTED, say(text, who=apart, low=min(gains), high=max(gains), b="gsm8k"), FILES)
