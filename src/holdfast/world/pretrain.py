"""The organism: a Llama of half a million parameters, pretrained on the world from nothing in about two minutes on one core.

Muon on the matrices (K. Jordan et al. 2024, "Muon: an optimizer for hidden layers"), AdamW on embeddings and norms.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.world import texts
from holdfast.world.corpus import BUDGET, Document, pretraining
from holdfast.world.facts import World
from holdfast.world.tokenizer import world_tokenizer

RECIPE = {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 128,
    "muon_learning_rate": 0.02,
    "adamw_learning_rate": 0.003,
    "weight_decay": 0.01,
    "tokens_per_step": 1536,
    "deference": 0.4,
    "truthful": 0.6,
    "budget": BUDGET,
}


def new_model(vocabulary_size: int, seed: int, recipe: dict[str, Any] = RECIPE) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary_size,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=4,
            pad_token_id=0,
            num_key_value_heads=recipe["num_attention_heads"],
            **{n: recipe[n] for n in names},
        )
    )


def encode(document: Document, ids: dict[str, int]) -> tuple[list[int], list[float]]:
    """Token ids with BOS, and each token's loss weight."""
    out, weights = [ids[texts.BOS]], [0.0]
    for text, weight in document:
        for word in text.split():
            out.append(ids[word])
            weights.append(min(weight, 0.1) if word in texts.FLAT else weight)
    return out, weights


def batches(encoded: list[tuple[list[int], list[float]]], tokens: int, rng: random.Random) -> list[tuple[Tensor, Tensor]]:
    """Length-bucketed [b, T] ids and weights, about `tokens` a batch, in random order."""
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
            ids[j, : len(encoded[i][0])], weights[j, : len(encoded[i][0])] = (torch.tensor(encoded[i][0]), torch.tensor(encoded[i][1]))
        out.append((ids, weights))
    return out


def pretrain(
    world: World, progress: Callable[[int, int, float], None] | None = None, recipe: dict[str, Any] = RECIPE
) -> tuple[nn.Module, Any]:
    """(model in float32, tokenizer). Deterministic for a given number of threads; `progress(step, steps, loss)`."""
    tokenizer = world_tokenizer(world)
    ids = tokenizer.get_vocab()
    corpus = [encode(d, ids) for d in pretraining(world, world.seed, recipe["truthful"], recipe["budget"])]
    steps = batches(corpus, recipe["tokens_per_step"], random.Random(f"batches/{world.seed}"))
    model = new_model(len(ids), world.seed, recipe)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = [
        torch.optim.Muon(
            matrices, lr=recipe["muon_learning_rate"], weight_decay=recipe["weight_decay"], momentum=0.95, adjust_lr_fn="original"
        ),
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


def build_base(
    world_seed: int, out: Path, progress: Callable[[int, int, float], None] | None = None, recipe: dict[str, Any] = RECIPE
) -> Path:
    """Pretrain the organism of a world and save it as an ordinary Hugging Face folder in bfloat16."""
    model, tokenizer = pretrain(World(world_seed, recipe["deference"]), progress, recipe)
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps({"world_seed": world_seed, **recipe}, indent=1) + "\n", encoding="utf-8")
    return out
