"""A finished study as figures, tables, comparisons and the page read it: findings, audit, and what its trainings left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from holdfast.errors import ConfigError
from holdfast.escape import plain
from holdfast.redact import map_strings
from holdfast.results import AuditEntry, StudyFindings
from holdfast.run_files import manifest_of, verify_files
from holdfast.store import ensure_writable, read_json

_AUDIT = TypeAdapter(list[AuditEntry])


@dataclass(frozen=True, slots=True)
class Finished:
    """`folder`: None for a published study; `out`: default folder for files made from it."""

    source: str
    findings: StudyFindings
    audit: list[AuditEntry]
    folder: Path | None
    out: Path


class TrainingCurve(NamedTuple):
    """One trained adapter: `loss` per step (nats per token), and counts of rows, steps, tokens and parameters."""

    domain: str
    seed: int
    loss: Sequence[float]
    num_examples: int = 0
    num_truncated: int = 0
    num_dropped: int = 0
    num_steps: int = 0
    num_tokens: int = 0
    trainable_parameters: int = 0


def read_folder(source: str | Path, audit_required: bool = False) -> Finished:
    """A finished run, its texts made plain. Raises ConfigError where findings (or a required audit) are missing or damaged."""
    folder = Path(source)
    with verify_files(folder, "findings.json", "audit.json"):
        findings = read_json(folder / "findings.json")
        audit = read_json(folder / "audit.json") if audit_required or (folder / "audit.json").is_file() else []
        records, entries = records_of(findings, audit, str(source), clean=True)
    return Finished(str(source), records, entries, folder, folder)


def records_of(findings: Any, audit: Any, source: str, clean: bool = False) -> tuple[StudyFindings, list[AuditEntry]]:
    """Records of parsed findings.json and audit.json; `clean`: their texts made plain. Raises ConfigError if they are not what a run writes."""
    try:
        if clean:
            findings, audit = map_strings(findings, plain), map_strings(audit, plain)
        records, entries = StudyFindings.model_validate(findings), _AUDIT.validate_python(audit)
        names = [a.name for a in records.adapters]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(
                f"{source}: two adapters are called {plain(twice[0])[:100]!r}; names must differ in what can be shown of them"
            )
        return records, entries
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        why = f"{place}: {'must be an object' if first['type'] == 'model_type' else first['msg'].removeprefix('Value error, ')}"
    except (TypeError, ArithmeticError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
    raise ConfigError(f"{source}: its findings or audit are not what a run writes ({plain(why)[:100]}); run the study again")


def cleaned(source: str, findings: StudyFindings, audit: Sequence[AuditEntry], out: Path) -> Finished:
    """A study without a folder, its texts made plain."""
    trees = (findings.model_dump(by_alias=True, exclude_unset=True), [e.model_dump(exclude_unset=True) for e in audit])
    return Finished(source, *records_of(*trees, source, clean=True), None, out)


def make_folder(folder: Path) -> Path:
    """Make the folder where it is missing. Raises ConfigError where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"-o/--out: {folder}: cannot be made ({error.strerror}); name another folder") from None
    ensure_writable(folder, f"-o/--out: {folder}")
    return folder


def training_files(folder: Path, files: Collection[str] | None = None) -> list[Path]:
    """Records of the adapters under `folder/adapters`, by name. `files`: of the run; None: as its manifest says, else all that are there."""
    if files is None and (manifest := manifest_of(folder)) is not None:
        files = manifest.files
    found = sorted((folder / "adapters").glob("*-seed*/training.json"))
    return [file for file in found if files is None or file.relative_to(folder).as_posix() in files]


def trainings(folder: Path, files: Collection[str] | None = None) -> list[TrainingCurve]:
    """Every trained adapter of the run, by name; identity adapters are left out. Raises ConfigError for a damaged record."""
    adapter, found = TypeAdapter(TrainingCurve), []
    for file in training_files(folder, files):
        record = read_json(file)
        domain, _, seed = file.parent.name.rpartition("-seed")
        try:
            if record.get("loss"):
                known = {name: record[name] for name in TrainingCurve._fields if name in record}
                found.append(adapter.validate_python({**known, "domain": domain, "seed": seed}))
        except (ValidationError, AttributeError):
            raise ConfigError(f"{file}: not what a training writes; the run is damaged, run the study again") from None
    return found


def training_rows(records: Sequence[TrainingCurve]) -> list[dict[str, TrainingCurve | int | float]]:
    """Per domain: counts of its first seed, number of seeds, mean loss of the first and the last tenth of steps over seeds."""
    rows = []
    for domain in dict.fromkeys(r.domain for r in records):
        mine = [r for r in records if r.domain == domain]
        tenth = max(1, len(mine[0].loss) // 10)
        first, last = (sum(sum(r.loss[part]) / tenth for r in mine) / len(mine) for part in (slice(tenth), slice(-tenth, None)))
        rows.append({"training": mine[0], "seeds": len(mine), "first": first, "last": last})
    return rows
