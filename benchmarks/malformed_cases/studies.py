"""Study files, settings and options."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.malformed_cases.common import BYTES, SMALL, Case, noise, put

# Values whose refusal, if any, is not this file's to demand.
MAY_PASS = ("device: 'cuda:99'", "device: tpu9", 'device: "a', "memory_gb", "style: ~", "name: 1")
STUDIES: dict[str, bytes | str] = {
    **{f"bytes: {n}": b for n, b in BYTES.items()},
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "alias bomb in a field": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    + "domains: *i\n",
    "alias to itself": "a: &a [*a]\n",
    "domains that hold themselves": SMALL.replace("domains: [", "domains: &d [*d, "),
    "unknown alias": "a: *b\n",
    "deep flow": "a: " + "[" * 20_000,
    "deep and closed": "a: " + "[" * 3000 + "]" * 3000,
    "deep block": "".join(" " * i + "a:\n" for i in range(1500)),
    "python tag": "!!python/object/apply:os.system ['true']\n",
    "binary tag": "name: !!binary '////'\n" + SMALL[12:],
    "two documents": SMALL + "---\n" + SMALL,
    "tab": "name:\tx\n\tseeds: 1\n",
    "unclosed": "name: 'x\n",
    "list": "- 1\n",
    "merge of a scalar": "<<: 3\n" + SMALL,
    "unhashable key": "? [a, b]\n: 1\n",
    "unhashable key, mapping": "{{a: 1}: 2}\n",
    "timestamp": "2001-99-99: 1\n",
    "bad timestamp": "seeds: 2001-99-99\n",
    "sexagesimal": SMALL.replace("seeds: 1", "seeds: 1:99999999:9"),
    "non-text key": "1: 2\n",
    "null key": "~: 2\n",
    "only a comment": "# nothing\n",
    "huge int": SMALL.replace("seeds: 1", "seeds: " + "9" * 5000),
    "huge hex": SMALL.replace("seeds: 1", "seeds: 0x" + "f" * 9000),
}
CHANGES = (
    [
        ("seeds: 1", f"seeds: {v}")
        for v in (
            "1_0",
            "0b1",
            "'3'",
            "1_000.5",
            ".5_0",
            "0",
            "-1",
            "1.5",
            "x",
            "[1]",
            "{a: 1}",
            "~",
            ".nan",
            ".inf",
            "true",
            "1e999",
            "10000000000000000000000000",
        )
    ]
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
    + [
        ("style: world}]", f"style: world, {v}}}]")
        for v in (
            "shots: 1",
            "shots: -1",
            "split_seed: x",
            "data: [x]",
            "data: nosuch.jsonl",
            "data: 'a/b'",
            "data: ''",
            '"data": "a\\0b.jsonl"',
        )
    ]
    + [
        ("domains: [", "domains: [{name: maths, identity: true}, "),
        ("domains: [", "domains: [{name: base, identity: true}, "),
        ("domains: [", "domains: [{name: Big, identity: true}, "),
        ("domains: [", "domains: [{name: a}, "),
        ("domains: [", "domains: [1, "),
        ("domains: [", "domains: [{name: a, parts: [b]}, "),
        ("domains: [", "domains: [{name: a, parts: [a]}, "),
        ("domains: [", "domains: [{name: a, parts: [b]}, {name: b, parts: [a]}, "),
        ("domains: [", "domains: [{name: a, parts: [maths], match_steps_of: b}, "),
        ("domains: [", "domains: [{name: a, parts: [maths], answers: permuted}, "),
        ("domains: [", "domains: [{name: a, parts: [maths], mitigates: q}, "),
    ]
    + [
        ("execution: {", f"execution: {{{k}: {v}, ")
        for k, v in (
            ("kind", "ray9"),
            ("memory_gb", "-1"),
            ("memory_gb", ".nan"),
            ("linear", "x"),
            ("tokens_per_batch", "0"),
            ("compile", "x"),
        )
    ]
    + [("device: cpu", f"device: {v}") for v in ("tpu9", "'cuda:99'", "[cpu]", "3", '"a\\0b"')]
    + [
        ("execution", f"model: {{name: {v}}}\nexecution")
        for v in (
            "''",
            "'world:'",
            "'world:99999'",
            "'world:-1'",
            "'random:x'",
            "[a]",
            "/nowhere",
            '"a\\0b"',
            "'a/b/c'",
            "~",
            "'world:²'",
            "'random:²'",
            f"'world:{'9' * 5000}'",
            f"'{'x' * 5000}'",
        )
    ]
    + [
        ("execution", f"{k}\nexecution")
        for k in (
            "dose: {scales: [2]}",
            "dose: {scales: [x]}",
            "dose: {scales: [0.5, 0.5]}",
            "dose: {domains: [q]}",
            "dose: 1",
            "stats: {level: 2}",
            "stats: {planned_gain_sd: [1]}",
            "stats: {equivalence_band: -1}",
            "overlap: maybe",
            "item_seed: -1",
            "data: {root: 3}",
            "data: {rot: x}",
            "sneeds: 1",
        )
    ]
)
# Nothing that an audit reads is wrong with these.
MAY = {"domain: ''"}
SETTINGS = [
    "train.r",
    "train.r=",
    "train.r=x",
    "=1",
    "train=1",
    "train.r.q=1",
    "nosuch=1",
    "train.rr=2",
    "domains.q.role=x",
    "domains.maths=1",
    "seeds=[",
    "seeds={a",
    "seeds=*a",
    "seeds=&a [*a]",
    "seeds=!!python/name:os.system x",
    "a..b=1",
    "seeds=" + "[" * 5000,
    "seeds=" + "9" * 6000,
    "\x00=1",
    "seeds=\x00",
    "name=\x1b[31m",
    "train.r=0x",
    "seeds=2001-99-99",
    "model.name=/dev/null",
    "model.dtype=int4",
    "instruments.gsm8k=3",
    "instruments=gsm8k",
    "domains=[]",
    "instruments=[]",
    "name=..",
    "data.root=/dev/null",
    "model.chat_template=/nowhere",
]


def study_case(name: str, text: bytes | str, must: bool = True, command: str = "audit") -> Case:
    return Case("study", f"{command}: {name}", lambda f: [command, str(put(f / "s.yaml", text)), "--offline"], must)


def studies() -> Iterator[Case]:
    for name, text in STUDIES.items():
        yield study_case(name, text)
    for old, new in CHANGES:
        assert old in SMALL
        yield study_case(f"{new[:60]!r}", SMALL.replace(old, new, 1), must=new not in MAY and not new.startswith(MAY_PASS))
    for setting in SETTINGS:
        yield Case(
            "settings",
            f"plan {setting[:40]!r}",
            lambda f, s=setting: ["audit", str(put(f / "s.yaml", SMALL)), s, "--offline"],
            not setting.startswith(("model.chat_t", "data.root", "domains=[]")),
        )
    for argument in ("nosuch", "nosuch.yaml", "", ".", "/dev/null", "a\x00b.yaml", "x" * 5000 + ".yaml", "/nosuch/\x1b[2J.yaml"):
        for command in ("audit", "plan", "run", "collect"):
            if not (command != "audit" and argument == ""):
                yield Case("settings", f"{command} {argument[:20]!r}", lambda f, c=command, a=argument: [c, a, "--offline"], True)
    for cells in ("", "x", "1", "1/0", "2/2", "-1/2", "0/0", "1/2/3", "0.5/2", "٣/٤", "9" * 500 + "/3", "slurm", "0/1\x00", "0 / 2"):
        yield Case(
            "settings",
            f"--cells {cells[:20]!r}",
            lambda f, c=cells: ["run", str(put(f / "s.yaml", SMALL)), "--cells", c, "-o", str(f / "o"), "--offline"],
        )
    for memory in ("x", "0", "-3", "nan", "inf", "1e999", "", "8GB", "0x10", "-inf", "1e300", "9" * 400):
        yield Case(
            "settings",
            f"--device-memory {memory[:20]!r}",
            lambda f, m=memory: ["plan", str(put(f / "s.yaml", SMALL)), "--device-memory", m],
        )
        yield Case(
            "settings",
            f"--device-tflops {memory[:20]!r}",
            lambda f, m=memory: ["plan", str(put(f / "s.yaml", SMALL)), "--device-memory", "80", "--device-tflops", m],
        )
    for options in (
        ["--limit", "0"],
        ["--limit", "x"],
        ["--seeds", "-1"],
        ["--nosuch"],
        ["--device"],
        ["--dtype", "int3"],
        ["--device", "q"],
        ["a", "b"],
    ):
        yield Case("settings", f"plan {options}", lambda f, o=options: ["plan", str(put(f / "s.yaml", SMALL)), "--offline", *o])
    yield from yaml_meanings()


# Scalars and what they are in YAML 1.2; those that a reader of YAML 1.1 takes for something else among them.
SCALARS: dict[str, Any] = {
    "010": 10, "+7": 7, "0o10": 8, "0x1F": 31, "1e1": 10.0, "5.": 5.0, "7.0": 7.0, "2.5": 2.5, ".5": 0.5, "-3": -3, "0": 0, "~": None, "null": None, "": None,
    "true": True, "FALSE": False, "no": "no", "yes": "yes", "on": "on", "off": "off", "y": "y", "N": "N", "1:10": "1:10", "190:20:30": "190:20:30",
    "0b11": "0b11", "0o8": "0o8", "0x_1": "0x_1", "2001-01-01": "2001-01-01", "12:30:45": "12:30:45", "=": "=", "tRUE": "tRUE", "'010'": "010", '"no"': "no",
    "'~'": "~", "!!str 010": "010", "!!int '7'": 7, "!!float 3": 3.0, "1.2.3": "1.2.3", "+.nan": "+.nan", "'1e1'": "1e1", "'0o10'": "0o10",
}  # fmt: skip
TAGS = ("!!binary YQ==", "!!timestamp 2001-01-01", "!!set {a}", "!!omap [a: 1]", "!!pairs [a: 1]", "!own x", "!!python/name:os.system x", "!!python/tuple [1]",
        "!!int x", "!!float x", "!!bool maybe", "!!null x", "!!seq {a: 1}", "!!map [a]", "*nowhere", "&a [*a]", "{<<: 3}", "{a: 1, a: 2}", "{a: {b: 1, 'b': 1}}",
        "{~: 1}", "{true: 1}", "{[a]: 1}", "[{b: 1, b: 1}]", "{1: a, '1': b}", "{1: a, 0x1: b}", ".inf", "-.inf", ".nan", "1e999", "[.inf]", "{a: .nan}")  # fmt: skip


def _taken(field: str, value: Any) -> Any:
    """The value that a setting takes of a scalar; KeyError where it takes none."""
    if isinstance(value, bool) or value is None or value in ("", "~"):
        return value if field == "execution.compile" and isinstance(value, bool) else KeyError
    if field == "execution.compile":
        words = {"no": False, "yes": True, "on": True, "off": False, "y": True, "n": False, "true": True, "0": False}
        return words.get(str(value).lower(), KeyError)
    number = float(value) if not isinstance(value, str) or re.fullmatch("[0-9]+|1e1", value) else 0.0
    whole = number == int(number) and value != "1e1"
    return number if number > 0 and (field == "train.lora_alpha" or whole) else KeyError


def _read_as(field: str, wanted: Any) -> Callable[[Path, str], str | None]:
    def right(folder: Path, _: str) -> str | None:
        from holdfast.config import load_study

        part: Any = load_study(str(folder / "s.yaml"), [])
        for step in field.split("."):
            part = getattr(part, step)
        return None if part == wanted else f"{field} = {part!r}"

    return right


def yaml_meanings() -> Iterator[Case]:
    """Every scalar in settings of every type; what does not belong into a study at every place of one; every key and setting twice."""
    places = {
        "seeds": ("seeds: 1", "seeds: {}"), "train.lora_alpha": ("lora_alpha: 4", "lora_alpha: {}"), "instruments.gsm8k.options.a": ("limit: 6", "options: {{a: {}}}, limit: 6"),
        "execution.compile": ("device: cpu", "device: cpu, compile: {}"), "instruments.gsm8k.data": ("limit: 6", "data: {}, limit: 6"),
        "stats.level": ("seeds: 1", "seeds: 1\nstats: {{level: {}}}"), "name": ("name: small", "name: {}"),
    }  # fmt: skip
    for field, (old, new) in places.items():
        for text in TAGS:
            yield study_case(f"{field}: {text}", SMALL.replace(old, new.format(text), 1))
        for text, value in SCALARS.items() if field in ("seeds", "train.lora_alpha", "execution.compile") else ():
            wanted, study = _taken(field, value), SMALL.replace(old, new.format(text), 1)
            if field in (
                "instruments.gsm8k.options.a",
                "instruments.gsm8k.data",
            ):  # no such option, no such file: the study itself is asked
                continue
            made = study_case(f"{field}: {text!r}", study, wanted is KeyError)
            yield made if wanted is KeyError else dataclasses.replace(made, kind="values", right=_read_as(field, wanted))
    lines = _whole().splitlines()
    for i, text in enumerate(lines):
        if re.match(r"[ -]*[a-z_]+: \S", text):
            again = text.replace("- ", "  ", 1)
            yield study_case(f"line {i} twice: {text.strip()}", "\n".join([*lines[: i + 1], again, *lines[i + 1 :]]) + "\n")
    for name, value in _leaves(yaml.safe_load(_whole()), ""):
        for again in (value, "1"):
            given = [f"{name}={value}", f"{name}={again}"]
            yield Case("settings", f"audit {given}", lambda f, g=given: ["audit", str(put(f / "s.yaml", SMALL)), *g, "--offline"])
        for infinite in (".inf", ".nan"):
            given = [f"{name}={infinite}"]
            yield Case("settings", f"audit {given}", lambda f, g=given: ["audit", str(put(f / "s.yaml", SMALL)), *g, "--offline"])


def _whole() -> str:
    """SMALL with all defaults, a setting a line."""
    from holdfast.config import Study, resolved

    return resolved(Study.model_validate(yaml.safe_load(SMALL)))


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for name, part in tree.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(tree, list):
        for part in tree:
            if isinstance(part, dict) and (part.get("name") or "sources" not in path):
                yield from _leaves(part, f"{path}.{part.get('name') or part.get('kind')}")
    else:
        yield path, json.dumps(tree)


def study_mutations(draw: random.Random) -> Iterator[Case]:
    while True:
        yield study_case(f"mutation {draw.randrange(10**6)}", noise(SMALL.encode(), draw), must=False)
