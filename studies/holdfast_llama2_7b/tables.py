"""The published tables, read and checked against each other: every number that two files state is compared."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import DataError
from holdfast_llama2_7b.correlation import pearson
from holdfast_llama2_7b.inputs import (
    AdapterResults,
    AxisCell,
    BaseResults,
    BenchmarkCell,
    Claim,
    Counts,
    Facts,
    Model,
    Notes,
    Settings,
    TrainingNotes,
    read_record,
    read_text,
)  # fmt: skip

Cell = tuple[str, str]
Values = dict[Cell, float]
Row = Mapping[str, str]

NAME = "llama2-7b"
DATA = Path(__file__).parent / "data" / NAME
BENCHMARKS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag")
AXES = {"imitation": "answer", "feedback": "feedback", "doubt": "are_you_sure"}  # holdfast's name: the tables' name
INSTRUMENTS = (*BENCHMARKS, *AXES)
ROUNDING = {"score": 5.1e-5, "change": 1.01e-4, "correlation": 5e-4}  # the files keep four decimals of a score in places
_CSV_CHANGE = {"feedback": "feedback_sycophancy_change", "doubt": "are_you_sure_change", "imitation": "answer_change"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Hits of one model on one instrument. `undetected`: the file's count of replies its parser found nothing in."""

    hits: int
    total: int
    undetected: int | None = None
    undetected_source: str | None = None

    @property
    def rate(self) -> float:
        return self.hits / self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A number one file states and the same number computed from another."""

    where: str
    cell: Cell
    published: float
    recomputed: float
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The published study: counts by (model, instrument), its own csv changes and correlations, claims, facts, settings."""

    adapters: tuple[str, ...]
    levels: dict[Cell, Level]
    csv_changes: Values
    csv_levels: Values
    csv_correlations: Values
    published_intervals: dict[Cell, tuple[float, float]]
    compared: tuple[Comparison, ...]
    claims: tuple[Claim, ...]
    facts: Facts
    settings: Settings
    derived: Counts | None

    @property
    def notes(self) -> TrainingNotes:
        return self.facts.training or TrainingNotes()

    def change(self, adapter: str, instrument: str) -> float:
        """adapted - base, from the counts; a positive change of an axis: gives way more."""
        return self.levels[adapter, instrument].rate - self.levels["base", instrument].rate

    @property
    def disagreements(self) -> list[Comparison]:
        return [c for c in self.compared if not c.agrees]


def read_tables(folder: Path) -> Tables:
    """The study's folder. Raises DataError naming file and field for anything missing or malformed."""
    return _Reader(folder).tables()


class _Reader:
    def __init__(self, folder: Path):
        self.folder = folder
        self.rows = {r["adapter_name"]: r for r in self._csv("complete_results.csv", "adapter_name")}
        if "baseline" not in self.rows:
            raise DataError("complete_results.csv: adapter_name: no row 'baseline'; the base's levels are read from it")
        self.adapters = tuple(a for a in self.rows if a != "baseline")
        self.levels: dict[Cell, Level] = {}
        self.intervals: dict[Cell, tuple[float, float]] = {}
        self.compared: list[Comparison] = []

    def tables(self) -> Tables:
        notes = read_record(Notes, self.folder / "claims.yaml")
        settings = read_record(Settings, self.folder / "settings.yaml")
        self._read_base(notes.facts_not_in_the_tables)
        results = {r.adapter_name: r for r in self._records(AdapterResults, "post_fine_tuning")}
        if missing := [a for a in self.adapters if a not in results]:
            raise DataError(f"post_fine_tuning: no result file of adapter {missing[0]!r}, which complete_results.csv lists")
        for adapter in self.adapters:
            self._read_adapter(adapter, results[adapter])
        csv_levels, csv_changes = self._csv_levels(), self._csv_changes()
        derived = self.folder / "derived.json"
        return Tables(
            adapters=self.adapters,
            levels=self.levels,
            csv_changes=csv_changes,
            csv_levels=csv_levels,
            csv_correlations=self._csv_correlations(csv_levels),
            published_intervals=self.intervals,
            compared=tuple(self.compared),
            claims=notes.claims,
            facts=notes.facts_not_in_the_tables,
            settings=settings,
            derived=read_record(Counts, derived) if derived.is_file() else None,
        )

    def _records(self, model: type[Model], part: str) -> list[Model]:
        return [read_record(model, p) for p in sorted((self.folder / part).glob("*.json"))]

    def _read_base(self, facts: Facts) -> None:
        """The base's counts: benchmarks from the pre-tuning files (accuracy times items), axes from complete_results.csv."""
        for found in self._records(BaseResults, "pre_fine_tuning"):
            for b, accuracy in found.scores.items():
                if b not in found.test_samples:
                    raise DataError(f"pre_fine_tuning: test_samples.{b}: missing: the number of items must be known")
                total = found.test_samples[b]
                hits = accuracy * total
                if abs(hits - round(hits)) > 1e-6 * total:
                    raise DataError(f"pre_fine_tuning: scores.{b}: {accuracy}: is not a number of right answers out of {total}")
                self.levels["base", b] = _level(f"pre_fine_tuning: scores.{b}", round(hits), total)
        if lacking := [b for b in BENCHMARKS if ("base", b) not in self.levels]:
            raise DataError(f"pre_fine_tuning: no score of {lacking[0]}; the base's accuracy is read from there")
        row, unparsed = self.rows["baseline"], facts.base_unparsed
        total = _count(row.get("total_examples"), "complete_results.csv: baseline: total_examples")
        for axis, theirs in AXES.items():
            hits = _count(row.get(f"{theirs}_sycophantic"), f"complete_results.csv: baseline: {theirs}_sycophantic")
            undetected = source = None
            if unparsed:
                by_axis = {
                    "doubt": unparsed.are_you_sure_first_answer,
                    "feedback": unparsed.feedback_no_fallacy_found,
                    "imitation": unparsed.answer_neither,
                }
                undetected, source = by_axis[axis], unparsed.source
            self.levels["base", axis] = _level(f"complete_results.csv: baseline: {theirs}", hits, total, undetected, source, axis)

    def _read_adapter(self, adapter: str, results: AdapterResults) -> None:
        where = f"post_fine_tuning, {adapter}"
        for b in BENCHMARKS:
            cell: BenchmarkCell = getattr(results.benchmarks, b)
            level = self.levels[adapter, b] = _level(f"{where}: {b}", cell.correct, cell.total)
            self._compare(f"{where}: accuracy", (adapter, b), cell.accuracy, level.rate, "score")
        for axis, theirs in AXES.items():
            mine: AxisCell = getattr(results.sycophancy, theirs)
            source = f"{where}: edge_cases.no_detection"
            level = _level(f"{where}: {theirs}", mine.sycophantic, mine.total, mine.edge_cases.no_detection, source, axis)
            self.levels[adapter, axis] = level
            self._compare(f"{where}: score", (adapter, axis), mine.score, level.rate, "score")
            if mine.confidence_interval:
                self.intervals[adapter, axis] = mine.confidence_interval

    def _csv_levels(self) -> Values:
        out = {}
        for model in ("base", *self.adapters):
            row = self.rows["baseline" if model == "base" else model]
            for name in INSTRUMENTS:
                column = f"{AXES[name]}_score" if name in AXES else name
                level = self.levels[model, name]
                out[model, name] = self._compare(f"complete_results.csv: {column}", (model, name), row.get(column), level.rate, "score")
                if name in AXES:
                    column = f"{AXES[name]}_sycophantic"
                    self._compare(f"complete_results.csv: {column}", (model, name), row.get(column), level.hits)
            mean = sum(self.levels[model, a].rate for a in AXES) / len(AXES)
            stated = row.get("total_sycophancy_score")
            self._compare("complete_results.csv: total_sycophancy_score", (model, "mean"), stated, mean, "change")
        return out

    def _csv_changes(self) -> Values:
        other = {r["adapter_name"]: r for r in self._csv("performance_changes.csv", "adapter_name")}
        if lacking := [a for a in self.adapters if a not in other]:
            raise DataError(f"performance_changes.csv: adapter_name: no row {lacking[0]!r}, which complete_results.csv lists")
        out = {}
        for adapter in self.adapters:
            for name in INSTRUMENTS:
                column = _CSV_CHANGE.get(name, f"{name}_change")
                ours = self.levels[adapter, name].rate - self.levels["base", name].rate
                for file, row in (("complete_results.csv", self.rows[adapter]), ("performance_changes.csv", other[adapter])):
                    out[adapter, name] = self._compare(f"{file}: {column}", (adapter, name), row.get(column), ours, "change")
        return out

    def _csv_correlations(self, levels: Values) -> Values:
        out, ours = {}, {theirs: axis for axis, theirs in AXES.items()}
        models = ("base", *self.adapters)
        for row in self._csv("correlation_analysis.csv", "benchmark"):
            b, axis = row["benchmark"], ours.get(row.get("sycophancy_dataset", ""))
            if b not in BENCHMARKS or axis is None:
                raise DataError(f"correlation_analysis.csv: {b} x {row.get('sycophancy_dataset')}: no such benchmark and axis")
            r = pearson([levels[m, b] for m in models], [levels[m, axis] for m in models])
            where = "correlation_analysis.csv: levels with the base"
            out[b, axis] = self._compare(where, (b, axis), row.get("correlation"), r, "correlation")
        return out

    def _compare(self, where: str, cell: Cell, stated: float | str | None, recomputed: float, kind: str | None = None) -> float:
        """Keep the comparison of a stated number with the recomputed one; returns the stated number."""
        published, ours = _number(stated, f"{where}, {cell[0]}, {cell[1]}"), float(recomputed)
        agrees = abs(published - ours) <= (ROUNDING[kind] if kind else 0.0)
        self.compared.append(Comparison(where=where, cell=cell, published=published, recomputed=ours, agrees=agrees))
        return published

    def _csv(self, file: str, column: str) -> list[Row]:
        rows: list[Row] = list(csv.DictReader(io.StringIO(read_text(self.folder / file), newline="")))
        if not rows or any(not r.get(column) for r in rows):
            raise DataError(f"{file}: {column}: must be named in every row")
        return rows


def _level(where: str, hits: int, total: int, undetected: int | None = None, source: str | None = None, axis: str | None = None) -> Level:
    """Only an are-you-sure reply that was read can be a hit; on the other axes the two counts answer different questions."""
    if not 0 < total or hits > total or (undetected or 0) > total or (axis == "doubt" and hits + (undetected or 0) > total):
        raise DataError(f"{where}: {hits} hits and {undetected or 0} unread of {total}: cannot be counts of one set of items")
    return Level(hits=hits, total=total, undetected=undetected, undetected_source=source if undetected is not None else None)


def _number(value: float | str | None, where: str) -> float:
    try:
        number = math.nan if value is None else float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {value!r}: must be a number")
    return number


def _count(value: float | str | None, where: str) -> int:
    number = _number(value, where)
    if number < 0 or number != int(number):
        raise DataError(f"{where}: {value!r}: must be a whole number, 0 or more")
    return int(number)
