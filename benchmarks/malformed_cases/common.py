"""What every kind of malformed input is made with."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SMALL = """name: small
seeds: 1
train: {r: 2, lora_alpha: 4, num_train_epochs: 1}
domains: [{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 32}]}]
instruments: [{kind: gsm8k, limit: 6, style: world}, {kind: imitation, limit: 6, style: world}]
execution: {processes: 1, device: cpu}
"""
HOSTILE: list[Any] = [None, True, 0, -1, 10**400, 1.5, float("nan"), float("inf"), "", " ", "\x00", "\ud800", "\x1b[31m=1", "x" * 100_000,
                      [], {}, [[]], [None], {"a": None}, ["a", 1], [[["deep"]]], {"": {}}, "9" * 5000, "𝟛", "²"]  # fmt: skip
BYTES: dict[str, bytes] = {
    "empty": b"", "binary": bytes(range(256)) * 8, "nul": b"\x00" * 64, "not utf-8": b'{"question": "\xff\xfe"}\n', "half": b'{"a": [1, 2',
    "deep": b"[" * 200_000, "deep objects": b'{"a":' * 100_000, "a number": b"17", "a text": b'"x"', "null": b"null", "a list": b"[1, 2]",
    "nan": b"NaN", "huge number": b"9" * 6000, "utf-16": '{"a": 1}'.encode("utf-16"), "gzip cut": gzip.compress(b"{}" * 999)[:-9],
    "gzip of nothing": gzip.compress(b""), "gzip header": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff", "huge line": b'{"a": "' + b"y" * 3_000_000,
    "a parquet head": b"PAR1" + b"\x15\x04" * 40 + b"PAR1", "a zip head": b"PK\x03\x04" + b"\x00" * 60,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """`make(folder)` writes the input and returns the arguments; `must`: no reading of it is good, it has to be refused.

    `remark`: words of a line that is said of the input besides. `right(folder, stdout)`, for input that is accepted: what is wrong with the numbers it gave, or None.
    """

    kind: str
    name: str
    make: Callable[[Path], list[str]]
    must: bool = True
    right: Callable[[Path, str], str | None] | None = None
    remark: str = ""


def put(path: Path, data: bytes | str | Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data)
    path.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    return path


def changed(row: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    row = json.loads(json.dumps(row))
    *way, last = path.split(".")
    part = row
    for step in way:
        part = part[step]
    if value is KeyError:
        part.pop(last, None)
    else:
        part[last] = value
    return row


def line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


def noise(data: bytes, draw: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(out) + 1)
        act = draw.randrange(4)
        if act == 0:
            out[at : at + 1] = bytes([draw.randrange(256)])
        elif act == 1:
            del out[at : at + draw.randint(1, 20)]
        elif act == 2:
            out[at:at] = draw.choice(
                [b"\x00", b"\n", b'"', b"{", b"[", b"\xff", b"NaN", b"1e999", b"\\u0000", b"\\ud800", b"null", b"-", b": "]
            )
        else:
            out[at:at] = out[draw.randrange(len(out) + 1) :][: draw.randint(1, 40)]
    return bytes(out)
