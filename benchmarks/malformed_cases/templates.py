"""Checkpoints whose tensors, settings, tokenizer or chat template are not what they should be, each through `doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.common import Case
from benchmarks.malformed_cases.models import damaged

Change = Callable[[Path], Any]
Right = Callable[[Path, str], str | None]
KIND = "templates"
TURNS = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}<|assistant|>"
_LOOP = "{% for m in messages %}{{ '<|' + m.role + '|>' }}BODY{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"


def body(text: str) -> str:
    """A template that writes each message as `text` says."""
    return _LOOP.replace("BODY", text)


REFUSED: dict[str, str] = {
    "empty": "", "space": " \n ", "no messages": "<|user|>hello<|assistant|>", "roles only": body(""), "first letter": body("{{ m.content[0] }}"),
    "system only": "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}<|assistant|>",
    "first turn is skipped": "{% for m in messages[1:] %}{{ m.content }}{% endfor %}<|assistant|>",
    "cut at 100": body("{{ m.content[:100] }}"), "truncate filter": body("{{ m.content | truncate(80) }}"), "end only": body("{{ m.content[-50:] }}"),
    "upper": body("{{ m.content | upper }}"), "lower": body("{{ m.content.lower() }}"), "title": body("{{ m.content | title }}"),
    "capitalize": body("{{ m.content | capitalize }}"), "escape": body("{{ m.content | e }}"), "forceescape": body("{{ m.content | forceescape }}"),
    "striptags": body("{{ m.content | striptags }}"), "urlencode": body("{{ m.content | urlencode }}"), "tojson": body("{{ m.content | tojson }}"),
    "reverse": body("{{ m.content | reverse }}"), "wordwrap": body("{{ m.content | wordwrap(20) }}"),
    "words joined": body("{{ m.content.split() | join('_') }}"),
    "one space": body("{{ m.content.split() | join(' ') }}"), "no newlines": body("{{ m.content | replace('\\n', ' ') }}"),
    "no quotes": body("{{ m.content | replace('\"', '') }}"), "letters sorted": body("{{ m.content | sort | join }}"),
    "unique": body("{{ m.content | unique | join }}"),
    "length": body("{{ m.content | length }}"), "other key": body("{{ m.text }}"), "value": body("{{ m.value }}"), "from": body("{{ m['from'] }}"),
    "list": body("{{ m.content | list }}"), "repr": body("{{ [m.content] }}"),
    "ascii": body("{{ m.content.encode('ascii', 'ignore').decode() }}"),
    "first line": body("{{ m.content.splitlines()[0] }}"), "no umlauts": body("{{ m.content | replace('ö', 'o') }}"),
    "parts of another type": body("{% for p in m.content if p.type == 'input_text' %}{{ p.text }}{% endfor %}"),
    "parts by another key": body("{{ m.content[0].value }}"), "second part": body("{{ m.content[1].text }}"),
    "raises": "{{ raise_exception('no\nno') }}", "raises for users": body("{% if m.role == 'user' %}{{ raise_exception('a user speaks') }}{% endif %}{{ m.content }}"),
    "requires a system": "{% if messages[0].role != 'system' %}{{ raise_exception('system first') }}{% endif %}" + TURNS,
    "requires tools": "{{ tools | length }}" + TURNS, "undefined call": "{{ nosuch() }}" + TURNS, "undefined attribute": "{{ nosuch.a.b }}" + TURNS,
    "division": "{{ 1 / 0 }}" + TURNS, "unknown filter": body("{{ m.content | nosuch }}"), "unknown test": "{% if messages is nosuch %}{% endif %}" + TURNS,
    "unknown tag": "{% nosuch %}" + TURNS, "open for": "{% for m in messages %}", "open expression": "{{ messages", "two ends": TURNS + "{% endfor %}",
    "include": "{% include 'x' %}" + TURNS, "import": "{% import 'x' as x %}" + TURNS, "extends": "{% extends 'x' %}" + TURNS,
    "python": "{{ messages.__class__.__mro__ }}" + TURNS,
    "changes messages": "{{ messages.append(1) }}" + TURNS,
    "deep": "{% if true %}" * 300 + TURNS + "{% endif %}" * 300, "deep brackets": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}" + TURNS,
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + TURNS,
    "large range": "{% for i in range(10**9) %}{% endfor %}" + TURNS,
    "recursion": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}" + TURNS, "gigabytes": "{{ 'a' * 10**10 }}" + TURNS,
    "gigabytes in a list": "{{ [1] * 10**10 }}" + TURNS,
    "center": "{{ 'a' | center(10**10) }}" + TURNS, "ljust": "{{ 'a'.ljust(10**10) }}" + TURNS, "zfill": "{{ 'a'.zfill(10**10) }}" + TURNS,
    "format": "{{ '%10000000000d' % 1 }}" + TURNS, "format filter": "{{ '%10000000000d' | format(1) }}" + TURNS,
    "format method": "{{ '{:>10000000000}'.format(1) }}" + TURNS,
    "star width": "{{ '%*d' % (10**10, 1) }}" + TURNS, "indent": "{{ 'a\nb' | indent(10**10) }}" + TURNS,
    "json indent": "{{ messages | tojson(indent=10**10) }}" + TURNS,
    "large power": "{{ 10 ** (10 ** 10) }}" + TURNS,
    "doubled": "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}" + TURNS,
    "doubled by ~": "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}" + TURNS,
    "much text": "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}" + TURNS,
    "replace": "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}" + TURNS,
    "random": "{{ [1, 2, 3] | random }}" + TURNS, "lipsum": "{{ lipsum(1) }}" + TURNS, "an address": "{{ strftime_now }}" + TURNS,
    "a function": "{{ namespace() }}{{ raise_exception }}" + TURNS,
    "no generation prompt": "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}",
    "generation prompt for others": "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}{% if nosuch %}<|assistant|>{% endif %}",
    "no tokens it has": body("{{ nosuch_token + m.content }}"),
}  # fmt: skip
TAKEN: dict[str, tuple[str, str]] = {  # what it gives for a user's "hi 5 < 7"
    "turns": (TURNS, "<|user|>hi 5 < 7<|assistant|>"), "trim": (body("{{ m.content | trim }}"), "<|user|>hi 5 < 7<|assistant|>"),
    "parts": (body("{{ m.content[0].text }}"), "<|user|>hi 5 < 7<|assistant|>"), "parts by key": (body("{{ m.content[0]['text'] }}"), "<|user|>hi 5 < 7<|assistant|>"),
    "parts in a loop": (body("{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}"), "<|user|>hi 5 < 7<|assistant|>"),
    "parts mapped": (body("{{ m.content | map(attribute='text') | join('') }}"), "<|user|>hi 5 < 7<|assistant|>"),
    "either form": (body("{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}{% endif %}"), "<|user|>hi 5 < 7<|assistant|>"),
    "no strings": (body("{% if m.content is string %}{{ raise_exception('parts') }}{% endif %}{{ m.content[0].text }}"), "<|user|>hi 5 < 7<|assistant|>"),
    "today": ("<|system|>{{ strftime_now('%d %B %Y') }}" + TURNS, "<|system|>26 July 2024<|user|>hi 5 < 7<|assistant|>"),
    "today's day": ("{{ strftime_now('%A') }}" + TURNS, "Friday<|user|>hi 5 < 7<|assistant|>"),
    "llama date": ("{% if strftime_now is defined %}{% set d = strftime_now('%d %b %Y') %}{% else %}{% set d = 'none' %}{% endif %}{{ d }}" + TURNS,
     "26 Jul 2024<|user|>hi 5 < 7<|assistant|>"),
    "no generation prompt, as Llama 2": ("{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}",
     "[INST] hi 5 < 7 [/INST]"),
    "alternating roles only": ("{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{% endfor %}" + TURNS,
     "<|user|>hi 5 < 7<|assistant|>"),
    "no system role": ("{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TURNS, "<|user|>hi 5 < 7<|assistant|>"),
    "bos": ("{{ bos_token }}" + TURNS, "<s><|user|>hi 5 < 7<|assistant|>"), "bos written out": ("<s>" + TURNS, "<s><|user|>hi 5 < 7<|assistant|>"),
    "default system": ("{% if messages[0].role != 'system' %}<|system|>You are kind.{% endif %}" + TURNS,
     "<|system|>You are kind.<|user|>hi 5 < 7<|assistant|>"),
    "generation tag": (body("{% generation %}{{ m.content }}{% endgeneration %}"), "<|user|>hi 5 < 7<|assistant|>"),
    "break": ("{% for m in messages %}<|user|>{{ m.content }}{% if loop.last %}{% break %}{% endif %}{% endfor %}<|assistant|>", "<|user|>hi 5 < 7<|assistant|>"),
    "namespace": ("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}<|user|>{{ m.content }}{% endfor %}{{ ns.n }}<|assistant|>",
     "<|user|>hi 5 < 71<|assistant|>"),
    "macro": ("{% macro say(m) %}<|user|>{{ m.content }}{% endmacro %}{% for m in messages %}{{ say(m) }}{% endfor %}<|assistant|>", "<|user|>hi 5 < 7<|assistant|>"),
    "said twice": (body("{{ m.content }} {{ m.content }}"), "<|user|>hi 5 < 7 hi 5 < 7<|assistant|>"),
}  # fmt: skip


def _put_template(text: str) -> Change:
    return lambda place: (place / "chat_template.jinja").write_text(text, encoding="utf-8")


def _gives(wanted: str) -> Right:
    def right(folder: Path, _: str) -> str | None:
        from holdfast.config import ModelConfig
        from holdfast.models.chat import ChatFormat
        from holdfast.models.checkpoint import load_tokenizer
        from holdfast.records import Message

        given = ChatFormat(load_tokenizer(ModelConfig(name=str(folder / "copy")))).text([Message("user", "hi 5 < 7")])
        return None if given == wanted else f"{given!r}, not {wanted!r}"

    return right


def _doctor(base: Path, name: str, change: Change, must: bool = True, right: Right | None = None) -> Case:
    return Case(KIND, f"doctor {name}", lambda f: ["doctor", str(damaged(base, f, change)), "--device", "cpu"], must, right)


def _tensors(change: Callable[[dict[str, Any]], Any]) -> Change:
    def write(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        held = load_file(place / "model.safetensors")
        change(held)
        save_file(held, place / "model.safetensors", {"format": "pt"})

    return write


def _edited(file: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    def write(place: Path) -> None:
        held = json.loads((place / file).read_bytes())
        change(held)
        (place / file).write_text(json.dumps(held), encoding="utf-8")

    return write


def _sharded(change: Callable[[Path, dict[str, Any]], Any]) -> Change:
    """The weights in two shards with an index, then `change(folder, index)`."""

    def write(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        held = load_file(place / "model.safetensors")
        (place / "model.safetensors").unlink()
        names, shards = sorted(held), ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
        index: dict[str, Any] = {"metadata": {"total_size": 1}, "weight_map": {n: shards[k % 2] for k, n in enumerate(names)}}
        for k, shard in enumerate(shards):
            save_file({n: held[n] for n in names[k::2]}, place / shard, {"format": "pt"})
        change(place, index)
        (place / "model.safetensors.index.json").write_text(json.dumps(index))

    return write


def _poke(name: str, value: float, dtype: str, last: bool) -> Callable[[dict[str, Any]], Any]:
    def change(held: dict[str, Any]) -> None:
        import torch

        tensor = held[name].to(getattr(torch, dtype))
        tensor.view(-1)[-1 if last else 0] = value
        held[name] = tensor

    return change


def _recast(name: str, dtype: str) -> Callable[[dict[str, Any]], Any]:
    def change(held: dict[str, Any]) -> None:
        import torch

        held[name] = held[name].to(getattr(torch, dtype))

    return change


def _equals_stored(folder: Path, _: str) -> str | None:
    import torch
    from safetensors.torch import load_file

    from holdfast.config import ModelConfig
    from holdfast.models.checkpoint import load_base

    held, model = load_file(folder / "copy" / "model.safetensors"), load_base(ModelConfig(name=str(folder / "copy"))).model.state_dict()
    wrong = [name for name, t in held.items() if name in model and not torch.equal(model[name], t.float())]
    return f"{wrong} were not read as stored" if wrong else None


def tensors(base: Path) -> Iterator[Case]:
    from safetensors import safe_open

    with safe_open(base / "model.safetensors", "pt") as stored:
        shapes = {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118
    for name, shape in shapes.items():
        ways: dict[str, Callable[[dict[str, Any]], Any]] = {
            "missing": lambda t, n=name: t.pop(n),
            "with a compiler's prefix": lambda t, n=name: t.update({f"_orig_mod.{n}": t.pop(n)}),
            "with a wrapper's prefix": lambda t, n=name: t.update({f"module.{n}": t.pop(n)}),
            "misspelt": lambda t, n=name: t.update({n.replace("weight", "wieght"): t.pop(n)}),
            "a row more": lambda t, n=name: t.update({n: _more(t[n])}),
            "a row less": lambda t, n=name: t.update({n: t[n][:-1].clone()}),
            "flat": lambda t, n=name: t.update({n: t[n].reshape(-1, 1).clone()}),
            "empty": lambda t, n=name: t.update({n: t[n][:0].clone()}),
            **{f"{v} in {d}": _poke(name, float(v), d, d != "float32") for v in ("nan", "inf", "-inf") for d in ("float32", "bfloat16", "float16", "float64")},
            **{f"as {d}": _recast(name, d) for d in ("int8", "uint8", "int32", "int64", "bool")},
        }  # fmt: skip
        if len(shape) == 2 and shape[0] != shape[1]:
            ways["transposed"] = lambda t, n=name: t.update({n: t[n].T.contiguous()})
        for way, change in ways.items():
            yield _doctor(base, f"{name}: {way}", _tensors(change))
    for dtype in ("float16", "bfloat16", "float64"):
        yield _doctor(base, f"all as {dtype}", _tensors(lambda t, d=dtype: [_recast(n, d)(t) for n in list(t)]), False, _equals_stored)
    for extra in ("model.layers.0.self_attn.q_proj.bias", "model.layers.1.mlp.up_proj.weight", "score.weight", "v_head.summary.weight", "lm_head.bias",
                  "model.layers.0.self_attn.q_proj.lora_A.default.weight", "model.layers.0.self_attn.q_proj.weight_scale_inv", "model.embed_positions.weight",
                  "model.norm.bias", "base_model.model.lm_head.weight", "transformer.wte.weight", "model.layers.0.self_attn.q_norm.weight"):  # fmt: skip
        yield _doctor(base, f"a tensor too many: {extra}", _tensors(lambda t, n=extra: t.update({n: _ones(4)})))
    for extra, size in (
        ("model.layers.0.self_attn.rotary_emb.inv_freq", (2,)),
        ("model.layers.0.self_attn.masked_bias", (1,)),
        ("model.position_ids", (8,)),
        ("model.layers.0.attn.bias", (1, 1, 8, 8)),
    ):
        yield _doctor(base, f"a stored {extra}", _tensors(lambda t, n=extra, s=size: t.update({n: _ones(*s)})), False, _equals_stored)
    yield _doctor(base, "in shards", _sharded(lambda place, index: None), False, _shards_read)
    cut = "model-00002-of-00002.safetensors"
    broken: dict[str, Callable[[Path, dict[str, Any]], Any]] = {
        "a shard missing": lambda p, i: (p / cut).unlink(), "a shard empty": lambda p, i: (p / cut).write_bytes(b""),
        "a shard cut": lambda p, i: (p / cut).write_bytes((p / cut).read_bytes()[:-9]), "no map": lambda p, i: i.pop("weight_map"),
        "a map that is a list": lambda p, i: i.update(weight_map=[]), "an empty map": lambda p, i: i.update(weight_map={}),
        "one shard not named": lambda p, i: i.update(weight_map={n: f for n, f in i["weight_map"].items() if f != cut}),
        "a shard that is not there": lambda p, i: i["weight_map"].update({n: "model-3.safetensors" for n in list(i["weight_map"])[:1]}),
        "a path elsewhere": lambda p, i: i["weight_map"].update({n: "../x.safetensors" for n in list(i["weight_map"])[:1]}),
        "numbers for files": lambda p, i: i.update(weight_map=dict.fromkeys(i["weight_map"], 3)),
    }  # fmt: skip
    for name, change in broken.items():
        yield _doctor(base, f"shards: {name}", _sharded(change))


def _shards_read(folder: Path, _: str) -> str | None:
    from holdfast.config import ModelConfig
    from holdfast.models.checkpoint import load_base

    count = sum(p.numel() for p in load_base(ModelConfig(name=str(folder / "copy"))).model.parameters())
    return None if count > 1000 else f"{count} parameters"


def _ones(*shape: int) -> Any:
    import torch

    return torch.ones(*shape)


def _more(tensor: Any) -> Any:
    import torch

    return torch.cat([tensor, tensor[:1]]).contiguous()


def settings(base: Path) -> Iterator[Case]:
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_key_value_heads", "head_dim")
    for field in sizes:
        for value in (1, 2, 3, 7, 48, 100, "8", [8], 1.5, None):
            usable = (
                (field == "num_hidden_layers" and value == 1)
                or value is None
                or (field in ("num_key_value_heads", "head_dim") and value != 1.5)
            )
            yield _doctor(
                base, f"config.{field} = {value!r}", _edited("config.json", lambda c, k=field, v=value: c.update({k: v})), not usable
            )
    for field, value in (("auto_map", {"AutoConfig": "c.C", "AutoModelForCausalLM": "m.M"}), ("model_type", "bert"), ("model_type", "gpt2"), ("rope_parameters", 3),
                         ("quantization_config", {"quant_method": "nosuch"}), ("architectures", 3), ("dtype", "nosuch"), ("rms_norm_eps", "x"), ("eos_token_id", "x")):  # fmt: skip
        # A class of its own is known for its model_type; an unknown way of quantizing quantizes nothing of plain weights.
        usable = field in ("auto_map", "architectures", "dtype", "quantization_config")
        yield _doctor(
            base, f"config.{field} = {str(value)[:30]!r}", _edited("config.json", lambda c, k=field, v=value: c.update({k: v})), not usable
        )
    yield _doctor(
        base,
        "code of its own",
        _edited("config.json", lambda c: c.update(model_type="own", auto_map={"AutoConfig": "c.C", "AutoModelForCausalLM": "m.M"})),
    )
    yield _doctor(base, "an adapter in its folder", lambda p: (p / "adapter_config.json").write_text('{"peft_type": "LORA"}'))
    for rate in (1, 8, 64):
        yield _doctor(
            base,
            f"config.max_position_embeddings = {rate}",
            _edited("config.json", lambda c, v=rate: c.update(max_position_embeddings=v)),
            False,
            _says_positions(rate),
        )


def _says_positions(count: int) -> Right:
    return lambda _, stdout: None if f"trained on {count} positions" in stdout else f"nothing is said of {count} positions"


def tokenizers(base: Path) -> Iterator[Case]:
    size = json.loads((base / "config.json").read_bytes())["vocab_size"]
    model = lambda change: _edited("tokenizer.json", lambda t: change(t["model"]))  # noqa: E731
    edits: dict[str, tuple[Change, bool]] = {
        "ids moved up by one": (model(lambda m: m.update(vocab={w: i + 1 for w, i in m["vocab"].items()})), False),
        "ids moved up by 1000": (model(lambda m: m.update(vocab={w: i + 1000 for w, i in m["vocab"].items()})), True),
        "ids times two": (model(lambda m: m.update(vocab={w: 2 * i for w, i in m["vocab"].items()})), True),
        "no vocabulary": (model(lambda m: m.update(vocab={})), True),
        "vocabulary of letters as ids": (model(lambda m: m.update(vocab={w: "x" for w in m["vocab"]})), True),
        "negative ids": (model(lambda m: m.update(vocab={w: -i for w, i in m["vocab"].items()})), True),
        "merges of nothing": (model(lambda m: m.update(merges=[["nosuch", "x"]])), True),
        "merges as numbers": (model(lambda m: m.update(merges=[1, 2])), True),
        "another kind of model": (model(lambda m: m.update(type="Nosuch")), True),
        "no kind of model": (model(lambda m: m.pop("type")), False),
        "no pre-tokenizer": (_edited("tokenizer.json", lambda t: t.update(pre_tokenizer=None)), False),
        "no model": (_edited("tokenizer.json", lambda t: t.pop("model")), True),
        "model of null": (_edited("tokenizer.json", lambda t: t.update(model=None)), True),
        "unknown pre-tokenizer": (_edited("tokenizer.json", lambda t: t.update(pre_tokenizer={"type": "Nosuch"})), True),
        "unknown normalizer": (_edited("tokenizer.json", lambda t: t.update(normalizer={"type": "Nosuch"})), True),
        "unknown decoder": (_edited("tokenizer.json", lambda t: t.update(decoder={"type": "Nosuch"})), True),
        "cut at 4 tokens": (_edited("tokenizer.json", lambda t: t.update(truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0})), False),
        "a normalizer that drops all": (_edited("tokenizer.json", lambda t: t.update(normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": ""})), True),
        "a special token beyond": (_edited("tokenizer.json", lambda t: t["added_tokens"][-1].update(id=size + 9)), False),
    }  # fmt: skip
    for name, pattern in {
        "nested": "(a+)+$",
        "nested words": r"(\w+\s*)+$",
        "alternatives": "(a|aa)+$",
        "not closed": "(a",
        "unknown class": r"\p{Nosuch}",
        "backreference": r"(\d+)\1+$x",
    }.items():
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        edits[f"a pattern: {name}"] = (
            _edited(
                "tokenizer.json", lambda t, s=split: t.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [s, t["pre_tokenizer"]]})
            ),
            name in ("nested", "not closed", "unknown class"),
        )
    for name, (change, must) in edits.items():
        yield _doctor(base, f"tokenizer.json: {name}", change, must)
    for field in ("eos_token", "bos_token"):
        yield _doctor(
            base,
            f"tokenizer_config.{field} of no row",
            _edited("tokenizer_config.json", lambda c, k=field: c.update({k: "<nosuch>"})),
            field == "eos_token",
        )
        for value in (3, [], {}, True, [1], {"content": 3}):
            yield _doctor(
                base,
                f"tokenizer_config.{field} = {value!r}",
                _edited("tokenizer_config.json", lambda c, k=field, v=value: c.update({k: v})),
                False,
            )
    yield _doctor(
        base,
        "no eos",
        _edited("tokenizer_config.json", lambda c: c.pop("eos_token")),
        False,
        lambda _, out: None if "no end token" in out else "nothing is said of the end token",
    )
    yield _doctor(base, "no pad", _edited("tokenizer_config.json", lambda c: c.pop("pad_token")), False, _equals_stored)
    yield _doctor(
        base, "a pad without a row", _edited("tokenizer_config.json", lambda c: c.update(pad_token="[PAD]")), False, _equals_stored
    )
    for value in (
        3,
        True,
        [],
        {},
        [3],
        [{"name": "a"}],
        [{"name": "rag", "template": TURNS}],
        {"rag": TURNS},
        [{"name": "default", "template": ""}],
        [{"name": "default", "template": 3}],
    ):

        def config(place: Path, value: Any = value) -> None:
            (place / "chat_template.jinja").unlink()
            _edited("tokenizer_config.json", lambda c: c.update(chat_template=value))(place)

        yield _doctor(base, f"tokenizer_config.chat_template = {str(value)[:40]!r}", config)


def templates(base: Path) -> Iterator[Case]:
    """Everything of this file."""
    for name, text in REFUSED.items():
        yield _doctor(base, f"template: {name}", _put_template(text))
    for name, (text, wanted) in TAKEN.items():
        yield _doctor(base, f"template: {name}", _put_template(text), False, _gives(wanted))
    yield from tensors(base)
    yield from settings(base)
    yield from tokenizers(base)
