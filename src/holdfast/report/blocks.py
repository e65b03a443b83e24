"""What a page contains besides its text: compressed blocks of data, and the scripts and styles it needs, each allowed by its hash.

A block is base64 of gzip of: length of the header (uint32, little-endian), the header (JSON, UTF-8, padded to 4 bytes), and the
arrays that the header names as [name, type, count], each padded to 4 bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from markupsafe import Markup

from holdfast.report.transcripts import OUTCOMES, Model, Prompts, joined

_TYPES = {"uint8": "Uint8Array", "uint32": "Uint32Array"}


def block(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> Markup:
    """Text for an element that no browser executes; it contains no markup."""
    arrays = arrays or {}
    named = {**header, "arrays": [[name, _TYPES[a.dtype.name], len(a)] for name, a in arrays.items()]}
    head = json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    head += b" " * (-len(head) % 4)
    parts = [len(head).to_bytes(4, "little"), head]
    for a in arrays.values():
        data = a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes()
        parts.append(data + b"\0" * (-len(data) % 4))
    return Markup(base64.b64encode(gzip.compress(b"".join(parts), 6, mtime=0)).decode())  # noqa: S704


def trials_block(models: Sequence[Model], prompts: Prompts) -> Markup:
    """Trials of some models with the prompts they need."""
    used, prompt = np.unique(joined([x for m in models for x in m.prompt]).astype(np.int64), return_inverse=True)
    entries = [prompts.entries[k] for k in used.tolist()]
    coded = {name: _coded([getattr(e, name) for e in entries]) for name in ("instrument", "item", "condition", "prefill")}
    choices, choice_set = _coded([tuple(e.choices) for e in entries])
    replies, reply = list[str](), []
    for m in models:
        mine = joined(m.reply).astype(np.int64)
        reply.append(np.where(mine > 0, mine + len(replies), 0))
        replies += m.replies
    header = {
        "models": [{"name": m.name, "count": len(m), **m.id._asdict()} for m in models],
        "outcomes": list(OUTCOMES),
        **{name: values for name, (values, _) in coded.items()},
        "rotation": [e.rotation for e in entries],
        "text": [e.text for e in entries],
        "choices": choices,
        "gold": [e.gold for e in entries],
        "replies": replies,
    }
    arrays = {
        "prompt": prompt.astype(np.uint32),
        "outcome": joined([x for m in models for x in m.outcome]).astype(np.uint8),
        "probability": joined([x for m in models for x in m.probability]).astype(np.uint8),
        "reply": joined(reply).astype(np.uint32),
        **{f"prompt_{name}": np.array(codes, dtype=np.uint32) for name, (_, codes) in coded.items()},
        "prompt_choices": np.array(choice_set, dtype=np.uint32),
    }
    return block(header, arrays)


def _coded(values: Sequence[Hashable]) -> tuple[list[Hashable], list[int]]:
    """The distinct values, and the index of each value among them."""
    number: dict[Hashable, int] = {}
    codes = [number.setdefault(v, len(number)) for v in values]
    return list(number), codes


@cache
def asset(name: str) -> Markup:
    """A script or style of the package, ready to be inlined."""
    text = resources.files("holdfast").joinpath("report", "assets", name).read_text(encoding="utf-8")
    return Markup("\n" + text.replace("</script", "<\\/script") + "\n")  # noqa: S704


def policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy of a page: these inline scripts and nothing else, no request to anywhere."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(str(asset(s)).encode()).digest()).decode()}'" for s in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
