"""A calibration: every part made once and kept, then put together with what went beyond its limit."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from holdfast.calibration.questionnaires import questionnaires
from holdfast.calibration.recovery import PLANTS, SEEDS, Recovered, recover, recover_exactly
from holdfast.calibration.simulate import Rate, simulate, simulate_whole
from holdfast.calibration.studies import SCENARIOS, WHOLE, Scenario
from holdfast.store import canonical, digest, file_digest, write_atomic

# What the numbers of a part are made with: a change of any of it makes the parts of an earlier run worthless.
MADE_WITH = ("calibration", "instruments", "sources", "world", "analysis", "stats")
COVERAGE_LIMITS = (0.935, 0.965)
ERROR_LIMIT = 0.05
ALLOWANCE = 2.0  # Monte Carlo standard errors by which a rate may lie beyond its limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Items per instrument of the responders; simulated studies per scenario without effect (half as many with effects); those that go the whole way through `analyze`."""

    num_items: int
    num_studies: int
    num_whole: int
    seed: int = 0


QUICK = Settings(num_items=120, num_studies=300, num_whole=30)
LONG = Settings(num_items=400, num_studies=2000, num_whole=200)
Progress = Callable[[int, str], AbstractContextManager[Callable[[int, str], None]]]


def calibrate(
    settings: Settings, out: Path, progress: Progress, organisms: Callable[[Path], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Make or take up every part under `out`/parts, and write `out`/calibration.json. `organisms`: None, or a function of a folder."""
    (out / "parts").mkdir(parents=True, exist_ok=True)
    code = code_digest()
    found: dict[str, Any] = {"version": 1, "settings": dataclasses.asdict(settings)}
    with progress(_work(settings), "calibrating") as tick:

        def part(name: str, made_of: list[Any], make: Callable[[], Any], work: int) -> Any:
            place = out / "parts" / f"{digest([code, name, *made_of])[:24]}.json"
            if place.is_file():
                tick(work, f"{name}: taken up")
                return json.loads(place.read_bytes())
            value = _plain(make())
            write_atomic(place, canonical(value).encode())
            return value

        def studies(how: Any, scenario: Scenario, rounds: int, cost: int) -> list[Any]:
            return [
                part(
                    f"{how.__name__}/{scenario.name}/{truth}",
                    [dataclasses.asdict(scenario), count, settings.seed],
                    partial(_studies, how, scenario, truth, count, settings.seed, cost, tick),
                    cost * count,
                )
                for truth, count in _rounds(rounds)
            ]

        asked = [settings.num_items, settings.seed]
        found["recovery"] = part("recovery", asked, lambda: _recovery(settings, tick), _recovery_work())
        found["studies"] = [p for s in SCENARIOS for p in studies(simulate, s, settings.num_studies, 1)]
        found["whole"] = studies(simulate_whole, WHOLE, settings.num_whole, WHOLE_COST)
    if organisms is not None:
        found["organisms"] = organisms(out / "organisms")
    found["problems"] = problems(found)
    write_atomic(out / "calibration.json", (json.dumps(found, indent=1, sort_keys=True) + "\n").encode())
    return found


def code_digest() -> str:
    """One digest of the sources a part's numbers hang on; the page that shows them is none."""
    root = Path(__file__).parents[1]
    files = sorted(f for part in MADE_WITH for f in (root / part).rglob("*.py") if f.name != "page.py")
    return digest([[str(f.relative_to(root)), file_digest(f)] for f in files])


WHOLE_COST = 20  # a study that goes the whole way takes about as long as so many that do not
RECOVERY_COST = 150


def _recovery_work() -> int:
    return RECOVERY_COST * 3 * (1 + SEEDS * (len(PLANTS) - 1))


def _rounds(studies: int) -> list[tuple[str, int]]:
    """Half as many studies with effects: a rate per cell needs fewer than one per study."""
    return [("null", studies), ("edge", studies // 2)]


def _work(settings: Settings) -> int:
    simulated = len(SCENARIOS) * sum(n for _, n in _rounds(settings.num_studies))
    return _recovery_work() + simulated + WHOLE_COST * sum(n for _, n in _rounds(settings.num_whole))


def _studies(
    how: Any, scenario: Scenario, truth: str, rounds: int, seed: int, cost: int, tick: Callable[[int, str], None]
) -> dict[str, Any]:
    rates = how(scenario, truth, rounds, seed, lambda n: tick(cost * n, f"{scenario.name}, {truth}"))
    return {
        "scenario": scenario.name, "says": scenario.says, "truth": truth, "rounds": rounds, "num_seeds": scenario.num_seeds,
        "promised": scenario.promised,
        "rates": {k: dataclasses.asdict(v) for k, v in rates.items()},
    }  # fmt: skip


def _recovery(settings: Settings, tick: Callable[[int, str], None]) -> dict[str, Any]:
    rows: list[Recovered] = []
    verdicts = {}
    for name, asked in questionnaires(settings.num_items, settings.seed).items():
        found, findings = recover(name, asked, seed=settings.seed, tick=lambda n, name=name: tick(RECOVERY_COST * n, f"responders, {name}"))
        rows += [*found, *recover_exactly(name, asked)]
        verdicts[name] = {a["name"]: {k: c["verdict"] for k, c in {**a["gains"], **a["shifts"]}.items()} for a in findings["adapters"]}
    return {
        "rows": [
            {**{k: v for k, v in dataclasses.asdict(r).items() if k != "chance_se"}, "inside": r.inside, "recovered_it": r.is_recovered(len(rows))}
            for r in rows
        ],
        "verdicts": verdicts,
    }  # fmt: skip


def limits(found: dict[str, Any]) -> list[str]:
    """Rates beyond what is promised elsewhere, in scenarios for which nothing is promised."""
    return problems(
        {"recovery": {"rows": []}, "whole": [], "studies": [{**p, "promised": True} for p in found["studies"] if not p["promised"]]}
    )


def problems(found: dict[str, Any]) -> list[str]:
    """Every planted value that is not recovered, and every rate beyond its limit by more than its Monte Carlo error allows."""
    out = [
        f"{r['questionnaire']}, {r['model']}: {r['metric']}: planted {r['planted']:.4f}, recovered {_number(r['recovered'])}"
        for r in found["recovery"]["rows"]
        if not r["recovered_it"]
    ]
    for part in [*found["studies"], *found["whole"]]:
        for name, r in part["rates"].items():
            beyond = over_limit(name, Rate(**{k: math.nan if v is None else v for k, v in r.items()}))
            if beyond and part["promised"]:
                out.append(f"{part['scenario']}, {part['truth']} effects: {beyond}")
    trained = found.get("organisms", {})
    if trained.get("agrees") is False:
        out.append(f"trained organisms: a planted rate is missed by {max(trained['max_gap'].values()):.3f}, limit {trained['tolerance']}")
    return out


def over_limit(name: str, r: Rate) -> str | None:
    """In words, if the rate lies beyond its limit; None if it does not or has none."""
    if math.isnan(r.rate):
        return None
    slack = ALLOWANCE * r.se
    if name == "coverage" and not COVERAGE_LIMITS[0] - slack <= r.rate <= COVERAGE_LIMITS[1] + slack:
        return f"intervals cover {100 * r.rate:.1f} % (+- {100 * r.se:.1f}), not 93.5 to 96.5"
    if name in ("false_verdict", "pair_false_verdict", "false_unchanged") and r.rate > ERROR_LIMIT + slack:
        return f"{name.replace('_', ' ')} in {100 * r.rate:.1f} % (+- {100 * r.se:.1f}), limit 5"
    return None


def _number(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:.4f}"


def _plain(value: Any) -> Any:
    """JSON values: 10 significant digits, unknown as null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value
