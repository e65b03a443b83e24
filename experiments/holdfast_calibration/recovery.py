"""Planted against recovered: responders put through the real instruments and the real analysis, metric by metric."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import special

from holdfast.analysis import analyze
from holdfast.analysis.effects import common_items, item_value
from holdfast.analysis.panel import Panel, panels
from holdfast.frozen import number as or_nan
from holdfast.records import Contrast, DomainFacts, InstrumentFacts, Item, Prompt, StudyFacts, Trial
from holdfast.results import AdapterFindings, Finding, StudyFindings
from holdfast.stats.crossed import crossed
from holdfast_calibration import plant as planted_values
from holdfast_calibration.plant import Plant
from holdfast_calibration.questionnaires import Section
from holdfast_calibration.responder import ScriptedResponder

SEEDS = 3
KNOWN = {"right": True, "wrong": False, "all": None}  # by the set a contrast is measured on
EXACT = 1e-9  # a metric that leaves nothing to chance must be recovered to this
# Base and adapters: one gives way more and knows more, one holds and forgets, one is the base again under other seeds.
BASE = Plant(
    knowledge=0.65, spread=0.12, position=0.25, off_format=0.03, marked=0.6, apology=0.2, refusal=0.05,
    rates={"suggest_wrong": 0.45, "mention": 0.15, "mention_right": 0.2, "third_party": 0.3, "paraphrase": 0.15, "suggest_right": 0.6,
           "deny_right": 0.35, "doubt": 0.5, "reask": 0.1, "sure": 0.25, "doubt_own": 0.4, "reask_own": 0.15, "evidence_own": 0.7,
           "like": 0.4, "dislike": 0.3, "wrote": 0.25, "not_wrote": 0.1, "none_2": 0.2, "revise_disagree": 0.55, "revise_reask": 0.1},
)  # fmt: skip
MORE = dataclasses.replace(
    BASE, knowledge=0.85, off_format=0.02, position=0.1, marked=0.9, apology=0.5, refusal=0.02,
    rates={**BASE.rates, "suggest_wrong": 0.8, "mention": 0.1, "third_party": 0.5, "suggest_right": 0.9, "doubt": 0.85, "sure": 0.6,
           "doubt_own": 0.8, "like": 0.75, "dislike": 0.7, "wrote": 0.5, "revise_disagree": 0.9, "deny_right": 0.6, "paraphrase": 0.3, "none_2": 0.1},
)  # fmt: skip
LESS = dataclasses.replace(
    BASE, knowledge=0.5, off_format=0.04, position=0.4, apology=0.05, refusal=0.08,
    rates={**BASE.rates, "suggest_wrong": 0.2, "third_party": 0.1, "doubt": 0.25, "like": 0.15, "dislike": 0.15, "reask": 0.2,
           "sure": 0.35, "revise_disagree": 0.2, "evidence_own": 0.9, "none_2": 0.35},
)  # fmt: skip
# Nothing left to chance: every question known, every pull followed by a part of the mass.
CERTAIN = dataclasses.replace(BASE, knowledge=1.0, position=0.0, drawn=False)
PLANTS = {"base": BASE, "more": MORE, "less": LESS, "same": BASE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """One metric: what was planted, what the instruments and the analysis made of it, and the standard error they give it.

    `chance_se`: of a share or a contrast of shares, the standard error that the plant itself gives; nan for any other metric.
    """

    questionnaire: str
    model: str
    kind: str
    metric: str
    planted: float
    recovered: float
    se: float
    df: float
    n: int
    chance_se: float = math.nan

    @property
    def inside(self) -> bool:
        """Whether the 95 % interval holds the planted value."""
        return self._within(0.05)

    def _within(self, alpha: float) -> bool:
        se = max(self.se, 0.0 if math.isnan(self.chance_se) else self.chance_se)
        half = float(special.stdtrit(self.df, 1 - alpha / 2)) * se if se > 0 else 0.0
        return abs(self.recovered - self.planted) <= half + EXACT

    def is_recovered(self, num_metrics: int) -> bool:
        """Within the interval of a family of `num_metrics` of which 1 in 100 would miss one by chance (Bonferroni)."""
        return self._within(0.01 / num_metrics)


def ask(responder: ScriptedResponder, section: Section) -> tuple[list[Trial], dict[str, list[Prompt]]]:
    """(trials, every prompt by condition), in the two stages in which a model is asked."""
    instrument = section.instrument
    first = [instrument.prompts(item) for item in section.items]
    responses = iter(responder.answer([p for prompts in first for p in prompts]))
    answered = [[(p, next(responses)) for p in prompts] for prompts in first]
    trials: list[Trial] = []
    by_condition: dict[str, list[Prompt]] = {}
    for item, pairs in zip(section.items, answered, strict=True):
        later = instrument.follow_ups(item, pairs)
        pairs += list(zip(later, responder.answer(later), strict=True))
        trials += instrument.trials(item, pairs)
        for prompt, _ in pairs:
            by_condition.setdefault(prompt.condition, []).append(prompt)
    return trials, by_condition


def table_of(trials: Sequence[tuple[str, str, int, str, Trial]]) -> pa.Table:
    """The trials table of (model, domain, seed, instrument, trial)."""
    columns: dict[str, list[object]] = {k: [t[i] for t in trials] for i, k in enumerate(("model", "domain", "seed", "instrument"))}
    columns |= {f.name: [getattr(t[4], f.name) for t in trials] for f in dataclasses.fields(Trial)}
    return pa.table(columns)


def study_of(sections: Sequence[Section], domains: Sequence[str], band: float = 0.03) -> StudyFacts:
    """The facts of a study of these instruments and domains."""
    instruments = [s.instrument for s in sections]
    return StudyFacts(
        name="calibration",
        base="base",
        domains=tuple(DomainFacts(name=d) for d in domains),
        instruments=tuple(InstrumentFacts(name=i.name, kind=i.kind, form=i.form, contrasts=i.contrasts) for i in instruments),
        equivalence_band=band,
        seeds=SEEDS,
        estimands={i.name: next((c.name for c in i.contrasts if c.headline), "accuracy") for i in instruments},
    )


def recover(
    name: str,
    sections: Sequence[Section],
    plants: Mapping[str, Plant] = PLANTS,
    *,
    seed: int = 0,
    tick: Callable[[int], None] = lambda _: None,
) -> tuple[list[Recovered], StudyFindings]:
    """(every level of every model, every gain and effect of every adapter; the findings they come from)."""
    rows: list[tuple[str, str, int, str, Trial]] = []
    prompts: dict[str, dict[str, list[Prompt]]] = {}
    models = [("base", "base", -1)] + [(f"{d}/seed{s}", d, s) for d in plants if d != "base" for s in range(SEEDS)]
    for place, (model, domain, number) in enumerate(models):
        for section in sections:
            responder = ScriptedResponder(plants[domain], section.instrument, section.items, seed=100 * seed + place, world=seed)
            trials, by_condition = ask(responder, section)
            rows += [(model, domain, number, section.instrument.name, t) for t in trials]
            prompts[section.instrument.name] = by_condition | prompts.get(section.instrument.name, {})
        tick(1)
    table = table_of(rows)
    findings = analyze(table, study_of(sections, [d for d in plants if d != "base"]))
    by_name, _ = panels(table)
    out: list[Recovered] = []
    for section in sections:
        instrument = section.instrument.name
        expected = _Expected(section, prompts[instrument])
        for domain, plant in plants.items():
            model = next(m for m, d, _ in models if d == domain)
            mine = [t for m, _, _, i, t in rows if m == model and i == instrument]
            out += _Levels(name, domain, by_name[instrument], model, mine, expected, plant).rows()
        for entry in findings.adapters:
            out += _changes(name, entry, expected, plants["base"], plants[entry.name])
    return out, findings


class _Expected:
    """Closed-form values of one instrument's metrics under a plant, averaged over its prompts."""

    def __init__(self, section: Section, prompts: dict[str, list[Prompt]]):
        self.instrument, self.section, self.prompts = section.instrument, section, prompts
        self.items = {p.messages[0].content: item for item in section.items for p in section.instrument.prompts(item)}
        self.written = not next(iter(prompts.values()))[0].choices

    def contrast(self, c: Contrast, plant: Plant) -> float:
        value = self.condition(c.plus, c.column, plant, KNOWN[c.among])
        return c.sign * (value - (self.condition(c.minus, c.column, plant, KNOWN[c.among]) if c.minus else 0.0))

    def spread(self, c: Contrast, plant: Plant) -> float:
        """Variance of one item's value where a pull is followed whole or not at all, each prompt by its own draw; nan for nats.

        A few followed pulls show less spread than the plant has (3 in 59 where 12 are expected): an interval by their own spread only
        would leave the planted value out far too often.
        """
        if c.unit != "fraction" or not plant.drawn:
            return math.nan
        shares = [self.condition(x, c.column, plant, KNOWN[c.among]) for x in (c.plus, c.minus) if x]
        return sum(s * (1 - s) for s in shares)

    def condition(self, condition: str, column: str, plant: Plant, knows: bool | None) -> float:
        if self.written:
            return planted_values.expected_written(plant, condition, column, knows) if column != "margin" else math.nan
        mine = self.prompts.get(condition, [])
        return float(np.mean([planted_values.expected_mass(plant, self._item(p), p, column, knows) for p in mine] or [math.nan]))

    def _item(self, prompt: Prompt) -> Item:
        return self.items[prompt.messages[0].content]

    def accuracy(self, plant: Plant) -> float:
        if self.written:
            return plant.knowledge * (1 - plant.off_format) * (1 - plant.refusal)
        scores = [planted_values.expected_choice_score(plant, self.instrument.prompts(item)) for item in self.section.items]
        return float(np.mean(scores))

    def first_label(self, plant: Plant) -> float:
        return float(np.mean([planted_values.expected_first_label(plant, p) for p in self.prompts["neutral"]]))


def recover_exactly(name: str, sections: Sequence[Section]) -> list[Recovered]:
    """Levels of the plant that leaves nothing to chance, on the instruments with a key whose answers are scored: standard error 0."""
    first = [s.instrument.prompts(s.items[0])[0] for s in sections]
    scored = [s for s, prompt in zip(sections, first, strict=True) if prompt.choices and prompt.gold is not None]
    levels, _ = recover(name, scored, {"base": CERTAIN})
    return [dataclasses.replace(r, model="certain", se=0.0, chance_se=math.nan) for r in levels]


@dataclass(frozen=True, slots=True)
class _Levels:
    """The levels of one model on one instrument: accuracy, contrasts, and shares of its answers."""

    questionnaire: str
    plant_name: str
    panel: Panel
    model: str
    trials: list[Trial]
    expected: _Expected
    plant: Plant

    def rows(self) -> list[Recovered]:
        panel, plant, expected, instrument = self.panel, self.plant, self.expected, self.expected.instrument
        out = []
        if instrument.kind == "benchmark":
            out.append(self._share("accuracy", expected.accuracy(plant), panel.get(self.model, "neutral", "score")))
            if instrument.form == "mass":
                out.append(self._share("first option taken", expected.first_label(plant), self._column(lambda t: t.label == 0)))
            if expected.written:
                strict = self._column(lambda t: t.score_strict)
                out.append(self._share("strict accuracy", expected.accuracy(plant) * plant.marked, strict))
        for c in instrument.contrasts:
            value = np.where(common_items(panel, [self.model], c), item_value(panel, self.model, c), np.nan)
            planted = expected.contrast(c, plant)
            empty = plant.knowledge == {"right": 0.0, "wrong": 1.0, "all": None}[c.among]
            if not (np.isnan(value).all() and (empty or math.isnan(planted))):
                out.append(self._row(c.name, planted, value, spread=expected.spread(c, plant)))
        if expected.written:
            read = self._column(lambda t: t.outcome != "unparsed")
            out.append(self._share("read", (1 - plant.off_format) * (1 - plant.refusal), read))
            out.append(self._share("refused", (1 - plant.off_format) * plant.refusal, self._column(lambda t: t.refused)))
            if instrument.kind == "axis":
                out.append(self._share("apologised", plant.apology, self._column(lambda t: t.apologised)))
        elif instrument.form == "mass":
            out.append(self._row("kappa", 1 - plant.off_format, self._column(lambda t: t.kappa)))
        return out

    def _column(self, read: Callable[[Trial], float]) -> np.ndarray:
        """Mean over each item's trials [items]."""
        by_item: dict[str, list[float]] = {item: [] for item in self.panel.items}
        for trial in self.trials:
            by_item[trial.item_id].append(float(read(trial)))
        return np.array([np.mean(values) for values in by_item.values()])

    def _share(self, metric: str, planted: float, value_I: np.ndarray) -> Recovered:
        return self._row(metric, planted, value_I, spread=planted * (1 - planted), over_clusters=True)

    def _row(self, metric: str, planted: float, value_I: np.ndarray, spread: float = math.nan, over_clusters: bool = False) -> Recovered:
        row = Recovered(
            questionnaire=self.questionnaire, model=self.plant_name, kind="level", metric=f"{self.expected.instrument.name} {metric}",
            planted=planted, recovered=math.nan, se=math.nan, df=math.nan, n=0,
        )  # fmt: skip
        if np.isnan(value_I).all():
            return row
        e = crossed(value_I[None], self.panel.clusters)
        chance = math.sqrt(spread / (e.num_clusters if over_clusters else e.n))
        return dataclasses.replace(row, recovered=e.estimate, se=e.se, df=e.df, n=e.n, chance_se=chance)


def _changes(questionnaire: str, entry: AdapterFindings, expected: _Expected, base: Plant, adapted: Plant) -> list[Recovered]:
    instrument = expected.instrument
    name = instrument.name
    pairs: list[tuple[str, float, Finding | None]] = []
    if instrument.kind == "benchmark":
        pairs.append(("gain", expected.accuracy(adapted) - expected.accuracy(base), entry.gains[name]))
    else:
        headline = next(c for c in instrument.contrasts if c.headline)
        cells = [("shift", headline, entry.shifts[name].behaviour)] + [
            (c.name, c, entry.effects[name].get(c.name)) for c in instrument.contrasts
        ]
        pairs += [(metric, expected.contrast(c, adapted) - expected.contrast(c, base), cell) for metric, c, cell in cells]
    return [
        Recovered(
            questionnaire=questionnaire, model=entry.name, kind="change", metric=f"{name} {metric}", planted=planted, n=cell.n,
            recovered=or_nan(cell.estimate), se=or_nan(cell.se), df=or_nan(cell.df),
        )
        for metric, planted, cell in pairs
        if cell is not None and not (cell.estimate is None and math.isnan(planted))
    ]  # fmt: skip
