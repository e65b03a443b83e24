"""The study file itself: every line a reader may want to change says what it does."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from holdfast import instruments
from holdfast.starter.look import LARGE, ModelSummary
from holdfast.starter.rows import RowChoice, Rows

MOST_TRAINED, MOST_ASKED = 1000, 300


def study_text(name: str, model: ModelSummary, root: str | None, choices: Sequence[RowChoice], schema: str | None) -> str:
    """YAML of a study: a domain for every benchmark with training rows, Combined and its matched control, null adapters, all instruments."""
    classes = instruments.available()
    trained = [(c, c.train, classes[c.kind].domain_name or c.kind) for c in choices if c.train is not None]
    first = trained[0][2]
    size = "parameters unknown" if model.parameters is None else f"{model.parameters / 1e6:,.1f} million parameters"
    large = model.parameters is None or model.parameters >= LARGE
    lines = [f"# yaml-language-server: $schema={schema}"] * bool(schema)
    lines += [
        f"# holdfast plan {name}.yaml   what it takes",
        f"# holdfast run {name}.yaml    trains, measures, writes the report; run it again to resume",
        f"name: {name}",
        "",
        f"# The base model: {size}.",
        *(f"# {remark}" for remark in model.remarks),
        f"model: {{name: {_quoted(model.name)}, dtype: {model.dtype}}}",
        "",
        "# Adapters of each domain, trained from different seeds. With fewer than three, an interval says little about training noise.",
        "seeds: 3",
        "",
    ]
    if root is not None:
        lines += ["# Folder of the rows below.", f"data: {{root: {_quoted(root)}}}", ""]
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
        "  per_device_train_batch_size: 16  # examples of one optimizer step",
        "  max_length: 512  # tokens; longer rows are cut, and the audit says how many",
        "",
        "# What is learned. own_benchmark: where a gain is expected. match_steps_of: every domain is trained for as many steps as the first,",
        "# so that differences are not due to training length.",
        "domains:",
    ]
    for c, rows, domain in trained:
        settings = f"name: {domain}, own_benchmark: {c.kind}, match_steps_of: {first}"
        settings += ", verifiable: true" * classes[c.kind].verifiable
        lines += [f"  # {c.why}"] * bool(c.why)
        source = f"{{kind: {c.kind}, {_named(rows)}, limit: {min(MOST_TRAINED, rows.count)}}}"
        lines.append(f"  - {{{settings}, sources: [{source}]}}  # of {rows.count:,} rows")
    if len(trained) > 1:
        parts = f"[{', '.join(domain for _, _, domain in trained)}]"
        lines += [
            "  # All of them together, and a control with the steps of one.",
            f"  - {{name: combined, parts: {parts}}}",
            f"  - {{name: combined_matched, role: control, parts: {parts}, match_steps_of: {first}}}",
        ]
    lines += [
        "  # Null adapters: what training does without anything to learn. A shift they show does not come from the content of the data.",
        f'  - {{name: format_only, role: "null", answers: permuted, parts: [{first}], match_steps_of: {first}}}',
        '  - {name: identity, role: "null", identity: true}',
        "",
        "# What is asked of the base and of every adapter. limit: items, drawn at random with item_seed.",
        "instruments:",
    ]
    for c in choices:
        form = f", form: {c.form}" if c.form else ""
        lines += [f"  # {c.why}"] * bool(c.why and c.train is None)
        settings = f"kind: {c.kind}, {_named(c.asked)}{form}, limit: {min(MOST_ASKED, c.asked.count)}"
        lines.append(f"  - {{{settings}}}  # of {c.asked.count:,} rows")
    absent = [a for a in instruments.available("axis") if a not in {c.kind for c in choices}]
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
    bare = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and text.lower() not in ("null", "true", "false", "yes", "no", "on", "off")
    return text if bare else json.dumps(text)
