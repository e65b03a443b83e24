"""A calibration: every part made once and kept, then put together with what went beyond its limit."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

import holdfast
from holdfast.errors import DataError
from holdfast.store import canonical, digest, file_digest, write_atomic
from holdfast_calibration.questionnaires import questionnaires
from holdfast_calibration.records import Calibration, MetricRow, Rate, Recovery, Settings, StudyRates
from holdfast_calibration.recovery import PLANTS, SEEDS, Recovered, recover, recover_exactly
from holdfast_calibration.simulate import simulate, simulate_whole
from holdfast_calibration.studies import SCENARIOS, WHOLE, Scenario

# What the numbers of a part depend on: a change of any of it makes the parts of an earlier run worthless.
CODE = ("instruments", "sources", "world", "analysis", "stats")
COVERAGE_LIMITS = (0.935, 0.965)
ERROR_LIMIT = 0.05
ALLOWANCE = 2.0  # Monte Carlo standard errors by which a rate may lie beyond its limit
WHOLE_COST = 20  # a study that goes the whole way takes about as long as this many that do not
RECOVERY_COST = 150

QUICK = Settings(num_items=120, num_studies=300, num_whole=30)
LONG = Settings(num_items=400, num_studies=2000, num_whole=200)
Tick = Callable[[int, str], None]
ShowProgress = Callable[[int, str], AbstractContextManager[Tick]]
Part = TypeVar("Part", bound=BaseModel)


def calibrate(settings: Settings, out: Path, progress: ShowProgress, organisms: bool = True) -> Calibration:
    """Make or take up every part under `out`/parts, and write `out`/calibration.json.

    `organisms`: include `out`/organisms/organisms.json if it is there. Raises DataError if it is damaged.
    """
    (out / "parts").mkdir(parents=True, exist_ok=True)
    trained = _organisms(out / "organisms" / "organisms.json") if organisms else None
    code = code_digest()
    with progress(_work(settings), "calibrating") as tick:

        def part(kind: type[Part], name: str, inputs: Sequence[object], make: Callable[[], Part], work: int) -> Part:
            place = out / "parts" / f"{digest([code, name, *inputs])[:24]}.json"
            if place.is_file():
                tick(work, f"{name}: taken up")
            else:
                write_atomic(place, canonical(_rounded(make().model_dump())).encode())
            return kind.model_validate_json(place.read_bytes())

        def studies(how: Callable[..., dict[str, Rate]], scenario: Scenario, rounds: int, cost: int) -> list[StudyRates]:
            return [
                part(
                    StudyRates,
                    f"{how.__name__}/{scenario.name}/{truth}",
                    [scenario, count, settings.seed],
                    partial(_studies, how, scenario, truth, count, settings.seed, cost, tick),
                    cost * count,
                )
                for truth, count in _rounds(rounds)
            ]

        calibration = Calibration(
            version=1,
            settings=settings,
            recovery=part(Recovery, "recovery", [settings.num_items, settings.seed], lambda: _recovery(settings, tick), _recovery_work()),
            studies=tuple(p for s in SCENARIOS for p in studies(simulate, s, settings.num_studies, 1)),
            whole=tuple(studies(simulate_whole, WHOLE, settings.num_whole, WHOLE_COST)),
            organisms=trained,
        )
    calibration = calibration.model_copy(update={"problems": tuple(problems(calibration))})
    write_atomic(out / "calibration.json", to_json(calibration))
    return calibration


def to_json(calibration: Calibration) -> bytes:
    """Content of calibration.json."""
    content = calibration.model_dump(exclude=None if calibration.organisms else {"organisms"})
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def code_digest() -> str:
    """One digest of the sources a part's numbers depend on; the page that shows them does not count."""
    package = Path(holdfast.__file__).parent
    files = sorted(f for folder in (Path(__file__).parent, *(package / part for part in CODE)) for f in folder.rglob("*.py"))
    return digest([[f.name, file_digest(f)] for f in files if f.name != "page.py"])


def _organisms(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        trained = json.loads(file.read_bytes())
    except ValueError:
        trained = None
    if not isinstance(trained, dict) or not {"axes", "agrees", "max_gap", "tolerance"} <= trained.keys():
        raise DataError(
            f"{file}: is not a result of the organism experiments; make it with python -m experiments.organisms --out {file.parent}"
        )
    return trained


def _recovery_work() -> int:
    return RECOVERY_COST * 3 * (1 + SEEDS * (len(PLANTS) - 1))


def _rounds(studies: int) -> list[tuple[str, int]]:
    """Half as many studies with effects: a rate per cell needs fewer than one per study."""
    return [("null", studies), ("edge", studies // 2)]


def _work(settings: Settings) -> int:
    simulated = len(SCENARIOS) * sum(n for _, n in _rounds(settings.num_studies))
    return _recovery_work() + simulated + WHOLE_COST * sum(n for _, n in _rounds(settings.num_whole))


def _studies(
    how: Callable[..., dict[str, Rate]], scenario: Scenario, truth: str, rounds: int, seed: int, cost: int, tick: Tick
) -> StudyRates:
    rates = how(scenario, truth, rounds, seed, lambda n: tick(cost * n, f"{scenario.name}, {truth}"))
    return StudyRates(
        scenario=scenario.name, says=scenario.says, truth=truth, rounds=rounds, num_seeds=scenario.num_seeds, promised=scenario.promised,
        rates=rates,
    )  # fmt: skip


def _recovery(settings: Settings, tick: Tick) -> Recovery:
    rows: list[Recovered] = []
    verdicts = {}
    for name, sections in questionnaires(settings.num_items, settings.seed).items():
        label = f"responders, {name}"
        levels, findings = recover(name, sections, seed=settings.seed, tick=lambda n, label=label: tick(RECOVERY_COST * n, label))
        rows += [*levels, *recover_exactly(name, sections)]
        verdicts[name] = {
            a.name: {k: c.verdict for k, c in {**a.gains, **{n: s.behaviour for n, s in a.shifts.items()}}.items()}
            for a in findings.adapters
        }
    return Recovery(rows=tuple(_metric_row(r, len(rows)) for r in rows), verdicts=verdicts)


def _metric_row(r: Recovered, num_metrics: int) -> MetricRow:
    fields = {k: v for k, v in dataclasses.asdict(r).items() if k != "chance_se"}
    return MetricRow.model_validate({**fields, "inside": r.inside, "recovered_it": r.is_recovered(num_metrics)})


def limits(calibration: Calibration) -> list[str]:
    """Rates beyond what is promised elsewhere, in scenarios for which nothing is promised."""
    return _beyond(p for p in calibration.studies if not p.promised)


def problems(calibration: Calibration) -> list[str]:
    """Every planted value that is not recovered, and every rate beyond its limit by more than its Monte Carlo error allows."""
    out = [
        f"{r.questionnaire}, {r.model}: {r.metric}: planted {r.planted:.4f}, recovered "
        + ("unknown" if r.recovered is None else f"{r.recovered:.4f}")
        for r in calibration.recovery.rows
        if not r.recovered_it
    ]
    out += _beyond(p for p in (*calibration.studies, *calibration.whole) if p.promised)
    trained = calibration.organisms
    if trained and not trained["agrees"]:
        out.append(f"trained organisms: a planted rate is missed by {max(trained['max_gap'].values()):.3f}, limit {trained['tolerance']}")
    return out


def _beyond(parts: Iterable[StudyRates]) -> list[str]:
    return [f"{p.scenario}, {p.truth} effects: {beyond}" for p in parts for name, r in p.rates.items() if (beyond := over_limit(name, r))]


def over_limit(name: str, r: Rate) -> str | None:
    """In words, if the rate lies beyond its limit; None if it does not or has none."""
    if r.rate is None or r.se is None:
        return None
    slack = ALLOWANCE * r.se
    if name == "coverage" and not COVERAGE_LIMITS[0] - slack <= r.rate <= COVERAGE_LIMITS[1] + slack:
        return f"intervals cover {100 * r.rate:.1f} % (+- {100 * r.se:.1f}), not 93.5 to 96.5"
    if name in ("false_verdict", "pair_false_verdict", "false_unchanged") and r.rate > ERROR_LIMIT + slack:
        return f"{name.replace('_', ' ')} in {100 * r.rate:.1f} % (+- {100 * r.se:.1f}), limit 5"
    return None


def _rounded(value: Any) -> Any:
    """JSON values: 10 significant digits, unknown as null."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value
