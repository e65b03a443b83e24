"""Malformed input of every kind through the command line, in this process: refused in one line, with no traceback and no hang.

    python -m benchmarks.malformed [--mutations 400] [--seed 0] [--only study,rows,...] [--show]

A corpus of known offences, each of which must be refused (exit code 2, or 3 where results are incomplete; exactly one line on stderr that
starts with `holdfast:`), then seeded mutations of good input, which may also turn out to be usable (exit code 0, no traceback).
Prints counts by kind of input; exits with 1 if any case ends otherwise. Needs nothing but this package.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60  # a case that takes longer hangs

SMALL = """name: small
seeds: 1
train: {r: 2, lora_alpha: 4, num_train_epochs: 1}
domains: [{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 32}]}]
instruments: [{kind: gsm8k, limit: 6, style: world}, {kind: imitation, limit: 6, style: world}]
execution: {processes: 1, device: cpu}
"""
GOOD: dict[str, dict[str, Any]] = {
    "gsm8k": {"question": "1+1?", "answer": "It is 2\n#### 2"},
    "mmlu": {"question": "Which?", "subject": "x", "choices": ["a", "b", "c", "d"], "answer": 2},
    "hellaswag": {"ctx": "He sat.", "ctx_a": "He sat.", "ctx_b": "then", "activity_label": "Home", "endings": ["a", "b", "c", "d"], "label": "3"},
    "truthfulqa": {"question": "What happens?", "mc1_targets": {"choices": ["nothing", "magic"], "labels": [1, 0]}},
    "imitation": {"prompt": [{"type": "human", "content": "Who?"}],
                  "base": {"question": "Who?", "correct_answer": "Ann", "incorrect_answer": "Bob", "answer": ["Ann"], "long_correct_answer": "It was Ann."}},
    "feedback": {"prompt": [{"type": "human", "content": "Judge."}], "base": {"text": "An argument."}},
    "doubt": {"prompt": [{"type": "human", "content": "Which?"}], "base": {"question": "Which?", "answers": "\n(A) one\n(B) two", "correct_letter": "B"}},
}  # fmt: skip
NEEDED = {"gsm8k": ["question", "answer"], "mmlu": ["question", "choices", "answer"], "hellaswag": ["endings", "label"],
          "truthfulqa": ["question", "mc1_targets"], "imitation": ["base", "base.question", "base.correct_answer", "base.incorrect_answer"],
          "feedback": ["base", "base.text"], "doubt": ["base", "base.question", "base.answers", "base.correct_letter"]}  # fmt: skip
REPLY = {"id": 1, "kind": "choice", "response": "The answer is (B).", "gold": "B", "options": ["x", "y", "z"], "suggested": "A"}
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
    """`make(folder)` writes the input and returns the arguments; `must`: no reading of it is good, it has to be refused."""

    kind: str
    name: str
    make: Callable[[Path], list[str]]
    must: bool = True


@dataclass(frozen=True)
class Result:
    code: Any
    lines: list[str]
    seconds: float
    trace: str = ""

    def wrong(self, case: Case) -> str | None:
        """What is not as it should be, or None."""
        if self.trace:
            return f"raised {self.trace.strip().splitlines()[-1][:300]}"
        if self.code == 0 and not case.must:
            return None if "Traceback" not in "".join(self.lines) else "traceback"
        if self.code not in (2, 3):
            return f"exit code {self.code}"
        if len(self.lines) != 1 or not self.lines[0].startswith("holdfast: "):
            return f"{len(self.lines)} lines on stderr: {self.lines[:3]}"
        return None


class _Hang(BaseException):
    pass


class Runner:
    """Runs cases in this process; what is written to file descriptor 2 counts as well as what is written to sys.stderr."""

    def __init__(self, scratch: Path):
        self.scratch, self.number, self.err = scratch, 0, io.StringIO()

    def __call__(self, case: Case) -> Result:
        from holdfast import cli

        folder = self.scratch / f"{self.number:05d}"
        folder.mkdir()
        self.number += 1
        arguments = case.make(folder)
        code, trace, start, here = None, "", time.monotonic(), Path.cwd()
        old = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}

        def hang(*_: object) -> None:
            raise _Hang(f"took more than {SECONDS} s")

        signal.signal(signal.SIGALRM, hang)
        signal.alarm(SECONDS)
        began, argv, saved = self.err.tell(), sys.argv, os.dup(2)
        try:
            with tempfile.TemporaryFile() as raw:
                os.dup2(raw.fileno(), 2)
                os.chdir(folder)
                sys.argv = ["holdfast", *arguments]
                try:
                    with contextlib.redirect_stderr(self.err), contextlib.redirect_stdout(io.StringIO()):
                        cli.main()
                    code = 0
                except SystemExit as end:
                    code = end.code or 0
                except (Exception, _Hang):
                    trace = traceback.format_exc()
                finally:
                    signal.alarm(0)
                    os.dup2(saved, 2)
                raw.seek(0)
                below = raw.read().decode(errors="replace")
        finally:
            os.close(saved)
            os.chdir(here)
            sys.argv = argv
            for s, handler in old.items():
                signal.signal(s, handler)
        self.err.seek(began)
        said = self.err.read() + below
        shutil.rmtree(folder, ignore_errors=True)
        return Result(code, said.splitlines(), time.monotonic() - start, trace)


def finished_run(folder: Path) -> Path:
    """A small study run to its end, for the cases that damage one."""
    (folder / "small.yaml").write_text(SMALL)
    result = Runner(folder)(Case("run", "good", lambda _: ["run", str(folder / "small.yaml"), "-o", str(folder / "run"), "--offline"], must=False))
    assert result.code == 0, (result.lines, result.trace)
    return folder / "run"


def _put(path: Path, data: bytes | str | Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data)
    path.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    return path


# --- study files and settings ----------------------------------------------------------------------------------------------

STUDIES: dict[str, bytes | str] = {
    **{f"bytes: {n}": b for n, b in BYTES.items()},
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "alias bomb in a field": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)) + "domains: *i\n",
    "alias to itself": "a: &a [*a]\n", "domains that hold themselves": SMALL.replace("domains: [", "domains: &d [*d, "), "unknown alias": "a: *b\n",
    "deep flow": "a: " + "[" * 20_000, "deep and closed": "a: " + "[" * 3000 + "]" * 3000, "deep block": "".join(" " * i + "a:\n" for i in range(1500)),
    "python tag": "!!python/object/apply:os.system ['true']\n", "binary tag": "name: !!binary '////'\n" + SMALL[12:], "two documents": SMALL + "---\n" + SMALL,
    "tab": "name:\tx\n\tseeds: 1\n", "unclosed": "name: 'x\n", "list": "- 1\n", "merge of a scalar": "<<: 3\n" + SMALL, "unhashable key": "? [a, b]\n: 1\n",
    "unhashable key, mapping": "{{a: 1}: 2}\n", "timestamp": "2001-99-99: 1\n", "bad timestamp": "seeds: 2001-99-99\n", "sexagesimal": SMALL.replace("seeds: 1", "seeds: 1:99999999:9"),
    "non-text key": "1: 2\n", "null key": "~: 2\n", "only a comment": "# nothing\n", "huge int": SMALL.replace("seeds: 1", "seeds: " + "9" * 5000),
    "huge hex": SMALL.replace("seeds: 1", "seeds: 0x" + "f" * 9000),
}  # fmt: skip
CHANGES = (
    [("seeds: 1", f"seeds: {v}") for v in ("0", "-1", "1.5", "x", "[1]", "{a: 1}", "~", ".nan", ".inf", "true", "1e999", "10000000000000000000000000")]
    + [("name: small", f"name: {v}") for v in ("../x", "'a/b'", "''", "~", "[a]", "1", '"a\\0b"', '"\\e[31m"', "a" * 5000, '"a\\nb"')]
    + [("r: 2", f"r: {v}") for v in ("0", "-3", "two", "[]", ".inf", "2.5")]
    + [("lora_alpha: 4", f"lora_alpha: {v}") for v in ("0", "-1", ".nan", ".inf", "x", "[1]", "1e400")]
    + [("r: 2", f"{k}: 1, r: 2") for k in ("rank", "lr", "__class__", "'\\0'", "learning_rates", "x" * 2000)]
    + [("kind: world", f"kind: {v}") for v in ("World", "~", "[world]", "{}", "csv", "1")]
    + [("limit: 32", f"limit: {v}") for v in ("0", "-5", "many", ".nan", "[2]")]
    + [("domain: maths", f"domain: {v}") for v in ("nowhere", "''", "[a]", "'\\0'", '"\\0"')]
    + [("own_benchmark: gsm8k", f"own_benchmark: {v}") for v in ("mmlu", "[x]", "3")]
    + [("{kind: imitation", f"{{kind: {v}") for v in ("gsm8k", "x", "~", "[]")]
    + [("style: world}]", f"style: {v}}}]") for v in ("x", "[world]", "~")]
    + [("style: world}]", f"style: world, options: {v}}}]") for v in ("1", "{nosuch: 1}", "[]", "{kind: x}")]
    + [("style: world}]", f"style: world, {v}}}]") for v in ("shots: 1", "shots: -1", "split_seed: x", "data: [x]", "data: nosuch.jsonl", "data: 'a/b'", "data: ''", '"data": "a\\0b.jsonl"')]
    + [("domains: [", "domains: [{name: maths, identity: true}, "), ("domains: [", "domains: [{name: base, identity: true}, "),
       ("domains: [", "domains: [{name: Big, identity: true}, "), ("domains: [", "domains: [{name: a}, "), ("domains: [", "domains: [1, "),
       ("domains: [", "domains: [{name: a, parts: [b]}, "), ("domains: [", "domains: [{name: a, parts: [a]}, "),
       ("domains: [", "domains: [{name: a, parts: [b]}, {name: b, parts: [a]}, "), ("domains: [", "domains: [{name: a, parts: [maths], match_steps_of: b}, "),
       ("domains: [", "domains: [{name: a, parts: [maths], answers: permuted}, "), ("domains: [", "domains: [{name: a, parts: [maths], mitigates: q}, ")]
    + [("execution: {", f"execution: {{{k}: {v}, ") for k, v in (("kind", "ray9"), ("memory_gb", "-1"), ("memory_gb", ".nan"), ("linear", "x"), ("tokens_per_batch", "0"), ("compile", "x"))]
    + [("device: cpu", f"device: {v}") for v in ("tpu9", "'cuda:99'", "[cpu]", "3", '"a\\0b"')]
    + [("execution", f"model: {{name: {v}}}\nexecution") for v in ("''", "'world:'", "'world:99999'", "'world:-1'", "'random:x'", "[a]", "/nowhere", '"a\\0b"', "'a/b/c'", "~", "'world:²'", "'random:²'", f"'world:{'9' * 5000}'", f"'{'x' * 5000}'")]
    + [("execution", f"{k}\nexecution") for k in ("dose: {scales: [2]}", "dose: {scales: [x]}", "dose: {scales: [0.5, 0.5]}", "dose: {domains: [q]}", "dose: 1", "stats: {level: 2}", "stats: {planned_gain_sd: [1]}", "stats: {equivalence_band: -1}", "overlap: maybe", "item_seed: -1", "data: {root: 3}", "data: {rot: x}", "sneeds: 1")]
)  # fmt: skip
# Nothing that an audit reads is wrong with these.
MAY = {"domain: ''"}
SETTINGS = ["train.r", "train.r=", "train.r=x", "=1", "train=1", "train.r.q=1", "nosuch=1", "train.rr=2", "domains.q.role=x", "domains.maths=1", "seeds=[", "seeds={a", "seeds=*a",
            "seeds=&a [*a]", "seeds=!!python/name:os.system x", "a..b=1", "seeds=" + "[" * 5000, "seeds=" + "9" * 6000, "\x00=1", "seeds=\x00", "name=\x1b[31m", "train.r=0x", "seeds=2001-99-99",
            "model.name=/dev/null", "model.dtype=int4", "instruments.gsm8k=3", "instruments=gsm8k", "domains=[]", "instruments=[]", "name=..", "data.root=/dev/null", "model.chat_template=/nowhere"]  # fmt: skip


def _study_case(name: str, text: bytes | str, must: bool = True, command: str = "audit") -> Case:
    return Case("study", f"{command}: {name}", lambda f: [command, str(_put(f / "s.yaml", text)), "--offline"], must)


def studies() -> Iterator[Case]:
    for name, text in STUDIES.items():
        yield _study_case(name, text)
    for old, new in CHANGES:
        assert old in SMALL
        yield _study_case(f"{new[:60]!r}", SMALL.replace(old, new, 1), must=new not in MAY and not new.startswith(MAY_PASS))
    for setting in SETTINGS:
        yield Case("settings", f"plan {setting[:40]!r}", lambda f, s=setting: ["audit", str(_put(f / "s.yaml", SMALL)), s, "--offline"], not setting.startswith(("model.chat_t", "data.root", "domains=[]")))
    for argument in ("nosuch", "nosuch.yaml", "", ".", "/dev/null", "a\x00b.yaml", "x" * 5000 + ".yaml", "/root/\x1b[2J.yaml"):
        for command in ("audit", "plan", "run", "collect"):
            if not (command != "audit" and argument == ""):
                yield Case("settings", f"{command} {argument[:20]!r}", lambda f, c=command, a=argument: [c, a, "--offline"], True)
    for cells in ("", "x", "1", "1/0", "2/2", "-1/2", "0/0", "1/2/3", "0.5/2", "٣/٤", "9" * 500 + "/3", "slurm", "0/1\x00", "0 / 2"):
        yield Case("settings", f"--cells {cells[:20]!r}", lambda f, c=cells: ["run", str(_put(f / "s.yaml", SMALL)), "--cells", c, "-o", str(f / "o"), "--offline"])
    for memory in ("x", "0", "-3", "nan", "inf", "1e999", "", "8GB", "0x10", "-inf", "1e300", "9" * 400):
        yield Case("settings", f"--device-memory {memory[:20]!r}", lambda f, m=memory: ["plan", str(_put(f / "s.yaml", SMALL)), "--device-memory", m])
        yield Case("settings", f"--device-tflops {memory[:20]!r}", lambda f, m=memory: ["plan", str(_put(f / "s.yaml", SMALL)), "--device-memory", "80", "--device-tflops", m])
    for options in (["--limit", "0"], ["--limit", "x"], ["--seeds", "-1"], ["--nosuch"], ["--device"], ["--dtype", "int3"], ["--device", "q"], ["a", "b"]):
        yield Case("settings", f"plan {options}", lambda f, o=options: ["plan", str(_put(f / "s.yaml", SMALL)), "--offline", *o])


# Values whose refusal, if any, is not this file's to demand.
MAY_PASS = ("device: 'cuda:99'", "device: tpu9", 'device: "a', "memory_gb", "style: ~", "name: 1")


# --- rows ------------------------------------------------------------------------------------------------------------------

def _rows_study(kind: str, file: str) -> str:
    style = "" if kind in ("gsm8k", "mmlu", "hellaswag", "truthfulqa") else ", limit: 4"
    return (f"name: rows\nseeds: 1\nmodel: {{name: 'a/b'}}\ndomains: [{{name: idle, role: 'null', identity: true}}]\n"
            f"instruments: [{{kind: {kind}, data: {file}{style}}}]\n")  # fmt: skip


def _rows_case(kind: str, name: str, data: bytes, file: str = "rows.jsonl", must: bool = True) -> Case:
    def make(folder: Path) -> list[str]:
        _put(folder / "data" / file, data)
        return ["audit", str(_put(folder / "s.yaml", _rows_study(kind, file))), f"data.root={folder / 'data'}", "--offline"]

    return Case("rows", f"{kind} {file}: {name}", make, must)


def _changed(row: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
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


def _line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


def rows() -> Iterator[Case]:
    for kind, good in GOOD.items():
        for path in NEEDED[kind]:
            yield _rows_case(kind, f"no {path}", _line(_changed(good, path, KeyError)) + _line(good))
            for value in (None, True, 1.5, [], {}, "", float("nan")):
                if not (path == "base.answers" and value is True):
                    yield _rows_case(kind, f"{path} = {value!r}", _line(_changed(good, path, value)) + _line(good))
        for name, data in BYTES.items():
            if name != "gzip of nothing":
                yield _rows_case(kind, name, data)
        for name in ("half", "not utf-8", "gzip cut", "gzip header", "gzip of nothing", "binary", "deep"):
            yield _rows_case(kind, name, BYTES[name] if name.startswith("gzip") else gzip.compress(BYTES[name]), "rows.jsonl.gz")
    for name, data in BYTES.items():
        yield _rows_case("mmlu", name, data, "rows.json")
        yield _rows_case("mmlu", name, data, "rows.csv")
        yield _rows_case("mmlu", name, data, "rows.parquet")
    yield _rows_case("gsm8k", "a field over the limit", b"question,answer\n" + b"x" * 200_000 + b",1\n", "rows.csv")
    yield _rows_case("gsm8k", "too many cells", b"question,answer\na,#### 1,c,d\n" * 2, "rows.csv")
    yield _rows_case("gsm8k", "a quote left open", b'question,answer\n"a,#### 1\n', "rows.csv")


def row_mutations(draw: random.Random) -> Iterator[Case]:
    while True:
        kind = draw.choice(list(GOOD))
        paths = [*NEEDED[kind], *GOOD[kind]]
        if draw.random() < 0.5:
            changed = GOOD[kind]
            for _ in range(draw.randint(1, 2)):
                path = draw.choice(paths)
                with contextlib.suppress(KeyError, TypeError, AttributeError):
                    changed = _changed(changed, path, draw.choice([KeyError, *HOSTILE]))
            data, file = _line(changed) + _line(GOOD[kind]), "rows.jsonl"
        else:
            data, file = _noise(_line(GOOD[kind]) * 3, draw), draw.choice(["rows.jsonl", "rows.json", "rows.csv"])
        yield _rows_case(kind, f"mutation {draw.randrange(10**6)}", data, file, must=False)


def _noise(data: bytes, draw: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(out) + 1)
        act = draw.randrange(4)
        if act == 0:
            out[at : at + 1] = bytes([draw.randrange(256)])
        elif act == 1:
            del out[at : at + draw.randint(1, 20)]
        elif act == 2:
            out[at:at] = draw.choice([b"\x00", b"\n", b'"', b"{", b"[", b"\xff", b"NaN", b"1e999", b"\\u0000", b"\\ud800", b"null", b"-", b": "])
        else:
            out[at:at] = out[draw.randrange(len(out) + 1) :][: draw.randint(1, 40)]
    return bytes(out)


# --- transcripts -----------------------------------------------------------------------------------------------------------

def transcripts() -> Iterator[Case]:
    for name, data in BYTES.items():
        for file in ("t.jsonl", "t.jsonl.gz"):
            yield Case("transcripts", f"rescore {file} {name}", lambda f, d=data, n=file: ["rescore", str(_put(f / n, d))])
        yield Case("transcripts", f"analyze {name}", lambda f, d=data: ["analyze", str(_put(f / "t.jsonl", d))])
    for field in ("kind", "response", "gold"):
        yield Case("transcripts", f"no {field}", lambda f, p=field: ["rescore", str(_put(f / "t.jsonl", _line(_changed(REPLY, p, KeyError))))])
        for value in ([], {}, 10**400, float("nan"), True, [[]]):
            yield Case("transcripts", f"{field} = {str(value)[:9]}", lambda f, p=field, v=value: ["rescore", str(_put(f / "t.jsonl", _line(_changed(REPLY, p, v))))])
    for options in (["--keep", "outcome"], ["--keep", "nosuch"], ["--keep", "\x00"], ["-o", "/nowhere/x.jsonl"], ["-o", "t.jsonl"], ["--keep", "options"], ["--nosuch"]):
        yield Case("transcripts", f"rescore {options}", lambda f, o=options: ["rescore", str(_put(f / "t.jsonl", _line(REPLY))), *o])
    for argument in ("nosuch.jsonl", "/dev/null", ".", "a\x00b.jsonl", "x" * 5000):
        yield Case("transcripts", f"rescore {argument[:20]!r}", lambda f, a=argument: ["rescore", a])


def transcript_mutations(draw: random.Random) -> Iterator[Case]:
    fields = [*REPLY, "aliases", "question", "previous", "model"]
    while True:
        row = {**REPLY, "kind": draw.choice(["choice", "number", "short_answer"])}
        for _ in range(draw.randint(1, 3)):
            row[draw.choice(fields)] = draw.choice(HOSTILE)
        data = _noise(_line(row), draw) if draw.random() < 0.4 else _line(row)
        yield Case("transcripts", f"mutation {draw.randrange(10**6)}", lambda f, d=data: ["rescore", str(_put(f / "t.jsonl", d))], must=False)


# --- checkpoints and adapters ------------------------------------------------------------------------------------------------

def checkpoint(folder: Path) -> Path:
    from holdfast.models.random_llama import write_random_llama

    return write_random_llama(folder / "base", hidden_size=16, num_layers=1)


def _damaged(base: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    copy = folder / "copy"
    shutil.copytree(base, copy)
    change(copy)
    return copy


def _as_pickle(place: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for file in place.glob("*.safetensors"):
        torch.save(load_file(file), file.with_name(file.stem.replace("model", "pytorch_model", 1) + ".bin" if file.stem == "model" else file.stem + ".bin"))
        file.unlink()


def _edits(files: dict[str, list[str]]) -> Iterator[tuple[str, Callable[[Path], None], bool]]:
    for file, only in files.items():
        for name, data in BYTES.items():
            if not only or name in only:
                yield f"{file}: {name}", lambda p, n=file, d=data: (p / n).write_bytes(d) and None, True
        yield f"{file}: missing", lambda p, n=file: (p / n).unlink(), True
        for share in (0.1, 0.5, 0.99):
            yield f"{file}: cut at {share}", lambda p, n=file, s=share: (p / n).write_bytes((p / n).read_bytes()[: int(s * (p / n).stat().st_size)]) and None, True


def _key(file: str, key: str, value: Any) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        held = json.loads((place / file).read_bytes())
        held[key] = value
        (place / file).write_text(json.dumps(held))

    return change


SOME = ["empty", "binary", "half", "deep", "a number", "a list", "null", "not utf-8", "utf-16"]


def checkpoints(base: Path) -> Iterator[Case]:
    files = {"config.json": SOME, "model.safetensors": [], "tokenizer.json": SOME, "tokenizer_config.json": ["binary", "half", "deep", "a number", "not utf-8"]}
    edits = list(_edits(files))
    edits += [("pickle only", _as_pickle, True), ("empty folder", lambda p: [x.unlink() for x in p.iterdir() if x.is_file()] and None, True)]
    edits += [(f"config.{k} = {str(v)[:12]!r}", _key("config.json", k, v), True) for k, v in (
        ("model_type", "nosuch"), ("model_type", None), ("hidden_size", 17), ("hidden_size", "x"), ("hidden_size", -4), ("num_attention_heads", 0),
        ("vocab_size", 3), ("vocab_size", None), ("num_hidden_layers", "x"), ("num_key_value_heads", 3), ("hidden_act", "nosuch"))]  # fmt: skip
    edits += [("template: broken", _template("{% for"), True), ("template: raises", _template("{{ raise_exception('no') }}"), True),
              ("template: unknown filter", _template("{{ messages | nosuch }}"), True)]  # fmt: skip
    for name, change, must in edits:
        # Other files may say what tokenizer_config.json does not.
        may = name.startswith(("tokenizer_config.json: missing",)) or "tokenizer_config.json: cut at 0.99" in name
        yield Case("checkpoints", f"doctor {name}", lambda f, c=change: ["doctor", str(_damaged(base, f, c))], must and not may)
    shapes = list(_edits({"config.json": SOME})) + [e for e in edits if e[0].startswith("config.") and "=" in e[0] and "vocab" not in e[0]]
    for name, change, _ in shapes:
        yield Case("checkpoints", f"plan --device-memory {name}", lambda f, c=change: [
            "plan", str(_put(f / "s.yaml", SMALL)), f"model.name={_damaged(base, f, c)}", "--device-memory", "8"], "key_value" not in name)  # fmt: skip


def _template(text: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        (place / "chat_template.jinja").write_text(text)

    return change


def adapters(run: Path) -> Iterator[Case]:
    good = next((run / "adapters").iterdir())
    edits = list(_edits({"adapter_config.json": SOME, "adapter_model.safetensors": []}))
    edits += [("pickle only", _as_pickle, True)]
    edits += [(f"{k} = {str(v)[:12]!r}", _key("adapter_config.json", k, v), True) for k, v in (
        ("peft_type", "NOSUCH"), ("r", "x"), ("r", 5), ("r", -1), ("r", 0), ("target_modules", ["nosuch"]), ("target_modules", 3), ("lora_alpha", "x"), ("task_type", "x"), ("peft_type", None))]  # fmt: skip
    for name, change, must in edits:
        yield Case("adapters", f"probe {name}", lambda f, c=change: [
            "probe", "world:0", "--study", str(_put(f / "s.yaml", SMALL)), "--limit", "1", "--device", "cpu", "--adapter", str(_damaged(good, f, c))],
            must and not name.startswith(("task_type",)))  # fmt: skip


# --- run folders -------------------------------------------------------------------------------------------------------------

def folders(run: Path) -> Iterator[Case]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def case(command: str, name: str, change: Callable[[Path], None], must: bool = True) -> Case:
        def make(folder: Path) -> list[str]:
            copy = folder / "copy"
            shutil.copytree(run, copy, ignore=shutil.ignore_patterns("cells", "adapters"))
            change(copy)
            return [command, str(copy)]

        return Case("folders", f"{command} {name}", make, must)

    table = pq.read_table(run / "trials.parquet")
    tables = {f"no {c}": table.drop_columns([c]) for c in ("model", "instrument", "item_id", "condition", "outcome", "domain", "seed", "cluster_id", "score", "refused")}
    tables |= {f"{c} is text": table.set_column(table.column_names.index(c), c, pa.array(["x"] * table.num_rows)) for c in ("seed", "score", "refused", "margin", "dose")}
    tables |= {f"{c} is a number": table.set_column(table.column_names.index(c), c, pa.array([1] * table.num_rows)) for c in ("model", "instrument", "item_id", "outcome", "cluster_id", "condition")}
    tables |= {f"{c} is null": table.set_column(table.column_names.index(c), c, pa.nulls(table.num_rows)) for c in ("model", "instrument", "item_id", "outcome", "cluster_id", "condition", "seed")}
    tables |= {"no rows": table.slice(0, 0), "no columns": pa.table({}), "other columns": pa.table({"a": [1]}), "base alone": table.filter(pa.compute.equal(table["domain"], "base")),
               "no base": table.filter(pa.compute.not_equal(table["domain"], "base")), "unknown instrument": table.set_column(table.column_names.index("instrument"), "instrument", pa.array(["q"] * table.num_rows))}  # fmt: skip
    for name, changed in tables.items():
        for command in ("analyze", "audit"):
            yield case(command, f"table: {name}", lambda p, t=changed: pq.write_table(t, p / "trials.parquet"), must=False)
    readers = {"findings.json": ("report", "audit"), "audit.json": ("report", "analyze"), "trials.parquet": ("analyze", "audit"),
               "study.yaml": ("analyze", "audit"), "transcripts.jsonl.gz": ("report",), "environment.json": ("report",)}  # fmt: skip
    for name, data in BYTES.items():
        for file, commands in readers.items():
            for command in commands:
                # What can be read of cut transcripts is shown; UTF-16 is JSON's own; an audit of a study that cannot be read reads its trials.
                must = file != "transcripts.jsonl.gz" and (file, name) != ("environment.json", "utf-16") and (command, file) != ("audit", "findings.json")
                yield case(command, f"{file}: {name}", lambda p, n=file, d=data: (p / n).write_bytes(d) and None, must)
    for command in ("report", "analyze", "audit"):
        for argument in ("nosuch", ".", "/dev/null", "a\x00b", "x" * 5000):
            yield Case("folders", f"{command} {argument[:20]!r}", lambda f, c=command, a=argument: [c, a])
    findings = json.loads((run / "findings.json").read_bytes())
    for key in findings:
        for value in (KeyError, None, 3, "x", []):
            changed = {k: v for k, v in findings.items() if k != key} if value is KeyError else {**findings, key: value}
            yield case("report", f"findings.{key} = {value}", lambda p, c=changed: (p / "findings.json").write_text(json.dumps(c)) and None, must=False)
    for key in findings["adapters"][0]:
        changed = {**findings, "adapters": [{k: v for k, v in a.items() if k != key} for a in findings["adapters"]]}
        yield case("report", f"findings.adapters: no {key}", lambda p, c=changed: (p / "findings.json").write_text(json.dumps(c)) and None, must=False)
    for value in ([1], [{}], [{"check": 1}], {}, "x", 3):
        yield case("report", f"audit.json = {value}", lambda p, v=value: (p / "audit.json").write_text(json.dumps(v)) and None, must=value != {})
        yield case("analyze", f"audit.json = {value}", lambda p, v=value: (p / "audit.json").write_text(json.dumps(v)) and None, must=value != {})

    def collecting(name: str, change: Callable[[Path], None], must: bool = True) -> Case:
        def make(folder: Path) -> list[str]:
            shutil.copytree(run, folder / "copy")
            change(folder / "copy")
            return ["collect", str(folder / "copy" / "study.yaml"), "-o", str(folder / "copy"), "--offline"]

        return Case("folders", f"collect {name}", make, must)

    yield collecting("no cells", lambda p: shutil.rmtree(p / "cells"))
    yield collecting("cells is a file", lambda p: (shutil.rmtree(p / "cells"), (p / "cells").write_text("x")) and None)
    for name, data in BYTES.items():
        yield collecting(f"study.yaml: {name}", lambda p, d=data: (p / "study.yaml").write_bytes(d) and None)


def corpus(base: Path, run: Path) -> Iterator[Case]:
    yield from studies()
    yield from rows()
    yield from transcripts()
    yield from checkpoints(base)
    yield from adapters(run)
    yield from folders(run)


def mutations(seed: int, count: int) -> Iterator[Case]:
    """`count` seeded ones, taking turns."""
    draw = random.Random(seed)
    makers = [row_mutations(draw), transcript_mutations(draw), study_mutations(draw)]
    for i in range(count):
        yield next(makers[i % len(makers)])


def study_mutations(draw: random.Random) -> Iterator[Case]:
    while True:
        yield _study_case(f"mutation {draw.randrange(10**6)}", _noise(SMALL.encode(), draw), must=False)


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--mutations", type=int, default=400)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--only", default="", help="kinds, with commas between")
    parse.add_argument("--show", action="store_true", help="print what each case was told")
    asked = parse.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    counts: Counter[tuple[str, str]] = Counter()
    slowest, start = (0.0, ""), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="malformed-") as name:
        scratch = Path(name)
        base, run = checkpoint(scratch), finished_run(scratch)
        (scratch / "cases").mkdir()
        ask = Runner(scratch / "cases")
        for case in (*corpus(base, run), *mutations(asked.seed, asked.mutations)):
            if asked.only and case.kind not in asked.only.split(","):
                continue
            result = ask(case)
            wrong = result.wrong(case)
            counts[case.kind, "wrong" if wrong else "used" if result.code == 0 else "refused"] += 1
            slowest = max(slowest, (result.seconds, f"{case.kind}: {case.name}"))
            if wrong or asked.show:
                print(f"{'WRONG' if wrong else result.code} {case.kind}: {case.name}: {wrong or ' | '.join(result.lines)[:300]}", flush=True)
                if wrong and result.trace:
                    print("".join(result.trace.splitlines(keepends=True)[-5:]), flush=True)
    for kind in dict.fromkeys(k for k, _ in counts):
        print(f"{kind:12s} " + ", ".join(f"{counts[kind, what]} {what}" for what in ("refused", "used", "wrong")))
    total, bad = sum(counts.values()), sum(n for (_, what), n in counts.items() if what == "wrong")
    print(f"{total} inputs, {bad} ended otherwise than they should; {time.monotonic() - start:.0f} s, the slowest {slowest[0]:.1f} s ({slowest[1]})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
