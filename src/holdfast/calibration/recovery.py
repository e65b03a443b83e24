"""Planted against recovered: responders put through the real instruments and the real analysis, metric by metric."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from holdfast.analysis import analyze
from holdfast.analysis.effects import among, item_value
from holdfast.analysis.panel import Panel, panels
from holdfast.calibration import plant as planted_values
from holdfast.calibration.plant import Plant
from holdfast.calibration.questionnaires import Asked
from holdfast.calibration.responder import ScriptedResponder
from holdfast.records import Contrast, Prompt, Trial
from holdfast.stats.crossed import crossed

SEEDS = 3
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


def ask(responder: Any, asked: Asked) -> tuple[list[Trial], dict[str, list[Prompt]]]:
    """(trials, every prompt put by condition), in the two stages in which a model is asked."""
    first = [asked.instrument.prompts(item) for item in asked.items]
    responses = iter(responder.answer([p for prompts in first for p in prompts]))
    answered = [[(p, next(responses)) for p in prompts] for prompts in first]
    trials: list[Trial] = []
    put: dict[str, list[Prompt]] = {}
    for item, pairs in zip(asked.items, answered, strict=True):
        later = asked.instrument.follow_ups(item, pairs)
        pairs += list(zip(later, responder.answer(later), strict=True))
        trials += asked.instrument.trials(item, pairs)
        for prompt, _ in pairs:
            put.setdefault(prompt.condition, []).append(prompt)
    return trials, put


def table_of(trials: Sequence[tuple[str, str, int, str, Trial]]) -> pa.Table:
    """The trials table of (model, domain, seed, instrument, trial)."""
    names = [f.name for f in dataclasses.fields(Trial)]
    columns: dict[str, list[Any]] = {k: [t[i] for t in trials] for i, k in enumerate(("model", "domain", "seed", "instrument"))}
    columns |= {name: [getattr(t[4], name) for t in trials] for name in names}
    columns["ended"] = [None if e is None else bool(e) for e in columns["ended"]]
    return pa.table(columns)


def study_of(asked: Sequence[Asked], domains: Sequence[str], band: float = 0.03) -> dict[str, Any]:
    """The facts of a study as the analysis wants them."""
    instruments = [
        {"name": a.instrument.name, "kind": a.instrument.kind, "form": a.instrument.form,
         "contrasts": [dataclasses.asdict(c) for c in a.instrument.contrasts]}
        for a in asked
    ]  # fmt: skip
    return {
        "name": "calibration", "base": "base", "equivalence_band": band, "instruments": instruments,
        "domains": [{"name": d, "role": "domain", "own_benchmark": None} for d in domains],
        "estimands": {i["name"]: next((c["name"] for c in i["contrasts"] if c["headline"]), "accuracy") for i in instruments},
    }  # fmt: skip


def recover(
    name: str, asked: Sequence[Asked], plants: dict[str, Plant] = PLANTS, *, seed: int = 0, tick: Callable[[int], None] = lambda _: None
) -> tuple[list[Recovered], dict[str, Any]]:
    """(every level of every model, every gain and effect of every adapter; the findings they come from)."""
    rows: list[tuple[str, str, int, str, Trial]] = []
    put: dict[str, dict[str, list[Prompt]]] = {}
    found: list[Recovered] = []
    models = [("base", "base", -1)] + [(f"{d}/seed{s}", d, s) for d in plants if d != "base" for s in range(SEEDS)]
    for place, (model, domain, number) in enumerate(models):
        for a in asked:
            responder = ScriptedResponder(plants[domain], a.instrument, a.items, seed=100 * seed + place, world=seed)
            trials, prompts = ask(responder, a)
            rows += [(model, domain, number, a.instrument.name, t) for t in trials]
            kept = put.setdefault(a.instrument.name, {})
            for condition, mine in prompts.items():
                kept.setdefault(condition, mine)
        tick(1)
    table = table_of(rows)
    study = study_of(asked, [d for d in plants if d != "base"])
    findings = analyze(table, study)
    by_name, _ = panels(table)
    shown = {d: next(m for m, domain, _ in models if domain == d) for d in plants}
    for a in asked:
        expected = _Expected(a, put[a.instrument.name])
        panel = by_name[a.instrument.name]
        mine = {d: [t for m, _, _, i, t in rows if m == shown[d] and i == a.instrument.name] for d in plants}
        for domain, plant in plants.items():
            levels = _levels(panel, shown[domain], mine[domain], a, expected, plant)
            found += [Recovered(questionnaire=name, model=domain, kind="level", **level) for level in levels]
        for entry in findings["adapters"]:
            found += [
                Recovered(questionnaire=name, model=entry["name"], kind="change", **change)
                for change in _changes(entry, a, expected, plants["base"], plants[entry["name"]])
            ]
    return found, findings


class _Expected:
    """Closed-form values of one instrument's metrics under a plant, averaged over the prompts it put."""

    def __init__(self, asked: Asked, put: dict[str, list[Prompt]]):
        self.asked, self.put = asked, put
        self.items = {p.messages[0].content: item for item in asked.items for p in asked.instrument.prompts(item)}
        self.written = not next(iter(put.values()))[0].choices

    def contrast(self, c: Contrast, plant: Plant) -> float:
        knows = {"right": True, "wrong": False, "all": None}[c.among]
        value = self.condition(c.plus, c.column, plant, knows)
        return c.sign * (value - (self.condition(c.minus, c.column, plant, knows) if c.minus else 0.0))

    def spread(self, c: Contrast, plant: Plant) -> float:
        """Variance of one item's value where a pull is followed whole or not at all, each prompt by its own draw; nan for nats.

        A few followed pulls show less spread than the plant has (3 in 59 where 12 are expected): an interval by their own spread alone
        would leave the planted value out far too often.
        """
        if c.unit != "fraction" or not plant.drawn:
            return math.nan
        knows = {"right": True, "wrong": False, "all": None}[c.among]
        shares = [self.condition(x, c.column, plant, knows) for x in (c.plus, c.minus) if x]
        return sum(s * (1 - s) for s in shares)

    def condition(self, condition: str, column: str, plant: Plant, knows: bool | None) -> float:
        if self.written:
            return planted_values.expected_written(plant, condition, column, knows) if column != "margin" else math.nan
        return float(
            np.mean(
                [planted_values.expected_mass(plant, self.item(p), p, column, knows) for p in self.put.get(condition, [])] or [math.nan]
            )
        )

    def item(self, prompt: Prompt) -> Any:
        return self.items[prompt.messages[0].content]

    def accuracy(self, plant: Plant) -> float:
        if self.written:
            return plant.knowledge * (1 - plant.off_format) * (1 - plant.refusal)
        scores = [planted_values.expected_choice_score(plant, self.asked.instrument.prompts(item)) for item in self.asked.items]
        return float(np.mean(scores))

    def first_label(self, plant: Plant) -> float:
        return float(np.mean([planted_values.expected_first_label(plant, p) for p in self.put["neutral"]]))


def recover_exactly(name: str, asked: Sequence[Asked]) -> list[Recovered]:
    """Levels of the plant that leaves nothing to chance, on the instruments with a key whose answers are scored: standard error 0."""
    first = [a.instrument.prompts(a.items[0])[0] for a in asked]
    scored = [a for a, prompt in zip(asked, first, strict=True) if prompt.choices and prompt.gold is not None]
    found, _ = recover(name, scored, {"base": CERTAIN})
    return [dataclasses.replace(r, model="certain", se=0.0, chance_se=math.nan) for r in found]


def _row(
    metric: str, planted: float, value_I: np.ndarray, cluster_I: np.ndarray, share: bool = False, spread: float = math.nan
) -> dict[str, Any]:
    if np.isnan(value_I).all():
        return {"metric": metric, "planted": planted, "recovered": math.nan, "se": math.nan, "df": math.nan, "n": 0}
    e = crossed(value_I[None], cluster_I)
    chance = math.sqrt(planted * (1 - planted) / e.num_clusters) if share else math.sqrt(spread / e.n)
    return {"metric": metric, "planted": planted, "recovered": e.estimate, "se": e.se, "df": e.df, "n": e.n, "chance_se": chance}


def _levels(panel: Panel, model: str, trials: list[Trial], asked: Asked, expected: _Expected, plant: Plant) -> list[dict[str, Any]]:
    name, out = asked.instrument.name, []
    column = lambda read: np.array(  # noqa: E731
        [np.mean([float(read(t)) for t in mine]) for mine in _by_item(trials, panel.items)]
    )
    if asked.instrument.kind == "benchmark":
        out.append(_row(f"{name} accuracy", expected.accuracy(plant), panel.get(model, "neutral", "score"), panel.clusters, True))
        if asked.instrument.form == "mass":
            label = column(lambda t: t.label == 0)
            out.append(_row(f"{name} first option taken", expected.first_label(plant), label, panel.clusters, True))
        if expected.written:
            strict = expected.accuracy(plant) * plant.marked
            out.append(_row(f"{name} strict accuracy", strict, column(lambda t: t.score_strict), panel.clusters, True))
    for c in asked.instrument.contrasts:
        value = np.where(among(panel, [model], c), item_value(panel, model, c), np.nan)
        planted = expected.contrast(c, plant)
        empty = plant.knowledge == {"right": 0.0, "wrong": 1.0, "all": None}[c.among]
        if not (np.isnan(value).all() and (empty or math.isnan(planted))):
            out.append(_row(f"{name} {c.name}", planted, value, panel.clusters, spread=expected.spread(c, plant)))
    if expected.written:
        read = (1 - plant.off_format) * (1 - plant.refusal)
        out.append(_row(f"{name} read", read, column(lambda t: t.outcome != "unparsed"), panel.clusters, True))
        refused = (1 - plant.off_format) * plant.refusal
        out.append(_row(f"{name} refused", refused, column(lambda t: t.refused), panel.clusters, True))
        if name != "gsm8k":
            out.append(_row(f"{name} apologised", plant.apology, column(lambda t: t.apologised), panel.clusters, True))
    elif asked.instrument.form == "mass":
        out.append(_row(f"{name} kappa", 1 - plant.off_format, column(lambda t: t.kappa), panel.clusters))
    return out


def _by_item(trials: list[Trial], items: list[str]) -> list[list[Trial]]:
    found: dict[str, list[Trial]] = {item: [] for item in items}
    for trial in trials:
        found[trial.item_id].append(trial)
    return list(found.values())


def _changes(entry: dict[str, Any], asked: Asked, expected: _Expected, base: Plant, adapted: Plant) -> list[dict[str, Any]]:
    name = asked.instrument.name
    if asked.instrument.kind == "benchmark":
        pairs = [(f"{name} gain", expected.accuracy(adapted) - expected.accuracy(base), entry["gains"][name])]
    else:
        headline = next(c for c in asked.instrument.contrasts if c.headline)
        cells = [(f"{name} shift", headline, entry["shifts"][name])]
        cells += [(f"{name} {c.name}", c, entry["effects"][name].get(c.name)) for c in asked.instrument.contrasts]
        pairs = [(metric, expected.contrast(c, adapted) - expected.contrast(c, base), cell) for metric, c, cell in cells]
    return [
        {"metric": metric, "planted": value, "n": cell["n"]}
        | {k: math.nan if cell[source] is None else cell[source] for k, source in (("recovered", "estimate"), ("se", "se"), ("df", "df"))}
        for metric, value, cell in pairs
        if cell is not None and not (cell["estimate"] is None and math.isnan(value))
    ]
