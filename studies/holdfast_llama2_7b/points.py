"""What must be said of the study, in nine points; each part recomputed from files, cited from its notes, or not findable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast_llama2_7b.counts import modal
from holdfast_llama2_7b.defects import MIN_KEYS, SKEWED
from holdfast_llama2_7b.misplaced import misplaced
from holdfast_llama2_7b.readers import HALF, mean_change
from holdfast_llama2_7b.study import Study
from holdfast_llama2_7b.tables import BENCHMARKS
from holdfast_llama2_7b.words import Sentence, change, count, name, names, plain, rate, say

RECOMPUTED, CITED, NOT_FINDABLE = "recomputed", "cited", "not findable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One statement, its status, and from what it was made."""

    status: str
    sentence: Sentence
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """`status` is the first part's: what the point rests on."""

    number: int
    title: str
    parts: tuple[Part, ...]

    @property
    def status(self) -> str:
        return self.parts[0].status


FILES, CLAIMS = "from the result files", "claims.yaml"


def points_of(study: Study) -> list[Point]:
    made = [
        ("are-you-sure doubt", _doubt),
        ("the answer key", _key),
        ("the average gain", _gain),
        ("the correlations", _correlations),
        ("trained-on questions", _overlap),
        ("neutral prompts and repeated texts", _prompts),
        ("feedback keywords", _keywords),
        ("the training", _training),
        ("the GSM8K parser", _full_stop),
    ]
    return [Point(number=i + 1, title=title, parts=tuple(part(study))) for i, (title, part) in enumerate(made)]


def _missing(what: str, how: str) -> Part:
    return Part(status=NOT_FINDABLE, sentence=say("{what}: neither a file nor the study's notes show it", what=plain(what)), how=how)


def _cite(study: Study, fact: str, make: Callable[[dict[str, Any]], Sentence]) -> Part:
    found = study.tables.facts.get(fact)
    if not isinstance(found, dict):
        return _missing(fact.replace("_", " "), CLAIMS)
    return Part(status=CITED, sentence=make(found), how=_noted(fact, found))


def _noted(fact: str, found: dict[str, Any]) -> str:
    return f"{CLAIMS}: {fact}" + (f", read in: {found['source']}" if "source" in found else "")


def _doubt(s: Study) -> list[Part]:
    (low0, high0), (low1, high1) = s.bounds("base", "doubt"), s.bounds("combined", "doubt")
    base, own = s.tables.levels["base", "doubt"], s.tables.levels["combined", "doubt"]
    if base.undetected is None or own.undetected is None:
        return [_missing("how many first answers could not be read", CLAIMS)]
    text = say(
        "doubt of {a} for the base and {b} for the combined adapter is known to lie in {low0}-{high0} and {low1}-{high1}: {u} and {v} of {n} first answers "
        "could not be read",
        a=rate(base.rate), b=rate(own.rate), low0=rate(low0), high0=rate(high0), low1=rate(low1), high1=rate(high1), u=count(base.undetected),
        v=count(own.undetected), n=count(base.total),
    )  # fmt: skip
    where = f"{FILES}; the base's unread answers from {CLAIMS}: base_unparsed, read in: {base.undetected_source}"
    return [Part(status=RECOMPUTED, sentence=text, how=where)]


def _key(s: Study) -> list[Part]:
    out = []
    if s.counts is None:
        out.append(_missing("the answer keys of the rows", "no rows and no shipped counts"))
    else:
        (letter, most, n), (_, train, m) = (modal(s.counts.keys[k]) for k in ("truthfulqa", "truthfulqa_train"))
        skewed = n >= MIN_KEYS and most >= SKEWED * n
        text = say(
            "{b}'s key is {letter} in {train} of {m} training and {most} of {n} test rows at hand"
            + ("; the {b} adapter's {x} there is the rate of saying {letter}" if skewed else ""),
            b=name("truthfulqa"), letter=plain(letter), train=count(train), m=count(m), most=count(most), n=count(n),
            x=rate(s.tables.levels["truthfulqa", "truthfulqa"].rate),
        )  # fmt: skip
        hits, keyed = s.tables.levels["truthfulqa", "mmlu"], s.counts.keys["mmlu"].get(letter, 0)
        same = say(
            "the {b} adapter's MMLU score is {hits} of {n}; {keyed} of those test items are keyed {letter}" + (": the same number" if hits.hits == keyed else ""),
            b=name("truthfulqa"), hits=count(hits.hits), n=count(hits.total), keyed=count(keyed), letter=plain(letter),
        )  # fmt: skip
        out += [Part(status=RECOMPUTED, sentence=t, how=s.counts.how) for t in (text, same)]
    original = lambda f: say(  # noqa: E731
        "the key is A in {k} of the {n} rows of the original training split", k=count(f["truthfulqa_key_A"]), n=count(f["truthfulqa_train"])
    )
    return [*out, _cite(s, "original_rows", original)]


def _gain(s: Study) -> list[Part]:
    rest = [b for b in BENCHMARKS if b != "truthfulqa"]
    text = say(
        "the combined adapter's mean gain {whole} holds {part} from {b}; without {b} it is {rest}",
        whole=change(mean_change(s, "combined", BENCHMARKS)), part=change(s.tables.change("combined", "truthfulqa") / len(BENCHMARKS)),
        b=name("truthfulqa"), rest=change(mean_change(s, "combined", rest)),
    )  # fmt: skip
    return [Part(status=RECOMPUTED, sentence=text, how=FILES)]


def _correlations(s: Study) -> list[Part]:
    found = s.correlations()
    matched = [
        c for c in found if c["published"] is not None and c["levels"]["r"] is not None and abs(c["published"] - c["levels"]["r"]) <= HALF
    ]
    turned = [c for c in found if None not in (c["levels"]["r"], c["changes"]["r"]) and c["levels"]["r"] * c["changes"]["r"] < 0]
    clear = [c for c in found if c["changes"]["p"] is not None and c["changes"]["p"] < 0.05]
    first = found[0]
    out = [
        Part(status=RECOMPUTED, how=f"{FILES} and correlation_analysis.csv", sentence=say(
            "{k} of {n} published correlations are those of levels with the base included, {m} points", k=count(len(matched)), n=count(len(found)),
            m=count(first["levels"]["n"]))),
        Part(status=RECOMPUTED, how=FILES, sentence=say(
            "on the changes of {m} adapters {k} of {n} have p below {alpha} (critical r {r})", m=count(first["changes"]["n"]), k=count(len(clear)),
            n=count(len(found)), alpha=plain(0.05), r=change(first["changes"]["critical_r"]))),
    ]  # fmt: skip
    out += [
        Part(status=RECOMPUTED, how=FILES, sentence=say(
            "{b} x {a} turns from {x} on levels to {y} on changes", b=name(c["benchmark"]), a=name(c["axis"]), x=change(c["levels"]["r"]),
            y=change(c["changes"]["r"])))
        for c in turned
    ]  # fmt: skip
    return [*out, *_misplaced(s)]


def _misplaced(s: Study) -> list[Part]:
    """Correlations of the prose (as the claims file has them) that stand in another cell of the study's table."""
    moved, swapped, quoted = misplaced(s.tables)
    if not quoted:
        return [_missing("correlations quoted in the study's prose", CLAIMS)]
    text = say(
        "of {n} correlations quoted in its prose {k} belong to other cells of its own table ({which})" + (", and {m} are exchanged with each other" if swapped else ""),
        n=count(quoted), k=count(len(moved)), m=count(len(swapped)), which=plain("; ".join(
            f"{name(b).text} x {name(a).text} is {change(own).text}, not {change(said).text}" for (b, a), said, own in moved)),
    )  # fmt: skip
    sentence = Sentence(
        text.text, {**text.values, "moved": [[*c, said, own] for c, said, own in moved], "swapped": [[*c] for c in swapped]}
    )
    return [Part(status=CITED, sentence=sentence, how=f"{CLAIMS}: claims, beside correlation_analysis.csv")]


def _overlap(s: Study) -> list[Part]:
    if s.counts is None:
        return [_missing("questions shared by training and axis rows", "no rows and no shipped counts")]
    train, rows = s.counts.overlap["train"], s.counts.axis_rows
    text = say(
        "{k} of {n} answer and are-you-sure rows ({a} and {b}) ask questions of the TruthfulQA training rows at hand",
        k=count(sum(train.values())), n=count(sum(rows[x] for x in train)), a=count(train["imitation"]), b=count(train["doubt"]),
    )  # fmt: skip
    original = lambda f: say(  # noqa: E731
        "{k} of them ask questions of the whole original training split and {m} of its test split", k=count(f["axis_rows_in_truthfulqa_train"]),
        m=count(f["axis_rows_in_truthfulqa_test"]),
    )  # fmt: skip
    return [Part(status=RECOMPUTED, sentence=text, how=s.counts.how), _cite(s, "original_rows", original)]


def _prompts(s: Study) -> list[Part]:
    if s.counts is None:
        return [_missing("suggestions in neutral prompts", "no rows and no shipped counts")]
    (hits, n), (texts, rows) = s.counts.suggested, s.counts.texts
    return [
        Part(status=RECOMPUTED, sentence=t, how=s.counts.how)
        for t in (
            say("{k} of {n} neutral answer prompts already hold the user's suggestion", k=count(hits), n=count(n)),
            say("{n} feedback rows hold {k} texts", n=count(rows), k=count(texts)),
        )
    ]


def _keywords(s: Study) -> list[Part]:
    base = s.tables.levels["base", "feedback"].hits
    make = lambda f: say(  # noqa: E731
        "at least {k} of {n} base feedback cases come from a keyword list in which the prompt's own word counts as praise; the tables have {m} base cases",
        k=count(f["count"]), n=count(f["of"]), m=count(base),
    )  # fmt: skip
    return [_cite(s, "feedback_keyword_cases_at_least", make)]


def _training(s: Study) -> list[Part]:
    t = s.training
    how = "from the settings: rows, held-out part, batch and epochs"
    same = t.stated and all(t.steps[a] == n for a, n in t.stated.items())
    out = []
    for adapter, benchmark in t.held_out_alone.items():
        text = say(
            "the unshuffled {a} set's last {k} rows, held out to validate it, are all {b}",
            a=name(adapter),
            k=count(t.held_out[adapter]),
            b=name(benchmark),
        )
        out.append(Part(status=RECOMPUTED, sentence=text, how=how))
    for adapter in t.inside_warmup:
        text = say("{a}'s {n} steps end inside the {w}-step warm-up", a=name(adapter), n=count(t.steps[adapter]), w=count(t.warmup_steps))
        out.append(Part(status=RECOMPUTED, sentence=text, how=how + ("; the notes state the same steps" if same else "")))
    if t.seeds is not None:
        out.append(
            Part(status=RECOMPUTED, sentence=say("{n} training seed", n=count(t.seeds)), how="one result file an adapter, and the notes")
        )
    if not out:
        out.append(Part(status=RECOMPUTED, sentence=say("steps, warm-up and order of the training sets show nothing amiss"), how=how))
    notes = s.tables.facts.get("training") or {}
    if "eos_trained" not in notes or "loss_on_prompt" not in notes:
        return [*out, _missing("whether an end token was trained and what the loss covered", CLAIMS)]
    text = say(
        "{end} end token was trained and the loss covered {part}", end=plain("an" if notes["eos_trained"] else "no"),
        part=plain("the prompt too" if notes["loss_on_prompt"] else "the answer alone"),
    )  # fmt: skip
    return [*out, Part(status=CITED, sentence=text, how=_noted("training", notes))]


def _full_stop(s: Study) -> list[Part]:
    fact = lambda f: say(  # noqa: E731
        "{b} answers ending in a full stop were scored {word}",
        b=name("gsm8k"),
        word=plain("wrong" if f.get("value") else "by their number"),
    )
    apart = [a for a in s.adapters if a not in s.trained_on("gsm8k")]
    gains = [s.tables.change(a, "gsm8k") for a in apart]
    text = say("adapters never trained on maths ({who}) gain {low} to {high} on {b}", who=names(apart), low=change(min(gains)), high=change(max(gains)),
               b=name("gsm8k"))  # fmt: skip
    return [_cite(s, "gsm8k_extractor_keeps_full_stop", fact), Part(status=RECOMPUTED, sentence=text, how=FILES)]
