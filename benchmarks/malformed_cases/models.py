"""Checkpoints and adapters in the hub's formats, damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.common import BYTES, SMALL, Case, put


def checkpoint(folder: Path) -> Path:
    from holdfast.models.random_llama import write_random_llama

    return write_random_llama(folder / "base", hidden_size=16, num_layers=1)


def damaged(base: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    copy = folder / "copy"
    shutil.copytree(base, copy)
    change(copy)
    return copy


def _as_pickle(place: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for file in place.glob("*.safetensors"):
        torch.save(
            load_file(file),
            file.with_name(file.stem.replace("model", "pytorch_model", 1) + ".bin" if file.stem == "model" else file.stem + ".bin"),
        )
        file.unlink()


def damages(files: dict[str, list[str]]) -> Iterator[tuple[str, Callable[[Path], None], bool]]:
    for file, only in files.items():
        for name, data in BYTES.items():
            if not only or name in only:
                yield f"{file}: {name}", lambda p, n=file, d=data: (p / n).write_bytes(d) and None, True
        yield f"{file}: missing", lambda p, n=file: (p / n).unlink(), True
        for share in (0.1, 0.5, 0.99):
            yield (
                f"{file}: cut at {share}",
                lambda p, n=file, s=share: (p / n).write_bytes((p / n).read_bytes()[: int(s * (p / n).stat().st_size)]) and None,
                True,
            )


def _key(file: str, key: str, value: Any) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        held = json.loads((place / file).read_bytes())
        held[key] = value
        (place / file).write_text(json.dumps(held))

    return change


SOME = ["empty", "binary", "half", "deep", "a number", "a list", "null", "not utf-8", "utf-16"]


def checkpoints(base: Path) -> Iterator[Case]:
    files = {
        "config.json": SOME,
        "model.safetensors": [],
        "tokenizer.json": SOME,
        "tokenizer_config.json": ["binary", "half", "deep", "a number", "not utf-8"],
    }
    edits = list(damages(files))
    edits += [
        ("pickle only", _as_pickle, True),
        ("empty folder", lambda p: [x.unlink() for x in p.iterdir() if x.is_file()] and None, True),
    ]
    edits += [
        (f"config.{k} = {str(v)[:12]!r}", _key("config.json", k, v), True)
        for k, v in (
            ("model_type", "nosuch"),
            ("model_type", None),
            ("hidden_size", 17),
            ("hidden_size", "x"),
            ("hidden_size", -4),
            ("num_attention_heads", 0),
            ("vocab_size", 3),
            ("vocab_size", None),
            ("num_hidden_layers", "x"),
            ("num_key_value_heads", 3),
            ("hidden_act", "nosuch"),
        )
    ]
    edits += [
        ("template: broken", _template("{% for"), True),
        ("template: raises", _template("{{ raise_exception('no') }}"), True),
        ("template: unknown filter", _template("{{ messages | nosuch }}"), True),
    ]
    for name, change, must in edits:
        # Other files may say what tokenizer_config.json does not.
        may = name.startswith(("tokenizer_config.json: missing",)) or "tokenizer_config.json: cut at 0.99" in name
        yield Case("checkpoints", f"doctor {name}", lambda f, c=change: ["doctor", str(damaged(base, f, c))], must and not may)
    shapes = list(damages({"config.json": SOME})) + [e for e in edits if e[0].startswith("config.") and "=" in e[0] and "vocab" not in e[0]]
    for name, change, _ in shapes:
        yield Case(
            "checkpoints",
            f"plan --device-memory {name}",
            lambda f, c=change: ["plan", str(put(f / "s.yaml", SMALL)), f"model.name={damaged(base, f, c)}", "--device-memory", "8"],
            "key_value" not in name,
        )


def _template(text: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        (place / "chat_template.jinja").write_text(text)

    return change


def adapters(run: Path) -> Iterator[Case]:
    good = next((run / "adapters").iterdir())
    edits = list(damages({"adapter_config.json": SOME, "adapter_model.safetensors": []}))
    edits += [("pickle only", _as_pickle, True)]
    edits += [
        (f"{k} = {str(v)[:12]!r}", _key("adapter_config.json", k, v), True)
        for k, v in (
            ("peft_type", "NOSUCH"),
            ("r", "x"),
            ("r", 5),
            ("r", -1),
            ("r", 0),
            ("target_modules", ["nosuch"]),
            ("target_modules", 3),
            ("lora_alpha", "x"),
            ("task_type", "x"),
            ("peft_type", None),
        )
    ]
    for name, change, must in edits:
        yield Case(
            "adapters",
            f"probe {name}",
            lambda f, c=change: [
                "probe",
                "world:0",
                "--study",
                str(put(f / "s.yaml", SMALL)),
                "--limit",
                "1",
                "--device",
                "cpu",
                "--adapter",
                str(damaged(good, f, c)),
            ],
            must and not name.startswith(("task_type",)),
        )
