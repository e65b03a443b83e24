"""The study file itself: every line a reader may want to change says what it does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from holdfast.starter.look import Looked
from holdfast.starter.rows import Chosen, Rows

DOMAINS = {"gsm8k": "maths", "mmlu": "knowledge", "hellaswag": "common_sense", "truthfulqa": "truth"}
AXES = ("imitation", "feedback", "doubt")
VERIFIABLE = ("gsm8k",)
MOST_TRAINED, MOST_ASKED = 1000, 300


def study_text(name: str, model: Looked, root: str | None, chosen: Sequence[Chosen], schema: str | None) -> str:
    """YAML of a study: a domain for every benchmark with training rows, Combined and its matched control, null adapters, all instruments."""
    benchmarks = [c for c in chosen if c.kind in DOMAINS]
    trained = [c for c in benchmarks if c.train is not None]
    first = DOMAINS[trained[0].kind]
    size = "parameters unknown" if model.parameters is None else f"{model.parameters / 1e6:,.1f} million parameters"
    large = model.parameters is None or model.parameters >= 1_000_000_000
    lines = [f"# yaml-language-server: $schema={schema}"] * bool(schema)
    lines += [
        f"# holdfast plan {name}.yaml   what it takes",
        f"# holdfast run {name}.yaml    trains, measures, writes the report; run it again to go on",
        f"name: {name}",
        "",
        f"# The base model: {size}.",
        *(f"# {remark}" for remark in model.remarks),
        f"model: {{name: {_quoted(model.name)}, dtype: {model.dtype}}}",
        "",
        "# Adapters of each domain, trained from different seeds. Below three an interval says little of training.",
        "seeds: 3",
        "",
    ]
    if root is not None:
        lines += ["# Where the rows below lie.", f"data: {{root: {_quoted(root)}}}", ""]
    lines += [
        "# Training rows that are also asked are left out of training (refuse: stop instead; allow: the audit refuses those cells).",
        "overlap: drop",
        "",
        "# One adapter's training; names are PEFT's and those of transformers' TrainingArguments.",
        "train:",
        "  r: 16",
        "  lora_alpha: 32",
        f"  learning_rate: {2.0e-4 if large else 5.0e-4}",
        "  num_train_epochs: 3",
        "  per_device_train_batch_size: 16  # examples of one optimiser step",
        "  max_length: 512  # tokens; longer rows are cut, and the audit says how many",
        "",
        "# What is learnt. own_benchmark: where a gain is expected. match_steps_of: every domain is trained for as many steps as the first,",
        "# so that a difference is not one of amount.",
        "domains:",
    ]
    for c in trained:
        settings = f"name: {DOMAINS[c.kind]}, own_benchmark: {c.kind}, match_steps_of: {first}"
        settings += ", verifiable: true" * (c.kind in VERIFIABLE)
        lines += [f"  # {c.why}"] * bool(c.why)
        source = f"{{kind: {c.kind}, {_named(c.train)}, limit: {min(MOST_TRAINED, c.train.count)}}}"
        lines.append(f"  - {{{settings}, sources: [{source}]}}  # of {c.train.count:,} rows")
    if len(trained) > 1:
        parts = f"[{', '.join(DOMAINS[c.kind] for c in trained)}]"
        lines += [
            "  # All of them together, and a control with the steps of one.",
            f"  - {{name: combined, parts: {parts}}}",
            f"  - {{name: combined_matched, role: control, parts: {parts}, match_steps_of: {first}}}",
        ]
    lines += [
        "  # Null adapters: what training without anything to learn does. A shift of theirs is not one of what is learnt.",
        f'  - {{name: format_only, role: "null", answers: permuted, parts: [{first}], match_steps_of: {first}}}',
        '  - {name: identity, role: "null", identity: true}',
        "",
        "# What is asked of the base and of every adapter. limit: items, drawn at random with item_seed.",
        "instruments:",
    ]
    for c in chosen:
        form = f", form: {c.form}" if c.form else ""
        lines += [f"  # {c.why}"] * bool(c.why and c.train is None)
        lines.append(
            f"  - {{kind: {c.kind}, {_named(c.asked)}{form}, limit: {min(MOST_ASKED, c.asked.count)}}}  # of {c.asked.count:,} rows"
        )
    absent = [a for a in AXES if a not in {c.kind for c in chosen}]
    lines += [f"  # No rows of {axis} were found: that axis is not measured." for axis in absent]
    return "\n".join(lines) + "\n"


def name_of(path: Path) -> str:
    """A study's name from its file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:100] or "study"


def _named(rows: Rows) -> str:
    text = f"data: {_quoted(rows.data)}"
    if rows.split is not None:
        text += f", split: {_quoted(rows.split)}"
    return text + ", split_seed: 0" * rows.sliced


def _quoted(text: str) -> str:
    """A YAML scalar on one line; JSON's strings are YAML's."""
    return (
        text
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and text.lower() not in ("null", "true", "false", "yes", "no", "on", "off")
        else json.dumps(text)
    )
