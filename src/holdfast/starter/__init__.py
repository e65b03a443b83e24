"""A first study for a model and a folder of rows, which `holdfast init` writes with its JSON Schema next to it."""

from pathlib import Path
from typing import NamedTuple

from holdfast import instruments
from holdfast.config import Study, load_study, schema_json
from holdfast.errors import ConfigError
from holdfast.sources.survey import RowFile, survey
from holdfast.starter.look import look
from holdfast.starter.rows import choose_all
from holdfast.starter.text import name_of, study_text
from holdfast.store import write_atomic

__all__ = ["StudyDraft", "choose_all", "look", "name_of", "study_text", "write_draft"]


class StudyDraft(NamedTuple):
    """`rows`: the files in the folder, each with whether the study uses it; `remarks`: what to know about the model."""

    study: Study
    rows: list[tuple[RowFile, bool]]
    remarks: tuple[str, ...]


def write_draft(model: str, data: Path | None, out: Path, *, force: bool = False) -> StudyDraft:
    """Write a commented study for a model and a folder of rows (None: the hub's data sets).

    Raises ConfigError if there are no rows to train on or `out` exists already, ModelError for a folder that is not a checkpoint.
    """
    if out.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"-o: {out}: must be a YAML file, for example study.yaml")
    if out.exists() and not force:
        raise ConfigError(f"-o: {out} exists already; name another file, or overwrite it with --force")
    facts = look(model)
    files = survey(data) if data is not None else None
    chosen = choose_all(files)
    if not any(c.train for c in chosen):
        kinds = ", ".join(instruments.available("benchmark"))
        raise ConfigError(f"init: {data}: no rows of {kinds} to train on were found; name the folder that holds them")
    schema = out.with_suffix(".schema.json")
    text = study_text(name_of(out), facts, str(data) if data is not None else None, chosen, schema.name)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, text.encode())
    write_atomic(schema, schema_json().encode())
    used = {(r.data, (r.split or "").split("[")[0]) for c in chosen for r in (c.train, c.asked) if r is not None}
    return StudyDraft(load_study(str(out)), [(f, (f.data, f.split or "") in used) for f in files or ()], facts.remarks)
