"""What a page carries besides its text: compressed blocks of data, and the scripts and styles it needs, each allowed by its hash.

A block is base64 of gzip of: length of the header (uint32, little-endian), the header (JSON, UTF-8, padded to 4 bytes), and the
arrays that the header names as [name, type, count], each padded to 4 bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from markupsafe import Markup

from holdfast.report.transcripts import OUTCOMES, Model, Prompts

_TYPES = {"uint8": "Uint8Array", "uint32": "Uint32Array"}


def block(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> Markup:
    """Text for an element that no browser runs. Nothing in it is markup."""
    arrays = arrays or {}
    named = {**header, "arrays": [[name, _TYPES[a.dtype.name], len(a)] for name, a in arrays.items()]}
    head = json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    head += b" " * (-len(head) % 4)
    parts = [len(head).to_bytes(4, "little"), head]
    for a in arrays.values():
        data = a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes()
        parts.append(data + b"\0" * (-len(data) % 4))
    return Markup(base64.b64encode(gzip.compress(b"".join(parts), 6, mtime=0)).decode())  # noqa: S704


def trials_block(models: Sequence[Model], prompts: Prompts, about: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Trials of some models with the prompts they need. `about`: per model name, what the page's filters go by."""
    join = lambda field: np.concatenate([np.zeros(0, np.uint32), *(x for m in models for x in getattr(m, field))])  # noqa: E731
    prompt = join("prompt").astype(np.int64)
    used, prompt = np.unique(prompt, return_inverse=True)
    entries = [prompts.entries[k] for k in used.tolist()]
    columns = list(zip(*entries, strict=True)) if entries else [()] * 8
    listed: dict[str, Any] = {}
    for name, values in zip(("instrument", "item", "condition", "prefill"), (columns[0], columns[1], columns[2], columns[5]), strict=True):
        listed[name] = _listed(values)
    sets: dict[tuple[str, ...], int] = {}
    choice_set = [sets.setdefault(tuple(c), len(sets)) for c in columns[6]]
    offset, replies, reply = 0, [], []
    for m in models:
        mine = np.concatenate([np.zeros(0, np.uint32), *m.reply]).astype(np.int64)
        reply.append(np.where(mine > 0, mine + offset, 0))
        offset += len(m.replies)
        replies += m.replies
    header = {
        "models": [{"name": m.name, "count": len(m), **about.get(m.name, {})} for m in models],
        "outcomes": list(OUTCOMES),
        **{name: names for name, (names, _) in listed.items()},
        "rotation": list(columns[3]),
        "text": list(columns[4]),
        "choices": [list(s) for s in sets],
        "gold": list(columns[7]),
        "replies": replies,
    }
    return block(
        header,
        {
            "prompt": prompt.astype(np.uint32),
            "outcome": join("outcome").astype(np.uint8),
            "probability": join("probability").astype(np.uint8),
            "reply": np.concatenate([np.zeros(0, np.int64), *reply]).astype(np.uint32),
            **{f"prompt_{name}": np.array(codes, dtype=np.uint32) for name, (_, codes) in listed.items()},
            "prompt_choices": np.array(choice_set, dtype=np.uint32),
        },
    )


def _listed(values: Sequence[str]) -> tuple[list[str], list[int]]:
    number: dict[str, int] = {}
    codes = [number.setdefault(v, len(number)) for v in values]
    return list(number), codes


@cache
def asset(name: str) -> Markup:
    """A script or style of the package, as it is inlined."""
    text = resources.files("holdfast").joinpath("report", "assets", name).read_text(encoding="utf-8")
    return Markup("\n" + text.replace("</script", "<\\/script") + "\n")  # noqa: S704


def policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy of a page: these inline scripts and nothing else, no request to anywhere."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(str(asset(s)).encode()).digest()).decode()}'" for s in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
