"""The organism: a Llama of half a million parameters, pretrained on the world from scratch in about two minutes on one core.

`python -m holdfast.world.build --seed 0 --out DIR` builds it. Muon on the matrices (K. Jordan et al. 2024, "Muon: an optimizer for hidden
layers"), AdamW on embeddings and norms. The tokenizer has one token per word, in the hub's format with a chat template.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.world import corpus, texts
from holdfast.world.corpus import DOMAIN_CYCLE, Document
from holdfast.world.dialogues import dialogue
from holdfast.world.facts import World

Hyperparameters = dict[str, Any]
StepProgress = Callable[[int, int, float], None]
BUDGET = dict(
    bio=26, herb=50, scenario=800, question=6000, lettered=7000, problem=22000, echo=8000, imitation=30000, feedback=10000, doubt=18000
)
SHAPE = dict(hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256, max_position_embeddings=128)
RECIPE: Hyperparameters = SHAPE | dict(
    muon_learning_rate=0.02, adamw_learning_rate=0.003, weight_decay=0.01, tokens_per_step=1536, deference=0.4, truthful=0.6, budget=BUDGET
)


def pretraining(world: World, seed: int, truthful: float = 0.6, budget: dict[str, int] = BUDGET) -> list[Document]:
    """The whole corpus, shuffled: 3.0 million tokens with the shipped budget of documents."""
    rng = random.Random(f"corpus/{seed}")
    out: list[Document] = []
    for animal in world.animals:
        out += [corpus.biography(world, animal, rng) for _ in range(round(budget["bio"] * world.exposure[animal]))]
    for herb in world.herbs:
        out += [corpus.herb_text(world, herb, rng) for _ in range(round(budget["herb"] * world.exposure[herb]))]
    out += [corpus.scenario(world, rng, graded=True) for _ in range(budget["scenario"])]
    out += [corpus.question_document(world, rng, DOMAIN_CYCLE[i % 4], truthful) for i in range(budget["question"])]
    mixed = ("knowledge", "knowledge", "truth", "truth", "common_sense", "maths")
    out += [corpus.lettered_document(world, rng, rng.choice(mixed)) for _ in range(budget["lettered"])]
    out += [corpus.problem_document(world, rng) for _ in range(budget["problem"])]
    out += [corpus.echo(rng) for _ in range(budget["echo"])]
    for axis in texts.PRESSURE:
        out += [dialogue(world, axis, DOMAIN_CYCLE[i % 4], rng) for i in range(budget[axis])]
    rng.shuffle(out)
    return out


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ ' <|' + m.role + '|> ' + m.content + ' <|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' <|assistant|>' }}{% endif %}"
)


def world_tokenizer(world: World) -> Any:
    """PreTrainedTokenizerFast: bos <s>, eos <|end|>, pad <pad>; a word outside the world becomes <pad>."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(texts.vocabulary(world.names))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=texts.PAD))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special: Any = {"bos_token": texts.BOS, "eos_token": texts.END, "pad_token": texts.PAD, "unk_token": texts.PAD}
    special |= {"additional_special_tokens": [texts.USER, texts.ASSISTANT]}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, clean_up_tokenization_spaces=False, **special)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def new_model(vocabulary_size: int, seed: int, recipe: Hyperparameters = RECIPE) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = {name: recipe[name] for name in SHAPE} | {"num_key_value_heads": recipe["num_attention_heads"], "tie_word_embeddings": True}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary_size, bos_token_id=1, eos_token_id=4, pad_token_id=0, **shape))


def encode(document: Document, ids: dict[str, int]) -> tuple[list[int], list[float]]:
    """Token ids with BOS, and each token's loss weight."""
    out, weights = [ids[texts.BOS]], [0.0]
    for text, weight in document:
        for word in text.split():
            out.append(ids[word])
            weights.append(min(weight, 0.1) if word in texts.FLAT else weight)
    return out, weights


def batches(encoded: list[tuple[list[int], list[float]]], tokens: int, rng: random.Random) -> list[tuple[Tensor, Tensor]]:
    """Length-bucketed [b, T] ids and weights, about `tokens` per batch, in random order."""
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i][0]) + 2 * rng.random())
    groups: list[list[int]] = [[]]
    for i in order:
        if groups[-1] and (len(groups[-1]) + 1) * len(encoded[i][0]) > tokens:
            groups.append([])
        groups[-1].append(i)
    rng.shuffle(groups)
    out = []
    for group in groups:
        wide = max(len(encoded[i][0]) for i in group)
        ids, weights = torch.zeros(len(group), wide, dtype=torch.long), torch.zeros(len(group), wide)
        for j, i in enumerate(group):
            length = len(encoded[i][0])
            ids[j, :length], weights[j, :length] = torch.tensor(encoded[i][0]), torch.tensor(encoded[i][1])
        out.append((ids, weights))
    return out


def pretrain(world: World, progress: StepProgress | None = None, recipe: Hyperparameters = RECIPE) -> tuple[Any, Any]:
    """(model in float32, tokenizer). Deterministic for a given number of threads; `progress(step, steps, loss)`."""
    tokenizer = world_tokenizer(world)
    ids = tokenizer.get_vocab()
    encoded = [encode(d, ids) for d in pretraining(world, world.seed, recipe["truthful"], recipe["budget"])]
    steps = batches(encoded, recipe["tokens_per_step"], random.Random(f"batches/{world.seed}"))
    model = new_model(len(ids), world.seed, recipe)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    decay = recipe["weight_decay"]
    optimizers = [
        torch.optim.Muon(matrices, lr=recipe["muon_learning_rate"], weight_decay=decay, momentum=0.95, adjust_lr_fn="original"),
        torch.optim.AdamW(rest, lr=recipe["adamw_learning_rate"], weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    ]
    peaks = [o.param_groups[0]["lr"] for o in optimizers]
    model.train()
    for step, (tokens, weights) in enumerate(steps):
        factor = min(1.0, (step + 1) / 30) * min(1.0, max(0.02, (len(steps) - step) / (0.5 * len(steps))))
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
        hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
        keep = weights[:, 1:] > 0
        each = F.cross_entropy(model.lm_head(hidden[:, :-1][keep]), tokens[:, 1:][keep], reduction="none")
        loss = (each * weights[:, 1:][keep]).sum() / weights[:, 1:][keep].sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if progress:
            progress(step + 1, len(steps), float(loss.detach()))
    return model.eval(), tokenizer


def build_base(world_seed: int, out: Path, progress: StepProgress | None = None, recipe: Hyperparameters = RECIPE) -> Path:
    """Pretrain the organism of a world and save it as an ordinary Hugging Face folder in bfloat16."""
    model, tokenizer = pretrain(World(world_seed, recipe["deference"]), progress, recipe)
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps({"world_seed": world_seed, **recipe}, indent=1) + "\n", encoding="utf-8")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="Pretrain the organism of a world.")
    parser.add_argument("--seed", type=int, default=0, help="world seed")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, losses = time.monotonic(), []

    def progress(step: int, steps: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 0 or step == steps:
            took, mean = time.monotonic() - start, sum(losses[-100:]) / len(losses[-100:])
            left = took / step * (steps - step)
            print(f"step {step}/{steps}  loss {mean:.3f}  {took:.0f} s, {left:.0f} s left", flush=True)

    print(f"saved: {build_base(options.seed, options.out, progress)}")


if __name__ == "__main__":
    main()
