"""Greedy replies over one and two turns: holdfast's slots against HF generate one prompt at a time (the published way), and batched at its best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.peers import common, rows
from holdfast.engine import generation, kernels, memory, packed
from holdfast.engine.generation import GenerateRequest, SlotCounters

AMOUNT = {"2M": (24, 48), "100M": (8, 48), "tiny": (3, 8)}  # items, new tokens a turn
BATCHES = {"2M": (16, 32), "100M": (8, 16), "tiny": (4,)}
LONGEST = 900


def stops(size: str, new: int) -> list[int]:
    """End tokens drawn so that random weights write replies of varied length."""
    vocabulary = common.BODY[size][4]
    draw = torch.randperm(vocabulary, generator=torch.Generator().manual_seed(1))
    return draw[: max(1, int(1.2 * vocabulary / new))].tolist()


def _one(model: Any, ids: Sequence[Sequence[int]], new: int, ends: list[int]) -> list[tuple[int, ...]]:
    wide = max(map(len, ids))
    batch = torch.full((len(ids), wide), 2)
    seen = torch.zeros(len(ids), wide, dtype=torch.long)
    for row, context in enumerate(ids):
        batch[row, wide - len(context) :], seen[row, wide - len(context) :] = torch.tensor(context), 1
    written = model.generate(batch, attention_mask=seen, max_new_tokens=new, do_sample=False, eos_token_id=ends, pad_token_id=2)
    out = []
    for row in written[:, wide:].tolist():
        stop = next((k for k, token in enumerate(row) if token in ends), len(row))
        out.append(tuple(row[:stop]))
    return out


@torch.inference_mode()
def hf(model: Any, asked: Sequence[GenerateRequest], new: int, ends: list[int], batch: int) -> list[list[tuple[int, ...]]]:
    """Turn by turn; the second turn's prompt is the first's ids, what was written, and what is said then."""

    def write(contexts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        out: list[tuple[int, ...]] = [()] * len(contexts)
        order = sorted(range(len(contexts)), key=lambda i: -len(contexts[i])) if batch > 1 else list(range(len(contexts)))
        for start in range(0, len(order), batch):
            mine = order[start : start + batch]
            for i, ids in zip(mine, _one(model, [contexts[i] for i in mine], new, ends), strict=True):
                out[i] = ids
        return out

    first = write([r.context for r in asked])
    more = [i for i, r in enumerate(asked) if r.branches]
    second = dict(zip(more, write([asked[i].context + first[i] + asked[i].branches[0] for i in more]) if more else [], strict=True))
    return [[ids, *([second[i]] if i in second else [])] for i, ids in enumerate(first)]


def run(size: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    items, new = AMOUNT[size]
    tokenizer, model, ends = common.tokenizer(size), common.llama(size), stops(size, new)
    fast, measured = kernels.choose(kernels.shapes_of(model.config))
    encode = lambda text: tuple(tokenizer.backend_tokenizer.encode(text).ids)  # noqa: E731
    body, head = packed.sizes(model)
    slot_tokens = memory.bounds(model, 8192).slot_tokens
    counters = SlotCounters()

    def slots(asked: Sequence[GenerateRequest], few: kernels.Name) -> list[list[tuple[int, ...]]]:
        nonlocal counters
        counters = SlotCounters()
        with kernels.using(model, few, few=True):
            found = generation.generate(model, asked, frozenset(ends), budget=slot_tokens, row_tokens=1024, counters=counters)
        return [[reply.ids for reply in replies] for replies in found]

    out: dict[str, Any] = {"kernels": {"few": fast.few, "measured": measured.get("few")}, "new_tokens": new, "tasks": {}}
    timed: dict[str, list[common.Timed]] = {}
    flops = 0.0
    for task, said in rows.written(items).items():
        asked = [GenerateRequest(encode(p)[:LONGEST], new, (encode(then),) if then else (), new if then else 0) for p, then in said]
        sizes = common.interleave({str(b): partial(hf, model, asked, new, ends, b) for b in BATCHES[size]}, 1)
        batch = int(min(sizes, key=lambda name: sizes[name].cpu))
        say(f"generation {size}: {task}, {len(asked)} prompts, HF batched at {batch}")
        found = common.interleave(
            {
                "HF generate, one by one": partial(hf, model, asked, new, ends, 1),
                "HF generate, batched": partial(hf, model, asked, new, ends, batch),
                "holdfast, same kernel": partial(slots, asked, "torch"),
                "holdfast, best kernel": partial(slots, asked, "onednn"),
            },
            rounds,
        )
        one = found["HF generate, one by one"]
        entry: dict[str, Any] = {
            "prompts": len(asked),
            "batch": batch,
            "tokens_written": sum(len(ids) for turns in one.result for ids in turns),
            "tokens_prefilled": counters.prefill,
            "tokens_decoded": counters.decoded,
            "steps": counters.steps,
        }
        work = 2 * ((counters.prefill + counters.decoded) * body + (counters.decoded + len(asked)) * head)
        flops += work
        for name, row in found.items():
            same = sum(a == b for a, b in zip(row.result, one.result, strict=True))
            entry[name] = {
                "cpu_s": round(row.cpu, 3),
                "wall_s": round(row.wall, 3),
                "times": round(one.cpu / row.cpu, 2),
                "identical": f"{same}/{len(asked)}",
            }
            if name.startswith("holdfast"):
                entry[name]["gflops"] = round(work / row.cpu / 1e9, 1)
            timed.setdefault(name, []).append(row)
        out["tasks"][task] = entry
    sums = {name: common.total(t) for name, t in timed.items()}
    out["all"] = {
        name: {
            "cpu_s": round(cpu, 3),
            "times": round(sums["HF generate, one by one"] / cpu, 2),
            "times_batched": round(sums["HF generate, batched"] / cpu, 2),
            **({"gflops": round(flops / cpu / 1e9, 1)} if name.startswith("holdfast") else {}),
        }
        for name, cpu in sums.items()
    }
    return out
