"""One accelerator, no network: a Llama-2-7B shape with random weights; scoring, generation in 128 slots and a training step, against
transformers' own generate and PEFT, and against what the device's arithmetic and memory allow.

    python -m benchmarks.gpu [--out FILE]            # CUDA, bfloat16: about 10 minutes, 40 GiB
    python -m benchmarks.gpu --tiny                  # the same program on a small model, on any machine

The bound is max(operations / measured matrix-multiply rate, bytes / measured copy rate): weights read once a pass, keys and values once
a step. Nothing here has been run on a GPU by us yet; a result file says which device gave it.
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
from torch import nn

from benchmarks.peers.common import lora, scratch
from holdfast.config import TrainConfig
from holdfast.engine import generation, memory, packed
from holdfast.engine.generation import GenerateRequest, SlotCounters
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.training.batches import Encoded
from holdfast.training.lora import train

SHAPES = {"7B": (4096, 11008, 32, 32, 32000), "tiny": (64, 128, 2, 4, 320)}


def build(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, inner, layers, heads, vocabulary = SHAPES[shape]
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device(device):
        torch.set_default_dtype(dtype)
        model = LlamaForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
    return model


def timed(device: torch.device, run: Callable[[], Any], rounds: int = 2) -> tuple[float, Any]:
    """(best seconds after a warm-up, the last result)"""
    out, best = run(), float("inf")
    for _ in range(rounds):
        _wait(device)
        start = time.perf_counter()
        out = run()
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return best, out


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rates(device: torch.device, dtype: torch.dtype, size: int) -> tuple[float, float]:
    """(matrix-multiply operations a second, bytes a second of a large copy, reading and writing counted)"""
    a = torch.randn(size, size, device=device).to(dtype)
    multiply, _ = timed(device, lambda: [a @ a for _ in range(4)])
    big = torch.empty(max(1, size * size * 4), dtype=torch.uint8, device=device)
    copy, _ = timed(device, lambda: [big.clone() for _ in range(4)])
    return 8 * size**3 / multiply, 8 * big.numel() / copy


class Ids:
    """Stands for a tokenizer: everything here is token ids."""

    eos_token_id, pad_token_id = 2, 0


class Chat:
    tokenizer = Ids()


def main() -> int:
    parse = argparse.ArgumentParser(prog="benchmarks.gpu", description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--tiny", action="store_true", help="a small model on this machine's processor, to test the program")
    parse.add_argument("--out", type=Path, help="write the figures here as JSON")
    asked = parse.parse_args()
    if not asked.tiny and not torch.cuda.is_available():
        print("no CUDA device: not measured (--tiny tests the program on a processor)")
        return 1
    device = torch.device("cpu" if asked.tiny else "cuda")
    dtype, shape = (torch.float32, "tiny") if asked.tiny else (torch.bfloat16, "7B")
    flops, bandwidth = rates(device, dtype, 256 if asked.tiny else 8192)
    model = build(shape, device, dtype)
    body, head = packed.sizes(model)
    name = "processor" if asked.tiny else torch.cuda.get_device_name(device)
    found: dict[str, Any] = {
        "device": name, "shape": shape, "dtype": str(dtype), "torch": torch.__version__,
        "tflops": round(flops / 1e12, 2), "gb_per_s": round(bandwidth / 1e9),
    }  # fmt: skip
    rng = random.Random(0)
    draw = lambda n: tuple(rng.randrange(3, SHAPES[shape][4]) for _ in range(n))  # noqa: E731
    bound = lambda operations, read: max(operations / flops, read / bandwidth)  # noqa: E731
    weights = (body + head) * dtype.itemsize
    found["scoring"] = scoring(model, device, draw, bound, (body, head, weights), asked.tiny)
    found["generation"] = writing(model, device, draw, bound, (body, head, weights), asked.tiny)
    found["training"] = training(model, device, draw, bound, (body, head, weights), asked.tiny)
    if device.type == "cuda":
        found["peak_gib"] = round(torch.cuda.max_memory_allocated(device) / 2**30, 1)
    print(json.dumps(found, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


Sizes = tuple[int, int, int]


def scoring(model: nn.Module, device: torch.device, draw: Any, bound: Any, sizes: Sizes, tiny: bool) -> dict[str, Any]:
    """Stems with several conditions and answers each, against one call a condition and answer in padded batches of 32."""
    stems, conditions = (4, 3) if tiny else (128, 8)
    requests = []
    for _ in range(stems):
        stem = draw(12 if tiny else 120)
        requests += [ScoreRequest(stem + draw(20), (draw(3), draw(3))) for _ in range(conditions)]
    engine = LocalEngine(model, Chat(), packing=True)  # type: ignore[arg-type]
    ours, sums = timed(device, lambda: engine.score(requests))
    once = LocalEngine(model, Chat(), packing=True)  # type: ignore[arg-type]
    once.score(requests)

    @torch.inference_mode()
    def theirs() -> list[float]:
        out = []
        flat = [(r.context, c) for r in requests for c in r.continuations]
        for start in range(0, len(flat), 32):
            part = flat[start : start + 32]
            wide = max(len(context) + len(c) for context, c in part)
            ids = torch.tensor([[*context, *c] + [0] * (wide - len(context) - len(c)) for context, c in part], device=device)
            logprobs = model(ids, use_cache=False).logits.float().log_softmax(-1)
            for row, (context, c) in enumerate(part):
                at = range(len(context) - 1, len(context) + len(c) - 1)
                out.append(float(logprobs[row, at, list(c)].sum()))
        return out

    peer, values = timed(device, theirs)
    gap = max(abs(a - b) for a, b in zip([x for found in sums for x in found], values, strict=True))
    body, head, weights = sizes
    least = bound(2 * (once.counters.computed * body + once.counters.read * head), weights)
    return _row(ours, peer, least, tokens_computed=once.counters.computed, largest_difference=float(f"{gap:.1e}"))


def writing(model: nn.Module, device: torch.device, draw: Any, bound: Any, sizes: Sizes, tiny: bool) -> dict[str, Any]:
    """Replies in 128 slots, against transformers' generate in batches of 128; nobody ends early, so both write the same number."""
    count, prompt, new = (8, 20, 6) if tiny else (256, 256, 128)
    requests = [GenerateRequest(draw(prompt), new) for _ in range(count)]
    never = frozenset({-1})
    counters = SlotCounters()

    def slots() -> list[Any]:
        nonlocal counters
        counters = SlotCounters()
        within = memory.bounds(model, 128 * (prompt + new))
        return generation.generate(model, requests, never, budget=within.slot_tokens, row_tokens=within.row_tokens, counters=counters)

    @torch.inference_mode()
    def theirs() -> list[list[int]]:
        out: list[list[int]] = []
        for start in range(0, count, 128):
            ids = torch.tensor([r.context for r in requests[start : start + 128]], device=device)
            written = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=new,
                min_new_tokens=new,
                do_sample=False,
                pad_token_id=0,
                eos_token_id=None,
            )
            out += written[:, prompt:].tolist()
        return out

    ours, replies = timed(device, slots, 1)
    peer, texts = timed(device, theirs, 1)
    same = sum(list(r[0].ids) == t for r, t in zip(replies, texts, strict=True))
    body, head, weights = sizes
    config = model.config
    keys = 2 * config.num_hidden_layers * config.hidden_size * next(model.parameters()).element_size()
    read = counters.steps * weights + counters.decoded * keys * (prompt + new // 2)
    least = bound(2 * ((counters.prefill + counters.decoded) * body + count * new * head), read)
    return _row(ours, peer, least, tokens_per_s=round(count * new / ours), identical=f"{same}/{count}", steps=counters.steps)


def training(model: nn.Module, device: torch.device, draw: Any, bound: Any, sizes: Sizes, tiny: bool) -> dict[str, Any]:
    """LoRA steps of 16 rows with loss on completions, against PEFT's modules on padded batches of 2."""
    rows = [Encoded(draw(random.Random(k).randint(*((10, 30) if tiny else (120, 380)))), 0) for k in range(32)]
    rows = [Encoded(r.ids, len(r.ids) - 4) for r in rows]
    targets = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    config = TrainConfig(
        r=16, lora_alpha=32, target_modules=targets, learning_rate=2e-4, lr_scheduler_type="constant", warmup_ratio=0.0,
        per_device_train_batch_size=16, shuffle=False,
    )  # fmt: skip
    steps = 2
    ours, record = timed(device, lambda: train(model, rows, config, seed=0, max_steps=steps, out=scratch() / "a", allow_unchanged=True), 1)

    def theirs() -> float:
        tuned = lora(model, drawn=False).train()
        weights = [p for p in tuned.parameters() if p.requires_grad]
        optimizer, loss = torch.optim.AdamW(weights, lr=2e-4), torch.zeros(())
        for start in range(0, len(rows), 16):
            for k in range(start, start + 16, 2):
                part = rows[k : k + 2]
                wide = max(len(e.ids) for e in part)
                ids = torch.tensor([[*e.ids] + [0] * (wide - len(e.ids)) for e in part], device=device)
                seen = torch.tensor([[1] * len(e.ids) + [0] * (wide - len(e.ids)) for e in part], device=device)
                labels = torch.tensor(
                    [[-100] * e.first_loss + [*e.ids[e.first_loss :]] + [-100] * (wide - len(e.ids)) for e in part], device=device
                )
                loss = tuned(input_ids=ids, attention_mask=seen, labels=labels, use_cache=False).loss / 8
                loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tuned.unload()
        return float(loss.detach())

    peer, _ = timed(device, theirs, 1)
    body, head, weights = sizes
    least = bound(4 * (record.num_tokens * body + record.num_loss_tokens * head), 2 * weights * steps)
    return _row(ours, peer, least, tokens_per_s=round(record.num_tokens / ours), packed=record.packed)


def _row(ours: float, peer: float, least: float, **more: Any) -> dict[str, Any]:
    return {"s": round(ours, 3), "peer_s": round(peer, 3), "times": round(peer / ours, 2), "of_bound": round(least / ours, 3), **more}


if __name__ == "__main__":
    raise SystemExit(main())
