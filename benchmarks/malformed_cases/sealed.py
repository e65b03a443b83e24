"""Folders of runs: files beneath a manifest, damaged in every way; folders that belong to others; places that cannot be written."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.malformed_cases.common import BYTES, SMALL, Case, put

READ = {
    "findings.json": ("report", "figures", "tables", "compare", "audit"),
    "audit.json": ("report", "analyze", "tables", "figures", "compare"),
    "trials.parquet": ("analyze", "audit", "report"),
    "study.yaml": ("analyze", "audit", "report", "compare"),
    "transcripts.jsonl.gz": ("report",),
    "environment.json": ("report",),
    "adapters/maths-seed0/training.json": ("report", "audit"),
    "manifest.json": ("report", "analyze", "audit", "tables", "figures", "compare"),
}
UNREAD = ("plan.json", "timing.json", "report.md", "figures/tradeoff.svg", "adapters/maths-seed0/adapter_config.json",
          "adapters/maths-seed0/adapter_model.safetensors")  # fmt: skip
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a bit at its start": lambda d: bytes([d[0] ^ 1]) + d[1:],
    "a bit at its end": lambda d: d[:-1] + bytes([d[-1] ^ 2]),
    **{f"a bit at {k}/7": lambda d, k=k: d[: (at := len(d) * k // 7)] + bytes([d[at] ^ 4]) + d[at + 1 :] for k in (1, 2, 3, 4, 5, 6)},
    "a byte more": lambda d: d + b"\n",
    "a byte less": lambda d: d[:-1],
    "half": lambda d: d[: len(d) // 2],
    "zeros": lambda d: bytes(len(d)),
    "reversed": lambda d: d[::-1],
    "another digit": lambda d: d.replace(b"1", b"2", 1) if b"1" in d else d + b"2",
    "twice": lambda d: d * 2,
}
ODD = [*map(chr, (*range(1, 32), 127, *range(0x80, 0xA0, 5))), "\u202e", "\u2066", "\u200e", "\u2028", "\ufffe", "\udcff", "\udc80x"]


def sealed(run: Path) -> Iterator[Case]:
    yield from damaged(run)
    yield from unread(run)
    yield from others(run)
    yield from places(run)
    yield from bombs(run)


def _copy(run: Path, folder: Path, *without: str) -> Path:
    return Path(shutil.copytree(run, folder / "copy", ignore=shutil.ignore_patterns("cells", *without)))


def _case(name: str, make: Callable[[Path], list[str]], right: Callable[[Path, str], str | None] | None = None) -> Case:
    return Case("sealed", name, make, right is None, right)


def _on(command: str, run: Path, copy: Path) -> list[str]:
    return [command, str(copy), *([str(run)] if command == "compare" else [])]


def damaged(run: Path) -> Iterator[Case]:
    """What a command reads is not what the run wrote: refused by name."""
    for name, commands in READ.items():
        ways = {**DAMAGE, **{f"holds {what}": lambda _, d=data: d for what, data in BYTES.items()}}
        for what, change in ways.items():
            for command in commands:

                def make(folder: Path, n: str = name, f: Callable[[bytes], bytes] = change, c: str = command) -> list[str]:
                    copy = _copy(run, folder)
                    (copy / n).write_bytes(f((copy / n).read_bytes()))
                    return _on(c, run, copy)

                yield _case(f"{command}: {name}: {what}", make)
        for command in commands if name in ("findings.json", "study.yaml", "trials.parquet") else ():

            def gone(folder: Path, n: str = name, c: str = command) -> list[str]:
                copy = _copy(run, folder)
                (copy / n).unlink()
                (copy / n).mkdir()
                return _on(c, run, copy)

            yield _case(f"{command}: {name} is a folder", gone)


def unread(run: Path) -> Iterator[Case]:
    """What a command does not read, or makes again, changes nothing: the numbers are the run's."""
    adapters = json.loads((run / "findings.json").read_bytes())["adapters"]
    tables = {p.name: p.read_bytes() for p in (run / "tables").glob("*.csv")}

    def same(_: Path, out: str) -> str | None:
        return None if json.loads(out)["adapters"] == adapters else "other findings"

    def drawn(folder: Path, _: str) -> str | None:
        found = {n: (folder / "copy" / "tables" / n).read_bytes() for n in tables}
        page = (folder / "copy" / "report.html").read_text()
        return None if found == tables and page.rstrip().endswith("</html>") else "the report was not made again"

    for name in (*UNREAD, "report.html", "tables/gains.csv", "tables/behaviour.csv"):
        for what, change in DAMAGE.items():
            for command, right in (("analyze", same), ("report", drawn)):
                if command == "report" and what.startswith("a bit at ") and what.endswith("/7"):
                    continue

                def make(folder: Path, n: str = name, f: Callable[[bytes], bytes] = change, c: str = command) -> list[str]:
                    copy = _copy(run, folder)
                    (copy / n).write_bytes(f((copy / n).read_bytes()))
                    return [c, str(copy), *(["--json"] if c == "analyze" else [])]

                yield _case(f"{command}: {name}: {what}", make, right)
    for name in ("manifest.json", "report.html", "timing.json", "plan.json", "tables/gains.csv", "transcripts.jsonl.gz"):

        def without(folder: Path, n: str = name) -> list[str]:
            copy = _copy(run, folder)
            (copy / n).unlink()
            return ["analyze", str(copy), "--json"]

        yield _case(f"analyze: no {name}", without, same)


def others(run: Path) -> Iterator[Case]:
    """A folder that belongs to another study, or to somebody."""
    settings = [
        "name=other", "model.name=world:1", "model.name=random:0", "model.dtype=bfloat16", "item_seed=1", "train.r=4", "train.lora_alpha=8",
        "train.lora_dropout=0.1", "train.target_modules=[q_proj]", "train.learning_rate=0.001", "train.num_train_epochs=2", "train.max_length=64",
        "train.lr_scheduler_type=linear", "train.warmup_ratio=0.1", "train.warmup_steps=1", "train.weight_decay=0.1", "train.max_grad_norm=2",
        "train.per_device_train_batch_size=8", "train.gradient_accumulation_steps=2", "train.completion_only_loss=false", "train.train_eos=false",
        "train.chat_template=false", "train.shuffle=false", "instruments.gsm8k.style=chat", "instruments.imitation.style=chat",
        "domains.maths.sources.world.domain=truth", "domains=[{name: law, sources: [{kind: world, domain: truth, limit: 32}]}]",
        "domains=[{name: maths, sources: [{kind: world, domain: truth, limit: 32}]}]",
    ]  # fmt: skip
    for setting in settings:
        for command in ("run", "collect"):

            def make(folder: Path, s: str = setting, c: str = command) -> list[str]:
                (folder / "out" / "cells").mkdir(parents=True)
                shutil.copy(run / "study.yaml", folder / "out")
                return [c, str(put(folder / "s.yaml", SMALL)), s, "-o", str(folder / "out"), "--offline"]

            yield _case(f"{command} {setting} in another study's folder", make)
    for name in ("study.yaml", "plan.json", "findings.json", "audit.json", "trials.parquet", "transcripts.jsonl.gz", "environment.json",
                 "timing.json", "report.html", "report.md"):  # fmt: skip
        for command in ("run", "collect"):

            def foreign(folder: Path, n: str = name, c: str = command) -> list[str]:
                put(folder / "out" / n, "mine: 1\n")
                return [c, str(put(folder / "s.yaml", SMALL)), "-o", str(folder / "out"), "--offline"]

            yield _case(f"{command} in a folder with somebody's {name}", foreign)
    for what, change in DAMAGE.items():
        for command in ("run", "collect", "plan"):

            def edited(folder: Path, f: Callable[[bytes], bytes] = change, c: str = command) -> list[str]:
                (folder / "out" / "cells").mkdir(parents=True)
                file = put(folder / "out" / "study.yaml", f((run / "study.yaml").read_bytes()))
                return [c, str(file), "-o", str(folder / "out"), "--offline"]

            yield _case(f"{command} of a run's own study.yaml, with {what}", edited)


def places(run: Path) -> Iterator[Case]:
    """Where nothing can be written, said before any work."""
    study = lambda folder: str(put(folder / "s.yaml", SMALL))  # noqa: E731
    asks: dict[str, Callable[[Path], list[str]]] = {
        "run": lambda f: ["run", study(f), "--offline"],
        "plan": lambda f: ["plan", study(f), "--offline"],
        "collect": lambda f: ["collect", study(f), "--offline"],
        "tables": lambda f: ["tables", str(run)],
        "figures": lambda f: ["figures", str(run)],
        "schema": lambda f: ["schema"],
        "init": lambda f: ["init", "random:0"],
        "rescore": lambda f: ["rescore", str(put(f / "r.jsonl", '{"kind": "number", "response": "1", "gold": "1"}\n'))],
    }
    for command, ask in asks.items():
        for odd in ODD:
            yield _case(f"{command} -o {odd!a}", lambda f, a=ask, o=odd: [*a(f), "-o", f"{f}/a{o}b"])
        for empty in ("", " ", "\t", "   "):
            yield _case(f"{command} -o {empty!r}", lambda f, a=ask, e=empty: [*a(f), "-o", e])
    for command in ("run", "collect", "tables", "figures", "schema", "rescore"):
        for place in ("/dev/full", "/dev/null", "/dev/null/x", "y" * 300, "s.yaml/x", "/proc/x"):
            if (command, place) not in (("schema", "s.yaml/x"), ("rescore", "s.yaml/x"), ("tables", "s.yaml/x"), ("figures", "s.yaml/x")):
                yield _case(f"{command} -o {place[:20]}", lambda f, a=asks[command], p=place: [*a(f), "-o", p])


def bombs(run: Path) -> Iterator[Case]:
    """A small file that unpacks to a large one."""
    part = {"zeros": bytes(1 << 20), "text": b"y" * (1 << 20), "spaces": b" " * (1 << 20), "rows of nothing": b" " * (1 << 19) + b"\n"}
    packed = {what: gzip.compress(data, 9) for what, data in part.items()}  # members one after the other are one file
    for what, data in packed.items():
        yield _case(f"rescore {what}", lambda f, d=data: ["rescore", str(put(f / "t.jsonl.gz", d * 600))])

    def rows(folder: Path) -> list[str]:
        put(folder / "gsm.jsonl.gz", packed["zeros"] * 270)
        text = SMALL.replace("{kind: gsm8k, limit: 6, style: world}", "{kind: gsm8k, data: gsm.jsonl.gz}")
        return ["audit", str(put(folder / "s.yaml", f"data: {{root: {folder}}}\n{text}"))]

    yield _case("audit of rows", rows)

    def transcripts(folder: Path) -> list[str]:
        copy = _copy(run, folder, "manifest.json")
        put(copy / "transcripts.jsonl.gz", packed["zeros"] * 80)
        return ["report", str(copy)]

    yield Case("sealed", "report of transcripts", transcripts, remark="cannot be checked: no manifest.json")
