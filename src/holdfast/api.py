"""The library's functions, as a notebook or a script calls them; the commands of the same names call them too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from holdfast.config import Study, recipe_names
from holdfast.config.files import recipe_text
from holdfast.errors import ConfigError, IncompleteError
from holdfast.facts import study_facts
from holdfast.findings import Findings
from holdfast.parsing.transcripts import write_rescored
from holdfast.processes import silence_libraries
from holdfast.progress import say, work
from holdfast.results import AuditEntry
from holdfast.run_files import verify_files
from holdfast.store import read_json
from holdfast.studies import PREFIX, load_source, load_study

if TYPE_CHECKING:
    import pyarrow as pa

    from holdfast.analysis.rescored import Summary
    from holdfast.report.comparison import Comparison


class Recipe(NamedTuple):
    """A shipped study: its name, what it is in a sentence, and what running it takes."""

    name: str
    summary: str
    cost: str


def run(study: Study | str, out: str | Path | None = None, *, quiet: bool = False) -> Findings:
    """Train what is missing of a study, measure it, analyze it and draw the report; called again, it resumes or reads what is there.

    A script needs `if __name__ == "__main__":` around the call, because workers are separate processes.

    Args:
        study: a Study, a YAML file or the name of a shipped recipe.
        out: run folder; default `runs/NAME`.
        quiet: no progress and no remarks.
    Returns:
        Findings of the study.
    Raises:
        IncompleteError: some cells failed; everything else was made.
        HoldfastError: bad input.
    """
    from holdfast import pipeline

    study, folder, tell = _prepared(study, out, quiet)
    progress: Callable[[Any], Any] = lambda plan: nullcontext(lambda count, name: None) if quiet else work(plan.work, "measuring")  # noqa: E731
    outcome = pipeline.run(study, folder, say=tell, progress=progress)
    if outcome.failures:
        first, count = outcome.failures[0], len(outcome.failures)
        raise IncompleteError(f"{folder}: {count} cells failed, first: {first}; the other results are in {outcome.report}")
    return Findings(outcome.findings, audit=outcome.audit, folder=folder)


def plan(
    study: Study | str,
    out: str | Path | None = None,
    *,
    device_memory: float | None = None,
    device_tflops: float | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """What a study needs: cells, prompts, tokens, time, memory, disk, and the effects it can detect.

    Args:
        study: a Study, a YAML file or the name of a shipped recipe.
        out: run folder, whose finished cells are not counted again; default `runs/NAME`.
        device_memory: GiB of an accelerator to plan for; None: measure a part of the study on this machine.
        device_tflops: that accelerator's dense peak in the model's dtype; None: of a known device with that memory.
        quiet: no remarks.
    Returns:
        Quantities by name, units in the names.
    Raises:
        ConfigError: `device_tflops` without `device_memory`, or an unknown device.
        ResourceError: the study does not fit; the message names the setting to change.
    """
    study, folder, tell = _prepared(study, out, quiet)
    if device_memory is not None:
        from holdfast.planning import on_device
        from holdfast.planning.estimate import detectable
        from holdfast.sources.materials import Materials

        materials = Materials(study)
        return {**on_device(study, materials, device_memory, device_tflops), "detectable, points": detectable(study, materials)}
    if device_tflops is not None:
        raise ConfigError("device_tflops (--device-tflops): needs device_memory (--device-memory), for example 80")
    from holdfast.models.checkpoint import pick_device
    from holdfast.planning.estimate import estimate

    pick_device(study.execution.device)  # an unknown device is refused before anything is printed
    tell("measuring a part of the study on this machine")
    return estimate(study, folder)


def probe(
    model: str,
    adapters: Sequence[str | Path] = (),
    *,
    study: Study | str | None = None,
    settings: Sequence[str] = (),
    limit: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Accuracies and raw effects of a model and of PEFT adapters of it; nothing is trained or stored.

    Args:
        model: world:N, org/name@revision, a checkpoint folder, or endpoint:URL of a server.
        adapters: PEFT folders; for a server, the adapters' names there.
        study: study whose instruments are asked; None: embedded, and nothing of a server, which is then only examined.
        settings: key=value, on top of the study, such as model.served_model=NAME.
        limit: at most this many items per instrument, at least 1.
    Returns:
        By model ("base" first; adapters by their folders' names, with the folders above where two are alike) and instrument: fractions, nan
        where unknown; a positive effect: gives way more. Of a server, under "endpoint" and first, what it can do.
    Raises:
        ConfigError: a setting or limit that is invalid.
        ModelError: a model or adapter that cannot be loaded.
    """
    from holdfast import inspection

    if limit is not None and limit < 1:
        raise ConfigError(f"limit: {limit}: must be at least 1; leave it out for all items")
    silence_libraries()
    served = model.startswith("endpoint:")
    asked = _study(
        study if study is not None else "embedded", *["domains=[]", "dose={}"] * served, f"model.name={json.dumps(model)}", *settings
    )
    asked = asked.limited(limit) if limit else asked
    if served:
        can, effects = inspection.probe_endpoint(asked, [str(a) for a in adapters], study is not None)
    else:
        can, effects = None, inspection.probe(asked, [Path(a) for a in adapters])
    known = {name: {k: float("nan") if v is None else v for k, v in values.items()} for name, values in effects.items()}
    return known if can is None else {"endpoint": can, **known}


def doctor(model: str = "world:0", device: str | None = None) -> tuple[list[str], bool]:
    """Check this machine with a model: versions, device, one BOS, batch-size invariance.

    Args:
        model: world:N, org/name@revision or a checkpoint folder.
        device: cpu, cuda, cuda:0 or mps; None: the best available.
    Returns:
        One line per check, and whether all passed.
    Raises:
        ConfigError: a model's name or a device that is invalid.
        ModelError: a model that cannot be loaded.
    """
    from holdfast import inspection

    silence_libraries()
    return inspection.doctor(model, device)


def analyze(
    source: str | Path | pa.Table, *, study: Study | str | None = None, data_root: str | None = None, out: str | Path | None = None
) -> Findings:
    """Findings from trials, without any model.

    Args:
        source: a run folder, a trials .parquet, a table with the columns of `trials.parquet`, or published:NAME.
        study: study the trials belong to; None: the run's own study.yaml.
        data_root: of a published study: folder with its rows; None: the shipped counts are used.
        out: of a published study: folder for findings, report and tables; None: nothing is written.
    Returns:
        Findings; gains and shifts are fractions, adapted - base; a positive shift: gives way more.
    Raises:
        ConfigError: no such source, a table without a study, or rescored replies (see `summarize`).
        DataError: a column that is missing or of another type.
    """
    import pyarrow as pa

    from holdfast.analysis import analyze as analyze_trials
    from holdfast.analysis.trials import Trials
    from holdfast.auditing.gather import complete

    if isinstance(source, str) and source.startswith(PREFIX):
        published = load_study(source.removeprefix(PREFIX))
        outcome = published.analyze(data_root)
        folder = published.write(outcome, Path(out)).parent if out is not None else None
        return Findings(outcome.findings, audit=outcome.audit, folder=folder)
    if data_root is not None or out is not None:
        name = source if isinstance(source, str | Path) else "a table"
        raise ConfigError(f"analyze: {name}: data.root and --out are only for a published study; name one as published:NAME")
    folder, trials, read = None, source, []
    if isinstance(source, pa.Table):
        if study is None:
            raise ConfigError("analyze: study: a table does not say which study it belongs to; name the study")
    else:
        file = Path(source) / "trials.parquet" if Path(source).is_dir() else Path(source)
        if not file.is_file():
            raise ConfigError(f"analyze: {file}: no such table; name a run folder, a trials .parquet or published:NAME")
        if file.name.endswith((".jsonl", ".jsonl.gz")):
            raise ConfigError(f"analyze: {file}: holds no trials; rescored replies are summarized: holdfast.summarize({str(file)!r})")
        folder, trials, read = file.parent, file, [file.name, "audit.json", *(["study.yaml"] if study is None else [])]
        study = study if study is not None else str(folder / "study.yaml")
    with verify_files(folder, *read, of_run=folder == Path(source)) if folder is not None else nullcontext():
        facts, entries = study_facts(_study(study)), _audit_of_run(folder)
        findings = analyze_trials(complete(Trials.of(trials)), facts, entries)
    return Findings(findings, audit=entries, folder=folder)


def audit(source: str | Path | Study, settings: Sequence[str] = ()) -> list[AuditEntry]:
    """What rows, settings and trials can and cannot show. No model is run.

    Args:
        source: a Study, a study file or recipe, a run folder, or a trials .parquet.
        settings: key=value, on top of the study.
    Returns:
        Entries with `check`, `level` (ok, warn, refuse), `claim`, `evidence` and, of a refused cell, `cell`.
    Raises:
        ConfigError: no such source, or a setting without a study.
        DataError: rows or trials that cannot be read.
    """
    from holdfast.auditing import run_audit
    from holdfast.auditing.gather import context_of, context_of_study

    context = context_of_study(source.changed(*settings)) if isinstance(source, Study) else context_of(str(source), settings)
    return run_audit(context)


def rescore(source: str | Path, out: str | Path, *, keep: Sequence[str] = ()) -> Summary:
    """Score transcripts from any source: the outcome of each reply. No model is needed.

    Args:
        source: .jsonl or .jsonl.gz of rows {id?, kind, response, gold, suggested?, options?, aliases?, question?, previous?}.
        out: file for one JSON line per row: id, outcome, answer, reason and the kept fields; .gz compresses.
        keep: input fields copied to the output; the summary is grouped by them.
    Returns:
        Rates with intervals and coverage, as fractions, of all rows and by group; None where not identified.
    Raises:
        ConfigError: a file or field that does not exist.
        DataError: a row that cannot be read; `out` is not written.
    """
    write_rescored(Path(source), Path(out), keep)
    return summarize(out)


def summarize(source: str | Path) -> Summary:
    """Outcome rates of replies that were scored before.

    Args:
        source: output of `rescore`.
    Returns:
        What `rescore` returns.
    Raises:
        ConfigError: a file that does not exist.
        DataError: a row that `rescore` did not write.
    """
    from holdfast.analysis.rescored import summarize

    if not Path(source).is_file():
        raise ConfigError(f"analyze: {source}: no such file; name rescored replies (.jsonl)")
    return summarize(source)


def compare(sources: Sequence[str | Path]) -> Comparison:
    """What replicates over several studies; nothing is pooled.

    Args:
        sources: two or more folders of finished runs, or published:NAME.
    Returns:
        The studies side by side, one row per adapter and instrument they share.
    Raises:
        ConfigError: fewer than two studies, the same study twice, or nothing in common.
    """
    from holdfast.report.comparison import side_by_side

    if len(sources) < 2:
        raise ConfigError(
            f"compare: {len(sources)} folder{'s' * (len(sources) != 1)}: at least two finished runs are compared; name another"
        )
    studies = [load_source(str(s)) for s in sources]
    for k, study in enumerate(studies):
        if twin := next((other for other in studies[:k] if other.findings == study.findings), None):
            raise ConfigError(
                f"compare: {study.source}: has the findings of {twin.source}; a study cannot replicate itself, name another run"
            )
    comparison = side_by_side(studies)
    if not comparison.rows:
        why = "".join(f" ({r.adapter}, {r.instrument}: {r.reason})" for r in comparison.refused[:1])
        raise ConfigError(
            f"compare: the runs share no adapter and instrument that can be compared{why}; name studies with the same domains"
        )
    return comparison


def recipes() -> list[Recipe]:
    """The shipped studies, by name.

    Returns:
        Name, a one-line summary and what running it takes, such as "hours on one GPU; gated model".
    """
    headers = {name: recipe_text(name).splitlines()[:2] for name in recipe_names()}
    return [Recipe(name, summary.removeprefix("# "), cost.removeprefix("# cost: ")) for name, (summary, cost) in headers.items()]


def _study(study: Study | str, *settings: str) -> Study:
    return study.changed(*settings) if isinstance(study, Study) else Study.load(study, *settings)


def _prepared(study: Study | str, out: str | Path | None, quiet: bool) -> tuple[Study, Path, Callable[[str], None]]:
    """The study, its run folder, and what is called with remarks."""
    study = _study(study)
    silence_libraries()
    return study, Path(out) if out is not None else Path("runs") / study.name, (lambda text: None) if quiet else say


def _audit_of_run(folder: Path | None) -> list[AuditEntry]:
    """The audit of a run. Raises ConfigError if its file holds something else."""
    file = folder / "audit.json" if folder is not None else None
    if file is None or not file.is_file():
        return []
    try:
        return TypeAdapter(list[AuditEntry]).validate_python(read_json(file))
    except ValidationError:
        raise ConfigError(f"analyze: {file}: must be a list of audit entries; the run is damaged, run the study again") from None
