"""Log-likelihoods of the suite: holdfast against lm-eval's HF backend at its best batch size, with and without an unmerged adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.peers import common, rows
from benchmarks.peers.rows import Pair
from holdfast.engine import kernels, packed
from holdfast.engine.kernels import Kernels
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.models.chat import ChatFormat

AMOUNT = {"2M": (60, 5, 8), "100M": (8, 2, 5), "tiny": (4, 1, 2)}
EXACT = {"2M": 30, "100M": 4, "tiny": 4}  # requests of each task
BATCHES = {"2M": (1, 8, 32), "100M": (1, 8), "tiny": (1, 4)}


def lm_eval(model: Any, tokenizer: Any, batch: int, pairs: Sequence[Pair]) -> Callable[[], list[tuple[float, bool]]]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    backend = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device="cpu", max_length=2048)
    asked = [Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=0) for pair in pairs]
    return lambda: backend.loglikelihood(asked, disable_tqdm=True)


def requests(chat: ChatFormat, pairs: Sequence[Pair]) -> list[ScoreRequest]:
    """Neighbouring pairs of one context are one request."""
    groups: list[tuple[str, list[str]]] = []
    for context, continuation in pairs:
        if not groups or groups[-1][0] != context:
            groups.append((context, []))
        groups[-1][1].append(continuation)
    encoded = chat.encode_choices([c for c, _ in groups], [options for _, options in groups])
    return [ScoreRequest(tuple(context), tuple(map(tuple, options))) for context, options in encoded]


def holdfast(model: Any, chat: ChatFormat, pairs: Sequence[Pair], use: Kernels) -> Callable[[], list[float]]:
    """Tokenizing included, as lm-eval's is; the start-up check of the engine is made once a model, outside."""
    engine = LocalEngine(model, chat, packing=True, use=use)
    return lambda: [value for found in engine.score(requests(chat, pairs)) for value in found]


def best_batch(model: Any, tokenizer: Any, pairs: Sequence[Pair], sizes: Sequence[int]) -> int:
    found = common.interleave({str(b): lm_eval(model, tokenizer, b, pairs) for b in sizes}, 1)
    return int(min(found, key=lambda name: found[name].cpu))


def run(size: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    tokenizer = common.tokenizer(size)
    chat, plain, tuned = ChatFormat(tokenizer), common.llama(size), common.lora(common.llama(size))
    fast, measured = kernels.choose(kernels.shapes_of(plain.config))
    body, head = packed.sizes(plain)
    out: dict[str, Any] = {"kernels": {"many": fast.many, "few": fast.few, "measured": measured}, "tasks": {}}
    timed: dict[str, list[common.Timed]] = {}
    flops = 0.0
    for task, pairs in rows.suite(*AMOUNT[size]).items():
        batch = best_batch(plain, tokenizer, pairs, BATCHES[size])
        runs: dict[str, Callable[[], Any]] = {
            "lm-eval": lm_eval(plain, tokenizer, batch, pairs),
            "holdfast, same kernel": holdfast(plain, chat, pairs, Kernels()),
            "holdfast, best kernel": holdfast(plain, chat, pairs, Kernels(many="onednn")),
            "lm-eval, adapter": lm_eval(tuned, tokenizer, batch, pairs),
            "holdfast, adapter, same kernel": holdfast(tuned, chat, pairs, Kernels()),
        }
        say(f"scoring {size}: {task}, {len(pairs)} pairs, lm-eval at batch {batch}")
        found = common.interleave(runs, rounds)
        counted = LocalEngine(plain, chat, packing=True)
        asked = requests(chat, pairs)
        counted.score(asked)
        lengths = [len(c) for r in asked for c in r.continuations]
        wanted = sum(len({r.context + c[:k] for c in r.continuations for k in range(len(c))}) for r in asked)
        work = 2 * (counted.counters.computed * body + wanted * head)
        flops += work
        entry: dict[str, Any] = {
            "pairs": len(pairs),
            "batch": batch,
            "tokens_asked": counted.counters.asked,
            "tokens_computed": counted.counters.computed,
        }
        for name, row in found.items():
            base = found["lm-eval, adapter" if "adapter" in name else "lm-eval"]
            entry[name] = {"cpu_s": round(row.cpu, 3), "wall_s": round(row.wall, 3), "times": round(base.cpu / row.cpu, 2)}
            if name.startswith("holdfast"):
                entry[name]["gflops"] = round(work / row.cpu / 1e9, 1)
                gaps = [abs(a - b[0]) / n for a, b, n in zip(row.result, base.result, lengths, strict=True)]
                entry[name]["largest_difference_per_token"] = float(f"{max(gaps):.1e}")
            timed.setdefault(name, []).append(row)
        out["tasks"][task] = entry
    sums = {name: common.total(t) for name, t in timed.items()}
    out["suite"] = {
        name: {
            "cpu_s": round(cpu, 3),
            "times": round(sums["lm-eval, adapter" if "adapter" in name else "lm-eval"] / cpu, 2),
            **({"gflops": round(flops / cpu / 1e9, 1)} if name.startswith("holdfast") else {}),
        }
        for name, cpu in sums.items()
    }
    out["exactness"] = exactness(size, chat, plain, EXACT[size] if rounds > 1 else max(1, EXACT[size] // 3))
    return out


@torch.inference_mode()
def exactness(size: str, chat: ChatFormat, model: Any, most: int) -> dict[str, float]:
    """Single tokens' log-probabilities of `most` requests of each task: packed against one plain call a continuation, and both against float64."""
    import copy

    double = copy.deepcopy(model).double()
    asked = [r for pairs in rows.suite(*AMOUNT[size]).values() for r in requests(chat, pairs)[:most]]
    wholes = list(dict.fromkeys((r.context, c) for r in asked for c in r.continuations))
    tokens = [ScoreRequest(context + c[:k], (c[k : k + 1],)) for context, c in wholes for k in range(len(c))]
    found_by = {name: LocalEngine(model, chat, packing=True, use=Kernels(many=name)).score(tokens) for name in ("torch", "onednn")}
    gaps: dict[str, float] = {}
    at = 0
    for context, c in wholes:
        ids, targets = torch.tensor([context + c[:-1]]), torch.tensor(c)
        plain, exact = (
            m(ids, use_cache=False).logits[0, len(context) - 1 :].to(kind).log_softmax(-1)[torch.arange(len(c)), targets]
            for m, kind in ((model, torch.float32), (double, torch.float64))
        )
        named = {name: torch.tensor([found[at + k][0] for k in range(len(c))]) for name, found in found_by.items()}
        for name, a, b in (
            ("plain - float64", plain, exact),
            *((f"{name} - plain", found, plain) for name, found in named.items()),
            *((f"{name} - float64", found, exact) for name, found in named.items()),
        ):
            gaps[name] = max(gaps.get(name, 0.0), float((a.double() - b.double()).abs().max()))
        at += len(c)
    return {"tokens": len(tokens), **{name: float(f"{gap:.1e}") for name, gap in gaps.items()}}
