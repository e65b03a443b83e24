"""Random small models, tokenizers, templates and adapters: holdfast's numbers compared with plain transformers and PEFT.

    python -m benchmarks.differential [--draws 500] [--seed 0]

A draw is written as a checkpoint folder and an adapter folder, and read back by both sides. Plain: the chat template by
`apply_chat_template`, prompt and choice tokenized as one text, one forward of PEFT's model a choice, `generate` for the reply.
Prints how often each kind was drawn and the largest difference of a choice's log-probability (nats per token); exits with 1 if one is above 1e-4
or a text differs.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOLERANCE = 1e-4
ARCHITECTURES = (
    "Llama",
    "Mistral",
    "Qwen2",
    "Qwen3",
    "Gemma",
    "Gemma2",
    "Phi3",
    "Olmo2",
    "GPTNeoX",
    "StableLm",
    "Granite",
    "Cohere",
    "Mixtral",
)
ADAPTERS = (
    "none", "lora", "rslora", "dora", "lora_bias", "bias", "patterns", "head", "embedding", "saved head", "saved embedding", "tokens", "vera", "ia3",
    "loha", "lokr", "oft", "norms", "embeddings in the file",
)  # fmt: skip
WORDS = "what is the answer to this question one two three four five six seven eight nine ten yes no maybe A B C D . ? , and or not".split()
TURNS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{% for m in messages %}{{ m.role }} : {{ m.content | trim }} <|end|> {% endfor %}{% if add_generation_prompt %}assistant : {% endif %}",
    "{% if messages[0].role == 'system' %}[ {{ messages[0].content }} ] {% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{% if m.role == 'user' %}<|user|> {{ m.content }} {% else %}<|assistant|> {{ m.content }} <|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|> {% endif %}",
)
STARTS = ("", "{{ bos_token }}", "{{ bos_token }}{% if messages[0].role != 'system' %}<|system|>You are one .<|end|>{% endif %}")


@dataclass(frozen=True)
class Draw:
    """What a draw is made of; a seed settles it."""

    seed: int
    architecture: str
    adapter: str
    tokenizer: str
    template: str
    tied: bool
    merge: bool | None

    @classmethod
    def of(cls, seed: int) -> Draw:
        r = random.Random(seed)
        return cls(
            seed, r.choice(ARCHITECTURES), r.choice(ADAPTERS), r.choice(("words", "bpe")), r.choice(STARTS) + r.choice(TURNS), r.random() < 0.5,
            r.choice((None, True, False)),
        )  # fmt: skip


def tokenizer(draw: Draw) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    r = random.Random(draw.seed + 1)
    special = ["<pad>", "<s>", "</s>", "<unk>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    if draw.tokenizer == "words":
        raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*special, *WORDS])}, unk_token="<unk>"))
        raw.pre_tokenizer = pre_tokenizers.Whitespace() if r.random() < 0.5 else pre_tokenizers.WhitespaceSplit()
    else:
        raw = Tokenizer(models.BPE())
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=r.random() < 0.3)
        raw.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        size = len(special) + len(alphabet) + r.randrange(0, 60)
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
        raw.train_from_iterator([" ".join(r.choices(WORDS, k=12)) for _ in range(20)], trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>", additional_special_tokens=special[4:]
    )
    made.chat_template = draw.template
    return made


def model(draw: Draw, vocabulary: int) -> Any:
    import torch
    import transformers as tf

    r = random.Random(draw.seed + 2)
    heads = r.choice((2, 4))
    shared = {} if draw.architecture == "GPTNeoX" else {"num_key_value_heads": r.choice([k for k in (1, 2, 4) if heads % k == 0])}
    more = {"head_dim": 8} if draw.architecture in ("Qwen3", "Gemma", "Gemma2") else {}
    if draw.architecture in ("Mistral", "Gemma2"):
        more |= {"sliding_window": r.choice((6, 512))}
    if draw.architecture in ("Gemma2", "Cohere", "Granite"):
        more |= {"Gemma2": {"query_pre_attn_scalar": 8}, "Cohere": {"logit_scale": 0.5}, "Granite": {"logits_scaling": 2.0}}[
            draw.architecture
        ]
    if draw.architecture == "Mixtral":
        more |= {"num_local_experts": 3, "num_experts_per_tok": 2}
    config = getattr(tf, draw.architecture + "Config")(
        vocab_size=vocabulary + r.choice((0, 0, 3)), hidden_size=heads * r.choice((4, 8)) * 2, intermediate_size=r.choice((24, 40)),
        num_hidden_layers=r.choice((1, 2)), num_attention_heads=heads, max_position_embeddings=512, initializer_range=0.25, bos_token_id=1,
        eos_token_id=2, pad_token_id=0, tie_word_embeddings=draw.tied, rms_norm_eps=r.choice((1e-6, 1e-5)), layer_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": r.choice((1e4, 5e5)), "partial_rotary_factor": r.choice((0.5, 1.0))}, **shared, **more,
    )  # fmt: skip
    torch.manual_seed(draw.seed)
    return getattr(tf, draw.architecture + "ForCausalLM")(config).eval()


def adapter(draw: Draw, base: Any) -> Any:
    """PEFT's configuration, for the modules that this base has."""
    import peft
    from torch import nn

    r = random.Random(draw.seed + 3)
    linear = sorted({n.rpartition(".")[2] for n, m in base.named_modules() if isinstance(m, nn.Linear) and m is not base.get_output_embeddings()} - {"gate"})  # fmt: skip
    some = sorted(r.sample(linear, min(len(linear), r.choice((1, 2, 3)))))
    head = next(n for n, m in base.named_modules() if m is base.get_output_embeddings())
    embedding = next(n for n, m in base.named_modules() if m is base.get_input_embeddings()).rpartition(".")[2]
    norms = sorted({n.rpartition(".")[2] for n, m in base.named_modules() if "norm" in type(m).__name__.lower()})[:1]
    plain: dict[str, Any] = {"r": r.choice((1, 2, 4)), "lora_alpha": r.choice((1, 4, 8)), "target_modules": some, "task_type": "CAUSAL_LM"}
    fields: dict[str, dict[str, Any]] = {
        "lora": {}, "rslora": {"use_rslora": True}, "dora": {"use_dora": True}, "lora_bias": {"lora_bias": True}, "bias": {"bias": r.choice(("all", "lora_only"))},
        "patterns": {"rank_pattern": {some[0]: 3}, "alpha_pattern": {some[-1]: 2}}, "head": {"target_modules": [*some, head]},
        "embedding": {"target_modules": [*some, embedding]}, "saved head": {"modules_to_save": [head]}, "saved embedding": {"modules_to_save": [embedding]},
        "tokens": {"trainable_token_indices": {embedding: [1, 4, 6, 9]}}, "embeddings in the file": {},
    }  # fmt: skip
    if draw.adapter in fields:
        return peft.LoraConfig(**plain | fields[draw.adapter])
    common = {"target_modules": some, "task_type": "CAUSAL_LM"}
    by_shape = {"target_modules": some[:1], "task_type": "CAUSAL_LM"}
    make = {
        "vera": lambda: peft.VeraConfig(r=4, **by_shape),
        "ia3": lambda: peft.IA3Config(feedforward_modules=[], **common),
        "loha": lambda: peft.LoHaConfig(r=2, alpha=4, **common),
        "lokr": lambda: peft.LoKrConfig(r=2, alpha=4, **common),
        "oft": lambda: peft.OFTConfig(r=0, oft_block_size=4, **common),
        "norms": lambda: peft.LNTuningConfig(target_modules=norms, task_type="CAUSAL_LM"),
    }
    return make[draw.adapter]()


def write(draw: Draw, folder: Path) -> tuple[Path, Path | None]:
    """(the checkpoint, the adapter)"""
    import peft
    import torch

    words = tokenizer(draw)
    base = model(draw, len(words))
    base.save_pretrained(folder / "base")
    words.save_pretrained(folder / "base")
    if draw.adapter == "none":
        return folder / "base", None
    made: Any = peft.get_peft_model(base, adapter(draw, base))
    noise = torch.Generator().manual_seed(draw.seed)
    with torch.no_grad():
        for p in made.parameters():
            if p.requires_grad:
                p.add_(0.2 * torch.randn(p.shape, generator=noise))
        if draw.adapter == "embeddings in the file":
            base.get_input_embeddings().weight.mul_(1.05)
    made.save_pretrained(folder / "adapter", save_embedding_layers=draw.adapter == "embeddings in the file")
    return folder / "base", folder / "adapter"


def prompts(draw: Draw) -> list[Any]:
    """Some with choices, some to be answered in words."""
    from holdfast.records import Message, Prompt

    r = random.Random(draw.seed + 4)
    say = lambda k: " ".join(r.choices(WORDS, k=r.randrange(1, k)))  # noqa: E731
    out = []
    start = say(9)
    for i in range(5):
        turns = [Message("system", say(4))] if r.random() < 0.3 else []
        turns.append(Message("user", f"{start} {say(9)}"))
        if r.random() < 0.3:
            turns += [Message("assistant", say(4)), Message("user", say(4))]
        more: dict[str, Any] = {"choices": (" yes", " no", f" {say(4)}")} if i < 3 else {"max_new_tokens": 5}
        out.append(Prompt(condition="neutral", messages=tuple(turns), prefill=r.choice(("", "the answer is", "A :")), **more))
    return out


def plain_answers(base: Path, adapter: Path | None, asked: list[Any]) -> list[Any]:
    """Log-probabilities of the choices, each with its number of tokens, or the text, without holdfast."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    words: Any = AutoTokenizer.from_pretrained(base)
    net: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    net = (peft.PeftModel.from_pretrained(net, str(adapter)) if adapter is not None else net).eval()
    out: list[Any] = []
    encode = lambda text: words(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    with torch.inference_mode():
        for p in asked:
            turns = [{"role": m.role, "content": m.content} for m in p.messages]
            text = words.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) + p.prefill
            context = encode(text)
            if not p.choices:
                ids = torch.tensor([context])
                options = {"max_new_tokens": p.max_new_tokens, "do_sample": False, "eos_token_id": 2, "pad_token_id": 0}
                new = net.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[0, len(context) :].tolist()
                out.append(words.decode(new[: new.index(2)] if 2 in new else new, skip_special_tokens=True))
                continue
            wholes = [encode(text + choice) for choice in p.choices]
            first = min(
                next((i for i, (a, b) in enumerate(zip(context, w, strict=False)) if a != b), min(len(context), len(w))) for w in wholes
            )
            first = max(1, min(first, *(len(w) - 1 for w in wholes)))
            values = []
            for whole in wholes:
                found = net(input_ids=torch.tensor([whole]), use_cache=False).logits[0].float().log_softmax(-1)
                values.append((sum(float(found[i - 1, whole[i]]) for i in range(first, len(whole))), len(whole) - first))
            out.append(values)
    return out


def difference(draw: Draw, folder: Path) -> tuple[float, list[tuple[str, str]]]:
    """(largest difference of a choice's log-probability, nats per token; texts that differ: (holdfast's, plain))"""
    import torch

    from holdfast.config import ModelConfig
    from holdfast.engine.local import LocalEngine
    from holdfast.models.adapters import adapted
    from holdfast.models.checkpoint import load_base

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base, put_on = write(draw, folder)
        asked = prompts(draw)
        want = plain_answers(base, put_on, asked)
        loaded = load_base(ModelConfig(name=str(base)), torch.device("cpu"))
        if put_on is None:
            found = LocalEngine(loaded.model, loaded.chat).answer(asked)
        else:
            with adapted(loaded.model, put_on, merge=draw.merge) as net:
                found = LocalEngine(net, loaded.chat).answer(asked)
    gap, texts = 0.0, []
    for prompt, response, plain in zip(asked, found, want, strict=True):
        if prompt.choices:
            assert response.num_tokens == tuple(count for _, count in plain), (response.num_tokens, plain)
            gap = max(gap, *(abs(a - b) / count for a, (b, count) in zip(response.logliks or (), plain, strict=True)))
        elif response.text != plain:
            texts.append((str(response.text), plain))
    return gap, texts


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--draws", type=int, default=500)
    parse.add_argument("--seed", type=int, default=0)
    asked = parse.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    worst, bad, kinds, start = (0.0, -1), 0, Counter(), time.monotonic()
    for seed in range(asked.seed, asked.seed + asked.draws):
        draw = Draw.of(seed)
        kinds[draw.architecture] += 1
        kinds[f"adapter {draw.adapter}"] += 1
        with tempfile.TemporaryDirectory(prefix="differential-") as folder:
            try:
                gap, texts = difference(draw, Path(folder))
            except Exception as error:
                gap, texts = float("inf"), [(type(error).__name__, str(error)[:200])]
        worst = max(worst, (gap, seed))
        if not gap <= TOLERANCE or texts:
            bad += 1
            print(f"WRONG {draw}: {gap:.1e} {texts}", flush=True)
    print(", ".join(f"{name} {count}" for name, count in sorted(kinds.items())))
    print(
        f"{asked.draws} draws, {bad} wrong; the largest difference {worst[0]:.1e} nats per token (seed {worst[1]}); {time.monotonic() - start:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
