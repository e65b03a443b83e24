"""The context of an audit, from a study's rows before anything is trained, from a finished run, or from a trials table alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from holdfast import instruments, sources
from holdfast.analysis.trials import Added, Trials, distinct
from holdfast.auditing import template
from holdfast.auditing.context import AuditContext, Origin, RowPrompt, TrainingSet, adapters_in
from holdfast.auditing.order import is_lumped
from holdfast.config import InstrumentConfig, SourceConfig, Study, load_study, recipe_names
from holdfast.errors import ConfigError, DataError, HoldfastError
from holdfast.facts import instrument_facts, study_facts
from holdfast.progress import say
from holdfast.records import DomainFacts, Example, InstrumentFacts, Item, StudyFacts
from holdfast.results import StudyFindings
from holdfast.run_files import manifest_of, verify_files
from holdfast.sources import forms
from holdfast.sources.fields import named_answers, own_prompt
from holdfast.sources.forms.axes import replaces_prompts
from holdfast.sources.materials import Materials
from holdfast.sources.rows import Row, hub_sets, parse_split
from holdfast.store import read_json
from holdfast.training import batches

CATEGORY_FIELDS = ("subject", "category", "type")
SPLITS = ("train", "test", "validation", "dev")


def context_of(source: str, settings: Sequence[str] = ()) -> AuditContext:
    """The context of a study file or recipe, a run folder, or a trials table. Raises ConfigError or DataError naming what is wrong."""
    if stray := [s for s in settings if "=" not in s]:
        raise ConfigError(f"argument {stray[0]!r}: must be a setting key=value, for example data.root=DIR")
    path = Path(source)
    if path.is_dir() and (source not in recipe_names() or (path / "study.yaml").is_file()):
        return _of_run(path, settings)
    if not source.endswith(".parquet"):
        return context_of_study(load_study(source, list(settings)))
    if settings:
        raise ConfigError(f"argument {settings[0]!r}: a table has no settings; name the study or the run folder to change one")
    if not path.is_file():
        raise ConfigError(f"audit: {path}: no such table")
    with verify_files(path.parent, path.name, of_run=False):
        return from_table(Trials(path))


def context_of_study(study: Study) -> AuditContext:
    """A study's rows and settings, before anything is trained."""
    return from_materials(study, Materials(study), chat=local_chat(study))


def _of_run(folder: Path, settings: Sequence[str]) -> AuditContext:
    """A finished run: its own study and trials. If its rows can no longer be read, only the trials are audited."""
    if missing := [name for name in ("study.yaml", "trials.parquet") if not (folder / name).is_file()]:
        raise ConfigError(f"audit: {folder}: holds no {' and no '.join(missing)}; name the folder of a finished run")
    files = sorted((folder / "adapters").glob("*-seed*/training.json"))
    if (manifest := manifest_of(folder)) is not None:  # adapters of an earlier form of the study may lie there
        files = [file for file in files if file.relative_to(folder).as_posix() in manifest.files]
    with verify_files(
        folder, "study.yaml", "trials.parquet", "findings.json", "audit.json", *(f.relative_to(folder).as_posix() for f in files)
    ):
        return _context_of_run(folder, settings, files)


def _context_of_run(folder: Path, settings: Sequence[str], files: Sequence[Path]) -> AuditContext:
    study = load_study(str(folder / "study.yaml"), list(settings))
    trials = complete(Trials(folder / "trials.parquet"))
    findings = _findings(folder / "findings.json")
    records = [(file.parent.name.rpartition("-seed"), _json_object(file)) for file in files]
    trainings = [
        {**record, "domain": name, "seed": int(seed)} for (name, _, seed), record in records if record and not record.get("identity")
    ]
    measured, materials, chat = _measured(folder / "audit.json"), Materials(study), local_chat(study)
    try:
        return from_materials(study, materials, trials=trials, findings=findings, recorded=measured, trainings=trainings, chat=chat)
    except HoldfastError as error:
        say(f"rows of this run cannot be read, only its trials are audited: {error}", always=True)
        return from_table(trials, band=study.stats.equivalence_band)


def _measured(audit: Path) -> dict[str, Any]:
    """What the run measured for its own audit, as that says it."""
    entries = value if audit.is_file() and isinstance(value := read_json(audit), list) else []
    found = [e["evidence"] for e in entries if isinstance(e, dict) and e.get("check") == "batching" and isinstance(e.get("evidence"), dict)]
    return {"batch_invariance": {k: v for k, v in found[0].items() if k != "limit"}} if found else {}


def _findings(path: Path) -> StudyFindings | None:
    document = _json_object(path)
    try:
        return StudyFindings.model_validate(document) if document else None
    except ValidationError as error:
        raise DataError(
            f"{path}: not the findings of a run ({error.errors()[0]['loc']}); the run is damaged, run the study again"
        ) from None


def _json_object(path: Path) -> dict[str, Any] | None:
    value = read_json(path) if path.is_file() else None
    if not isinstance(value, dict | None):
        raise DataError(f"{path}: holds {type(value).__name__}, must be an object; the run is damaged, run the study again")
    return value


def from_materials(
    study: Study,
    materials: Materials,
    *,
    trials: pa.Table | Trials | None = None,
    findings: StudyFindings | None = None,
    recorded: dict[str, Any] | None = None,
    trainings: Sequence[dict[str, Any]] = (),
    chat: Any = None,
) -> AuditContext:
    """The audit context of a study's rows, with the trials if there are any. `chat`: the base's ChatFormat, if available.

    Raises what reading the rows raises.
    """
    rows = _Files(study)
    trained = [d.name for d in study.domains if not d.identity and materials.examples(d.name)]
    training = {name: _training(study, materials, rows, name) for name in trained}
    return AuditContext(
        study=study_facts(study),
        trials=trials,
        items={i.kind: list(materials.asked(i.kind).items) for i in study.instruments},
        examples_keys={name: {k for e in rows_.examples for k in e.source_keys} for name, rows_ in training.items()},
        settings=study.train.model_dump(mode="json") if study.model.endpoint is None else {},
        num_left_out=dict(materials.num_left_out),
        row_notes=dict(materials.notes),
        prompts={i.kind: materials.asked(i.kind).prompts for i in study.instruments},
        training=training,
        origins=tuple(
            [_origin(d.name, "train", s, rows) for d in study.domains for s in d.sources if s.data]
            + [_origin(i.kind, "ask", i, rows) for i in study.instruments if i.data]
        ),
        num_rows={  # where all of them were taken: fewer items than the limit were made
            i.kind: len(rows.read(i.data, i.split, i.split_seed))
            for i in study.instruments
            if i.data and (i.limit is None or len(materials.asked(i.kind).items) < i.limit)
        },
        row_prompts=_row_prompts(study, rows),
        tokenizer_probe=_probe(study, training, chat) if chat is not None else {},
        findings=findings,
        recorded=recorded or {},
        trainings=tuple(trainings),
    )


class _Files:
    """Rows of a study's files, each read once."""

    def __init__(self, study: Study):
        self.root = root = study.data.root
        self.read = lru_cache(maxsize=None)(
            lambda data, split, seed: sources.read_rows(data, split, root, seed, allow_outside=study.data.allow_outside)
        )


def _training(study: Study, materials: Materials, rows: _Files, name: str) -> TrainingSet:
    config, train = study.domain(name), study.train
    examples: tuple[Example, ...] = materials.examples(name)
    steps = batches.num_steps(len(materials.examples(config.match_steps_of or name)), train)
    keys = {k for e in examples for k in e.source_keys}
    items: dict[str, dict[str, Item]] = {}
    owner: dict[str, str] = {}
    category: dict[str, str] = {}
    for source in config.sources:
        if source.data is None or source.kind == "dialogues":
            continue
        read = rows.read(source.data, source.split, source.split_seed)
        field = _category_field(read)
        for row, item in ((r, i) for r in read for i in _row_items(source.kind, [r])):
            if not keys & {*item.source_keys}:
                continue
            items.setdefault(source.kind, {})[json.dumps([item.source_keys, item.fields], sort_keys=True)] = item
            owner |= dict.fromkeys(item.source_keys, source.data.rsplit("/", 1)[-1])
            category |= dict.fromkeys(item.source_keys, str(row[field])) if field else {}
    first = [e.source_keys[0] if e.source_keys else "" for e in examples]
    if config.parts:
        # By the row itself; by its text where a null adapter's rows were given other answers.
        part_of: dict[Any, str] = {k: p for p in config.parts for e in materials.examples(p) for k in (id(e), *e.source_keys)}
        owners = tuple(part_of.get(id(e)) or part_of.get(k, name) for e, k in zip(examples, first, strict=True))
    else:
        owners = tuple(owner.get(k, name) for k in first)
    return TrainingSet(
        examples=examples,
        owners=owners,
        categories=tuple(category.get(k, "") for k in first) if category else (),
        items={
            k: kept
            for k, every in items.items()
            if (kept := tuple(i for i in every.values() if instruments.instrument_class(k).options(i)))
        },
        steps=steps,
        warmup=train.warmup_steps if train.warmup_steps is not None else math.ceil(train.warmup_ratio * steps),
        combined=bool(config.parts),
    )


def _category_field(read: list[Row]) -> str | None:
    """The first field that sorts rows into kinds: text in all of them, of more than one value and far fewer than rows."""
    for name in CATEGORY_FIELDS:
        values = {row.get(name) for row in read}
        if all(isinstance(v, str) for v in values) and 1 < len(values) < len(read) / 2:
            return name
    return None


def _sorted_by(kind: str, read: list[Row]) -> str | None:
    """The field in whose order rows lie: a category, or the place of the key."""
    field = _category_field(read)
    if field and is_lumped([str(row[field]) for row in read]):
        return field
    made = instruments.instrument_class(kind)
    options = [made.options(item) for row in read for item in _row_items(kind, [row])]
    return "label" if options and all(options) and is_lumped([str(o.gold) for o in options if o]) else None


def _row_items(kind: str, rows: list[Row]) -> list[Item]:
    """Items of a benchmark's rows, or of a form's; none of an axis's, whose options are put in an order of their own."""
    made = instruments.instrument_class(kind)
    if made.kind == "benchmark" and made.items_of is not None:
        return sources.own_items(kind, rows)
    return [sources.item_of(kind, row) for row in rows] if kind in forms.names() else []


def _origin(owner: str, role: str, config: SourceConfig | InstrumentConfig, rows: _Files) -> Origin:
    assert config.data is not None
    split, start, stop = parse_split(config.split)
    read = rows.read(config.data, config.split, config.split_seed)
    sorted_by = None
    if start is not None and config.split_seed is None:
        # Without a seed the slice lies in the file's own order: read the whole file to see what order that is.
        sorted_by = _sorted_by(config.kind, rows.read(config.data, split or None, None))
    upstream = _upstream(config, read, rows)
    return Origin(owner, role, config.kind, config.data, split, start, stop, config.split_seed, len(read), upstream, sorted_by)


def _upstream(config: SourceConfig | InstrumentConfig, read: list[Row], rows: _Files) -> tuple[str, ...]:
    """Splits of the benchmark itself that the rows come from: by their own `split` field, else looked up under data.root.

    A file under any name is compared with the benchmark's splits under data.root; a split that holds nine in ten of its
    questions is where it came from. Nothing is requested from a hub.
    """
    own = {row["split"] for row in read if isinstance(row.get("split"), str)}
    made = instruments.instrument_class(config.kind)
    if own or made.data_set is None or made.kind == "axis" or config.data in hub_sets() or rows.root is None:
        return tuple(sorted(own))
    texts, splits = _stems(config.kind, read), []
    for split in dict.fromkeys((*SPLITS, made.data_set.train or made.data_set.test, made.data_set.test)):
        try:
            whole = {*_stems(config.kind, rows.read(made.data_set.name, split, None))}
        except HoldfastError:
            continue
        if texts and sum(text in whole for text in texts) >= 0.9 * len(read):
            splits.append(split)
    return tuple(sorted(splits))


def _stems(kind: str, read: list[Row]) -> list[str]:
    """Question or text of every row that makes an item."""
    made, texts = instruments.instrument_class(kind), []
    for row in read:
        try:
            texts += [made.stem(item).strip() for item in _row_items(kind, [row])]
        except DataError:
            continue
    return texts


def _row_prompts(study: Study, rows: _Files) -> dict[str, tuple[RowPrompt, ...]]:
    """Own prompts of an axis's rows where its items are built anew: they are reported though not used."""
    out = {}
    for config in study.instruments:
        made = instruments.instrument_class(config.kind)
        if made.kind == "axis" and config.data and (made.items_of is not None or replaces_prompts(config.kind, config.form)):
            read = rows.read(config.data, config.split, config.split_seed)
            out[config.kind] = tuple(RowPrompt(own_prompt(row), named_answers(row)) for row in read if isinstance(row.get("prompt"), list))
    return {kind: prompts for kind, prompts in out.items() if prompts}


def _probe(study: Study, training: dict[str, TrainingSet], chat: Any) -> dict[str, list[str]]:
    """Per domain what is wrong with its first conversation (else its first text) once encoded as training encodes it."""
    out = {}
    for name, rows in training.items():
        example = next((e for e in rows.examples if not e.plain), rows.examples[0])
        encoded = batches.encode([example], chat, study.train).examples[0]
        out[name] = template.probe(
            example,
            encoded.ids,
            encoded.first_loss,
            chat.tokenizer,
            train_eos=study.train.train_eos and study.train.chat_template,
            completion_only=study.train.completion_only_loss,
            cut=len(encoded.ids) >= study.train.max_length,
        )
    return out


def local_chat(study: Study) -> Any:
    """ChatFormat of a base that lies on this machine; None for one on a hub, which an audit of rows never asks."""
    at_hand = study.model.at_hand
    if at_hand is None or (at_hand.world_seed is None and not Path(at_hand.name).is_dir()):
        return None
    from holdfast.models.chat import ChatFormat
    from holdfast.models.checkpoint import load_tokenizer

    return ChatFormat(load_tokenizer(at_hand))


# --- a trials table alone --------------------------------------------------------------------------------------------------

NULLS = ("identity", "format_only", "always_first")  # docs/metrics.md, section 4, rule 5
NEEDED = ("model", "instrument", "item_id", "condition", "outcome")
DEFAULTS: dict[str, Any] = {"rotation": 0, "form": "generated", "refused": False, "num_new_tokens": 0, "tie": False}
NUMBERS = ("p_gold", "p_suggested", "margin", "rating", "score", "kappa")
TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys((*NEEDED, "form", "domain", "cluster_id"), pa.string()),
    **dict.fromkeys(("rotation", "seed", "label", "num_new_tokens"), pa.int64()),
    **dict.fromkeys((*NUMBERS, "score_norm", "kl", "dose"), pa.float64()),
    **dict.fromkeys(("refused", "tie"), pa.bool_()),
}


def from_table(trials: pa.Table | Trials, *, band: float = 0.03) -> AuditContext:
    """What a trials table shows of itself: coverage, seeds, identity, headroom, power, label choice. Raises as `complete` does."""
    trials = complete(trials)
    return AuditContext(study=_facts_of_table(trials, band), trials=trials)


def complete(trials: pa.Table | Trials) -> Trials:
    """A trials table with every column that a check reads, in its type.

    Columns beyond model, instrument, item_id, condition and outcome are filled with "unknown" where they are absent; a model's
    domain and seed are read from a name such as `maths/seed0`. Raises DataError naming a column that is missing, empty in places
    or of another type.
    """
    given = Trials.of(trials)
    if given.types:
        return given  # it is complete
    missing = [c for c in NEEDED if c not in given.column_names]
    if missing:
        raise DataError(f"table: no column {', '.join(missing)}; a trials table needs {', '.join(NEEDED)}")
    if not given.num_rows:
        raise DataError("table: holds no trial; name a table with rows")
    every = lambda value, kind: ((), lambda piece: pa.repeat(pa.scalar(value, kind), piece.num_rows))  # noqa: E731
    added: dict[str, Added] = {name: every(value, TYPES[name]) for name, value in DEFAULTS.items()}
    added |= {name: every(math.nan, pa.float64()) for name in NUMBERS}
    added |= {
        "domain": (("model",), lambda piece: _of_model(piece, lambda m: m.rsplit("/seed", 1)[0], pa.string())),
        "seed": (("model",), lambda piece: _of_model(piece, _seed_of, pa.int64())),
        "cluster_id": (("item_id",), lambda piece: piece["item_id"]),
    }
    table = Trials(given.source, TYPES, {name: how for name, how in added.items() if name not in given.column_names})
    filled = [c for c in (*NEEDED, "cluster_id", "domain", "seed") if c in given.column_names]
    cast = [n for n, kind in TYPES.items() if n in given.column_names and given.schema.field(n).type != kind]
    nulls = {}
    for name in dict.fromkeys([*cast, *filled]):
        try:
            nulls[name] = sum(piece[name].null_count for piece in table.pieces([name]))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DataError(f"table: column {name} holds {given.schema.field(name).type}, must be {TYPES[name]}") from None
    if empty := [c for c in filled if nulls[c]]:
        raise DataError(f"table: column {empty[0]} is empty in {nulls[empty[0]]} rows; every trial needs one")
    return table


def _of_model(piece: pa.RecordBatch, read: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    return pa.array([read(m) for m in piece["model"].dictionary.to_pylist()], kind).take(piece["model"].indices)


def _seed_of(model: str) -> int:
    _, slash, number = model.rpartition("/seed")
    return int(number) if slash and number.isdigit() else -1


def _facts_of_table(trials: Trials, band: float) -> StudyFacts:
    known = instruments.available()
    names = sorted(i for (i,) in distinct(trials, ["instrument"]))
    seeds = {domain: len(models) for domain, models in adapters_in(trials).items()}
    return StudyFacts(
        name="table",
        base="base",
        domains=tuple(DomainFacts(name=d, role="null" if d in NULLS else "domain") for d in sorted(seeds)),
        instruments=tuple(
            instrument_facts(n, known[n]) if n in known else InstrumentFacts(name=n, kind="benchmark", form="mass") for n in names
        ),
        equivalence_band=band,
        seeds=min(seeds.values(), default=0),
        estimands={},
    )
