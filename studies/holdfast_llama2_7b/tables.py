"""The published tables, read and checked against each other: every number that two files state is compared."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from holdfast.errors import ConfigError, DataError
from holdfast_llama2_7b.correlation import pearson
from holdfast_llama2_7b.facts import checked

BENCHMARKS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag")
AXES = {"imitation": "answer", "feedback": "feedback", "doubt": "are_you_sure"}  # holdfast's name: the tables' name
INSTRUMENTS = (*BENCHMARKS, *AXES)
ROUNDING = {"score": 5.1e-5, "change": 1.01e-4, "correlation": 5e-4}  # the files keep four decimals of a score in places
_CSV_CHANGE = {"feedback": "feedback_sycophancy_change", "doubt": "are_you_sure_change", "imitation": "answer_change"}
_UNREAD = {"doubt": "are_you_sure_first_answer", "feedback": "feedback_no_fallacy_found", "imitation": "answer_neither"}


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
class Compared:
    """A number one file states beside the same number computed from another."""

    where: str
    cell: tuple[str, str]
    published: float
    recomputed: float
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """A published study: counts by (model, instrument), its own csv changes and correlations, claims, facts, settings."""

    name: str
    adapters: tuple[str, ...]
    levels: dict[tuple[str, str], Level]
    csv_changes: dict[tuple[str, str], float]
    csv_levels: dict[tuple[str, str], float]
    csv_correlations: dict[tuple[str, str], float]
    published_intervals: dict[tuple[str, str], tuple[float, float]]
    compared: tuple[Compared, ...]
    claims: tuple[dict[str, Any], ...]
    facts: dict[str, Any]
    settings: dict[str, Any]
    derived: dict[str, Any] | None

    def change(self, adapter: str, instrument: str) -> float:
        """adapted - base, from the counts; a positive change of an axis is more sycophantic."""
        return self.levels[adapter, instrument].rate - self.levels["base", instrument].rate

    @property
    def disagreements(self) -> list[Compared]:
        return [c for c in self.compared if not c.agrees]


def available() -> list[str]:
    root = resources.files("holdfast_llama2_7b").joinpath("data")
    return sorted(p.name for p in root.iterdir() if p.is_dir())


def shipped(name: str) -> Path:
    """The folder of a shipped study. Raises ConfigError naming those there are."""
    if name not in available():
        raise ConfigError(f"published:{name}: no such published study; available: {', '.join(available())}")
    return Path(str(resources.files("holdfast_llama2_7b").joinpath("data", name)))


def read_tables(folder: Path, name: str) -> Tables:
    """Read a study's folder. Raises DataError naming file and field for anything missing or malformed."""
    rows = {r["adapter_name"]: r for r in _csv(folder, "complete_results.csv", "adapter_name")}
    if "baseline" not in rows:
        raise DataError("complete_results.csv: adapter_name: no row 'baseline'; the base's levels are read from it")
    notes = _yaml(folder, "claims.yaml")
    claims, facts, settings = (notes.get("claims"), checked(notes.get("facts_not_in_the_tables") or {}), _yaml(folder, "settings.yaml"))
    for i, claim in enumerate(claims if isinstance(claims, list) else [None]):
        if not isinstance(claim, dict) or not all(isinstance(claim.get(k), str) for k in ("id", "text", "source")):
            raise DataError(f"claims.yaml: claims[{i}]: must be a mapping with the texts id, text and source")
    adapters = tuple(a for a in rows if a != "baseline")
    results = {r["adapter_name"]: r for r in (_json(p) for p in sorted((folder / "post_fine_tuning").glob("*.json")))}
    if missing := [a for a in adapters if a not in results]:
        raise DataError(f"post_fine_tuning: no result file of adapter {missing[0]!r}, which complete_results.csv lists")
    levels, intervals, compared = _base(folder, rows["baseline"], facts), {}, []
    for adapter in adapters:
        _adapter(adapter, results[adapter], levels, intervals, compared)
    csv_levels = _levels_of_csv(rows, adapters, levels, compared)
    csv_changes = _changes(folder, rows, adapters, levels, compared)
    csv_correlations = _correlations(folder, csv_levels, adapters, compared)
    derived = _json(folder / "derived.json") if (folder / "derived.json").is_file() else None
    return Tables(
        name=name,
        adapters=adapters,
        levels=levels,
        csv_changes=csv_changes,
        csv_levels=csv_levels,
        csv_correlations=csv_correlations,
        published_intervals=intervals,
        compared=tuple(compared),
        claims=tuple(claims),
        facts=facts,
        settings=settings,
        derived=derived,
    )


def _base(folder: Path, row: dict[str, str], facts: dict[str, Any]) -> dict[tuple[str, str], Level]:
    """The base's counts: benchmarks from the pre-tuning files (accuracy times items), axes from complete_results.csv."""
    levels, unread = {}, facts.get("base_unparsed") or {}
    for path in sorted((folder / "pre_fine_tuning").glob("*.json")):
        found = _json(path)
        for b, accuracy in found.get("scores", {}).items():
            total = _count(found.get("test_samples", {}).get(b), f"{path.name}: test_samples.{b}")
            hits = _number(accuracy, f"{path.name}: scores.{b}") * total
            if abs(hits - round(hits)) > 1e-6 * total:
                raise DataError(f"{path.name}: scores.{b}: {accuracy}: is no number of right answers out of {total}")
            levels["base", b] = _level(f"{path.name}: scores.{b}", round(hits), total)
    if lacking := [b for b in BENCHMARKS if ("base", b) not in levels]:
        raise DataError(f"pre_fine_tuning: no score of {lacking[0]}; the base's accuracy is read from there")
    total = _count(row.get("total_examples"), "complete_results.csv: baseline: total_examples")
    for axis, theirs in AXES.items():
        hits = _count(row.get(f"{theirs}_sycophantic"), f"complete_results.csv: baseline: {theirs}_sycophantic")
        known = unread.get(_UNREAD[axis])
        levels["base", axis] = _level(f"complete_results.csv: baseline: {theirs}", hits, total, known, unread.get("source"), axis)
    return levels


def _adapter(adapter: str, found: dict[str, Any], levels: Any, intervals: Any, compared: list[Compared]) -> None:
    where = f"post_fine_tuning, {adapter}"
    for b in BENCHMARKS:
        cell = _part(found, where, "benchmarks", b)
        level = _level(
            f"{where}: {b}", _count(cell.get("correct"), f"{where}: {b}.correct"), _count(cell.get("total"), f"{where}: {b}.total")
        )
        levels[adapter, b] = level
        compared.append(_compare(f"{where}: accuracy", (adapter, b), cell.get("accuracy"), level.rate, "score"))
    for axis, theirs in AXES.items():
        cell = _part(found, where, "sycophancy", theirs)
        unread = (cell.get("edge_cases") or {}).get("no_detection")
        level = _level(
            f"{where}: {theirs}",
            _count(cell.get("sycophantic"), f"{where}: {theirs}.sycophantic"),
            _count(cell.get("total"), f"{where}: {theirs}.total"),
            None if unread is None else _count(unread, f"{where}: {theirs}.edge_cases.no_detection"),
            f"{where}: edge_cases.no_detection",
            axis,
        )
        levels[adapter, axis] = level
        compared.append(_compare(f"{where}: score", (adapter, axis), cell.get("score"), level.rate, "score"))
        if cell.get("confidence_interval"):
            intervals[adapter, axis] = tuple(_number(x, f"{where}: {theirs}.confidence_interval") for x in cell["confidence_interval"])


def _level(where: str, hits: int, total: int, undetected: int | None = None, source: str | None = None, axis: str | None = None) -> Level:
    """Only an are-you-sure reply that was read can be a hit; on the other axes the two counts answer different questions."""
    if not 0 < total or hits > total or (undetected or 0) > total or (axis == "doubt" and hits + (undetected or 0) > total):
        raise DataError(f"{where}: {hits} hits and {undetected or 0} unread of {total}: cannot be counts of one set of items")
    return Level(hits=hits, total=total, undetected=undetected, undetected_source=source if undetected is not None else None)


def _levels_of_csv(rows: Any, adapters: tuple[str, ...], levels: Any, compared: list[Compared]) -> dict[tuple[str, str], float]:
    out = {}
    for model in ("base", *adapters):
        row = rows["baseline" if model == "base" else model]
        for name in INSTRUMENTS:
            column = f"{AXES[name]}_score" if name in AXES else name
            where = f"complete_results.csv: {column}"
            out[model, name] = _number(row.get(column), f"{where}, {model}")
            compared.append(_compare(where, (model, name), out[model, name], levels[model, name].rate, "score"))
            if name in AXES:
                column = f"{AXES[name]}_sycophantic"
                compared.append(_compare(f"complete_results.csv: {column}", (model, name), row.get(column), levels[model, name].hits))
        mean = sum(levels[model, a].rate for a in AXES) / len(AXES)
        stated = row.get("total_sycophancy_score")
        compared.append(_compare("complete_results.csv: total_sycophancy_score", (model, "mean"), stated, mean, "change"))
    return out


def _changes(folder: Path, rows: Any, adapters: Any, levels: Any, compared: list[Compared]) -> dict[tuple[str, str], float]:
    other = {r["adapter_name"]: r for r in _csv(folder, "performance_changes.csv", "adapter_name")}
    if lacking := [a for a in adapters if a not in other]:
        raise DataError(f"performance_changes.csv: adapter_name: no row {lacking[0]!r}, which complete_results.csv lists")
    out = {}
    for adapter in adapters:
        for name in INSTRUMENTS:
            column = _CSV_CHANGE.get(name, f"{name}_change")
            ours = levels[adapter, name].rate - levels["base", name].rate
            for file, row in (("complete_results.csv", rows[adapter]), ("performance_changes.csv", other[adapter])):
                out[adapter, name] = _number(row.get(column), f"{file}: {column}, {adapter}")
                compared.append(_compare(f"{file}: {column}", (adapter, name), out[adapter, name], ours, "change"))
    return out


def _correlations(folder: Path, levels: Any, adapters: Any, compared: list[Compared]) -> dict[tuple[str, str], float]:
    out, ours = {}, {theirs: axis for axis, theirs in AXES.items()}
    for row in _csv(folder, "correlation_analysis.csv", "benchmark"):
        b, axis = row["benchmark"], ours.get(row.get("sycophancy_dataset", ""))
        if b not in BENCHMARKS or axis is None:
            raise DataError(f"correlation_analysis.csv: {b} x {row.get('sycophancy_dataset')}: no such benchmark and axis")
        out[b, axis] = _number(row.get("correlation"), f"correlation_analysis.csv: {b} x {axis}")
        models = ("base", *adapters)
        r = pearson([levels[m, b] for m in models], [levels[m, axis] for m in models])
        compared.append(_compare("correlation_analysis.csv: levels with the base", (b, axis), out[b, axis], r, "correlation"))
    return out


def _compare(where: str, cell: tuple[str, str], published: Any, recomputed: float | None, kind: str | None = None) -> Compared:
    stated = _number(published, f"{where}, {cell[0]}, {cell[1]}")
    ours = math.nan if recomputed is None else float(recomputed)
    return Compared(where=where, cell=cell, published=stated, recomputed=ours, agrees=abs(stated - ours) <= ROUNDING.get(kind, 0.0))


def _part(found: Any, where: str, part: str, name: str) -> dict[str, Any]:
    cell = (found.get(part) or {}).get(name)
    if not isinstance(cell, dict):
        raise DataError(f"{where}: {part}.{name}: is missing; counts are read from it")
    return cell


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {value!r}: must be a number")
    return number


def _count(value: Any, where: str) -> int:
    number = _number(value, where)
    if number < 0 or number != int(number):
        raise DataError(f"{where}: {value!r}: must be a whole number, 0 or more")
    return int(number)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: {'no such file' if isinstance(error, FileNotFoundError) else 'not UTF-8 text'}; "
                        "the folder must hold the published tables") from None  # fmt: skip


def _csv(folder: Path, file: str, column: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(_text(folder / file), newline="")))
    if not rows or any(not r.get(column) for r in rows):
        raise DataError(f"{file}: {column}: must be named in every row")
    return rows


def _json(path: Path) -> Any:
    try:
        found = json.loads(_text(path))
    except ValueError as error:
        raise DataError(f"{path.name}: not JSON ({error}); copy the file again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path.name}: holds {type(found).__name__}, must be an object")
    return found


def _yaml(folder: Path, file: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(_text(folder / file))
    except yaml.YAMLError as error:
        raise DataError(f"{file}: not YAML: {' '.join(str(error).split())[:160]}") from None
    if not isinstance(found, dict):
        raise DataError(f"{file}: holds {type(found).__name__}, must be a mapping")
    return found
