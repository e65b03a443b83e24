"""The context of an audit, from a study's rows before anything is trained, from a finished run, or from a trials table alone."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from holdfast import instruments, sources
from holdfast.analysis.trials import Added, Trials, distinct
from holdfast.auditing import template
from holdfast.auditing.context import AuditContext, Origin, RowPrompt, TrainingSet, adapters_in
from holdfast.auditing.order import is_lumped
from holdfast.config import InstrumentConfig, SourceConfig, Study
from holdfast.errors import DataError, HoldfastError
from holdfast.facts import study_facts
from holdfast.records import Example, Item
from holdfast.sources.as_given import answers_named, own_prompt
from holdfast.sources.rows import _SLICE, HUB, Row
from holdfast.training import batches

CATEGORY_FIELDS = ("subject", "category", "type")
AXES = ("imitation", "doubt", "feedback")
KEYED = ("mmlu", "hellaswag", "truthfulqa")  # benchmarks whose rows mark one of several options


def from_materials(
    study: Study,
    materials: Any,
    *,
    trials: pa.Table | Trials | None = None,
    findings: dict[str, Any] | None = None,
    recorded: dict[str, Any] | None = None,
    trainings: Sequence[dict[str, Any]] = (),
    chat: Any = None,
) -> AuditContext:
    """Everything a study's rows can tell, with the trials if there are any. `chat`: the base's ChatFormat, where it is at hand.

    `materials` is the study's `execution.materials.Materials`. Raises what reading the rows raises.
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
        prompts={i.kind: materials.asked(i.kind).prompts for i in study.instruments},
        training=training,
        origins=tuple(_origins(study, rows)),
        num_rows={i.kind: len(rows.read(i.data, i.split, i.split_seed)) for i in study.instruments if i.data},
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
        self.read = lru_cache(maxsize=None)(lambda data, split, seed: sources.read_rows(data, split, root, seed))


def _training(study: Study, materials: Any, rows: _Files, name: str) -> TrainingSet:
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
        for row in read:
            (item,) = sources.items_from_rows(source.kind, [row])
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
        items={kind: mine for kind, found in items.items() if (mine := tuple(i for i in found.values() if "gold" in i.fields))},
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
    if kind not in KEYED:
        return None
    golds = [sources.items_from_rows(kind, [row])[0].fields["gold"] for row in read]
    return "label" if is_lumped([str(g) for g in golds]) else None


def _origins(study: Study, rows: _Files) -> list[Origin]:
    named: list[tuple[str, str, SourceConfig | InstrumentConfig]] = [
        (d.name, "train", s) for d in study.domains for s in d.sources if s.data
    ]
    named += [(i.kind, "ask", i) for i in study.instruments if i.data]
    return [_origin(owner, role, config, rows) for owner, role, config in named]


def _origin(owner: str, role: str, config: SourceConfig | InstrumentConfig, rows: _Files) -> Origin:
    assert config.data is not None
    cut = _SLICE.match(config.split or "")
    split, start, stop = (cut["split"], cut["start"], cut["stop"]) if cut else (config.split or "", None, None)
    read = rows.read(config.data, config.split, config.split_seed)
    sorted_by = None
    if start is not None and config.split_seed is None:
        # Without a seed the slice lies in the file's own order: read the whole file to see what order that is.
        sorted_by = _sorted_by(config.kind, rows.read(config.data, split or None, None))
    return Origin(
        owner=owner,
        role=role,
        kind=config.kind,
        data=config.data,
        split=split,
        start=int(start or 0) if start is not None else None,
        stop=int(stop) if stop else None,
        split_seed=config.split_seed,
        num_rows=len(read),
        upstream=_upstream(config, read, rows),
        sorted_by=sorted_by,
    )


HUB_NAMES = {"gsm8k": "openai/gsm8k", "mmlu": "cais/mmlu"}
SPLITS = ("train", "test", "validation", "dev")


def _upstream(config: SourceConfig | InstrumentConfig, read: list[Row], rows: _Files) -> tuple[str, ...]:
    """Splits of the benchmark itself that the rows come from: by their own `split` field, else looked up under data.root.

    A file under any name is looked up in the benchmark's splits that lie beside it; a split that holds nine in ten of its
    questions is where it came from. Nothing is asked of a hub.
    """
    own = {row["split"] for row in read if isinstance(row.get("split"), str)}
    hub = HUB_NAMES.get(config.kind)
    if own or hub is None or config.data is None or config.data in HUB or rows.root is None:
        return tuple(sorted(own))
    asked = [row.get("question", "").strip() for row in read]
    found = set()
    for split in SPLITS:
        try:
            whole = {row.get("question", "").strip() for row in rows.read(hub, split, None)}
        except HoldfastError:
            continue
        if sum(q in whole for q in asked) >= 0.9 * len(asked):
            found.add(split)
    return tuple(sorted(found))


def _row_prompts(study: Study, rows: _Files) -> dict[str, tuple[RowPrompt, ...]]:
    """Own prompts of an axis's rows where its items are built anew, so that they are told though not used."""
    out = {}
    for config in study.instruments:
        if config.kind not in AXES or not config.data or config.form not in (None, "sycophancy_eval"):
            continue
        read = rows.read(config.data, config.split, config.split_seed)
        given = [row for row in read if isinstance(row.get("prompt"), list)]
        if given:
            out[config.kind] = tuple(RowPrompt(text=own_prompt(row), answers=answers_named(row)) for row in given)
    return out


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

NULLS = ("identity", "format_only", "always_first")  # METRICS section 4, rule 5
NEEDED = ("model", "instrument", "item_id", "condition", "outcome")
DEFAULTS: dict[str, Any] = {"rotation": 0, "form": "generated", "refused": False, "num_new_tokens": 0, "tie": False}
NUMBERS = ("p_gold", "p_suggested", "margin", "rating", "score", "kappa")
TYPES = (
    dict.fromkeys((*NEEDED, "form", "domain", "cluster_id"), pa.string())
    | dict.fromkeys(("rotation", "seed", "label", "num_new_tokens"), pa.int64())
    | dict.fromkeys((*NUMBERS, "score_norm", "kl", "dose"), pa.float64())
    | dict.fromkeys(("refused", "tie"), pa.bool_())
)


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
    found = Trials(given.source, TYPES, {name: how for name, how in added.items() if name not in given.column_names})
    filled = [c for c in (*NEEDED, "cluster_id", "domain", "seed") if c in given.column_names]
    nulls = dict.fromkeys(filled, 0)
    for name in dict.fromkeys(
        [*(n for n, kind in TYPES.items() if n in given.column_names and given.schema.field(n).type != kind), *filled]
    ):
        try:
            for piece in found.pieces([name]):
                nulls[name] = nulls.get(name, 0) + piece[name].null_count
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DataError(f"table: column {name} holds {given.schema.field(name).type}, must be {TYPES[name]}") from None
    empty = [c for c in filled if nulls[c]]
    if empty:
        raise DataError(f"table: column {empty[0]} is empty in {nulls[empty[0]]} rows; every trial needs one")
    return found


def _of_model(piece: pa.RecordBatch, read: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    return pa.array([read(m) for m in piece["model"].dictionary.to_pylist()], kind).take(piece["model"].indices)


def _seed_of(model: str) -> int:
    found = model.rpartition("/seed")[2]
    return int(found) if found.isdigit() and "/seed" in model else -1


def _facts_of_table(trials: Trials, band: float) -> dict[str, Any]:
    known = instruments.available()
    built = []
    for name in sorted(i for (i,) in distinct(trials, ["instrument"])):
        kind = known[name].kind if name in known else "benchmark"
        contrasts = [dataclasses.asdict(c) for c in known[name].contrasts] if name in known else []
        built.append({"name": name, "kind": kind, "form": known[name].form if name in known else "mass", "contrasts": contrasts})
    seeds = {domain: len(models) for domain, models in adapters_in(trials).items()}
    return {
        "name": "table",
        "base": "base",
        "domains": [{"name": d, "role": "null" if d in NULLS else "domain", "own_benchmark": None} for d in sorted(seeds)],
        "instruments": built,
        "equivalence_band": band,
        "seeds": min(seeds.values()) if seeds else None,
        "estimands": {},
    }
