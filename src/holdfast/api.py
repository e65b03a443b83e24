"""The library's functions, as a notebook or a script calls them; the command line does the same things."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.config import Study
from holdfast.errors import ConfigError
from holdfast.findings import Findings

if TYPE_CHECKING:
    import pyarrow as pa


def run(study: Study | str, out: str | Path | None = None, *, quiet: bool = False) -> Findings:
    """Train what is missing of a study under `out` (default `runs/NAME`), measure it, conclude and draw the report.

    `study`: a Study, a YAML file or a shipped recipe's name. Called again it goes on where it was, or reads what is there.
    Raises IncompleteError, after everything else has been made, if some cells failed; HoldfastError for bad input.
    A script needs `if __name__ == "__main__":` around the call, since workers are processes of their own.
    """
    from holdfast import pipeline
    from holdfast.errors import IncompleteError
    from holdfast.processes import quiet_libraries
    from holdfast.progress import say, work

    study = _study(study)
    folder = Path(out) if out is not None else Path("runs") / study.name
    quiet_libraries()
    progress: Callable[[Any], AbstractContextManager] = lambda plan: work(plan.work, "measuring")  # noqa: E731
    silent: Callable[[Any], AbstractContextManager] = lambda plan: nullcontext(lambda count, name: None)  # noqa: E731
    outcome = pipeline.run(study, folder, say=(lambda text: None) if quiet else say, progress=silent if quiet else progress)
    if outcome.failures:
        raise IncompleteError(
            f"{folder}: {len(outcome.failures)} cells failed, first: {outcome.failures[0]}; what was made is in {outcome.report}"
        )
    return Findings(outcome.findings, audit=outcome.audit, folder=folder)


def probe(
    model: str, adapters: Sequence[str | Path] = (), *, study: Study | str = "embedded", limit: int | None = None
) -> dict[str, dict[str, float]]:
    """Accuracies and raw effects (fractions; nan: unknown) of a model and of PEFT adapters of it, by name; nothing is trained or kept."""
    from holdfast.inspection import probe as ask
    from holdfast.processes import quiet_libraries

    settings = _study(study)
    quiet_libraries()
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"name": model})})
    found = ask(settings.limited(limit) if limit else settings, [Path(a) for a in adapters])
    return {name: {k: float("nan") if v is None else v for k, v in values.items()} for name, values in found.items()}


def analyze(source: str | Path | pa.Table, *, study: Study | str | None = None) -> Findings:
    """Findings from trials, without any model.

    `source`: the folder of a run, a trials .parquet, a table with the columns of `trials.parquet`, or published:NAME. `study`: what the trials belong to;
    a run's own study.yaml if None. Raises ConfigError or DataError naming what is missing.
    """
    import pyarrow as pa

    from holdfast.analysis import analyze as analyse
    from holdfast.analysis import findings_json
    from holdfast.analysis.trials import Trials
    from holdfast.auditing.gather import complete
    from holdfast.facts import study_facts

    if isinstance(source, str) and source.startswith("published:"):
        from holdfast.studies import load_study

        outcome = load_study(source.removeprefix("published:")).analyze()
        return Findings(outcome.findings, audit=outcome.audit)
    folder = None
    if isinstance(source, pa.Table):
        if study is None:
            raise ConfigError("analyze: study: a table alone does not say what was asked; name the study it belongs to")
        trials = source
    else:
        file = Path(source) / "trials.parquet" if Path(source).is_dir() else Path(source)
        if not file.is_file():
            raise ConfigError(f"analyze: {file}: no such table; name a run folder, a trials .parquet or published:NAME")
        folder = file.parent
        study = study if study is not None else str(folder / "study.yaml")
        trials = Trials(file)
    facts, entries = study_facts(_study(study)), _entries(folder)
    found = analyse(complete(trials), {**facts, "audit": entries})
    return Findings(json.loads(findings_json(found)), audit=entries, folder=folder)


def audit(source: str | Path | Study, settings: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What rows, settings and trials can and cannot show: entries with `check`, `level` (ok, warn, refuse), `claim` and `evidence`.

    `source`: a Study, a study file or recipe, a run folder, or a trials .parquet; `settings`: key=value on top of a study.
    """
    from holdfast.auditing import gather, run_audit
    from holdfast.cli.commands.audit import context_of

    if isinstance(source, Study):
        from holdfast.sources.materials import Materials

        return run_audit(gather.from_materials(source, Materials(source), chat=gather.local_chat(source)))
    return run_audit(context_of(str(source), list(settings)))


def _study(study: Study | str) -> Study:
    return study if isinstance(study, Study) else Study.load(study)


def _entries(folder: Path | None) -> list[dict[str, Any]]:
    """What the audit of a run found. Raises ConfigError if its file holds something else."""
    from holdfast.cli.output import load_json

    file = folder / "audit.json" if folder is not None else None
    if file is None or not file.is_file():
        return []
    found = load_json(file)
    if not isinstance(found, list) or not all(isinstance(e, dict) and {"check", "level", "claim"} <= e.keys() for e in found):
        raise ConfigError(f"analyze: {file}: must be a list of what an audit found; the run is damaged, run it again")
    return found
