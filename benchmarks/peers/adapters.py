"""Five adapters over one base: holdfast, merged one after another, against PEFT's set_adapter with lm-eval's HF backend."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from benchmarks.peers import common, rows
from benchmarks.peers.scoring import lm_eval, requests
from holdfast.engine.kernels import Kernels
from holdfast.engine.local import LocalEngine
from holdfast.models.adapters import adapted
from holdfast.models.chat import ChatFormat

AMOUNT = {"2M": (30, 3, 6), "100M": (3, 1, 4), "tiny": (2, 1, 2)}
BATCH, COUNT = 8, 5
TASKS = ("hellaswag", "mmlu 5-shot", "paired answers")


def run(size: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    tokenizer, base, folder = common.tokenizer(size), common.llama(size), common.scratch()
    chat = ChatFormat(tokenizer)
    suite = rows.suite(*AMOUNT[size])
    pairs = [pair for task in TASKS for pair in suite[task]]
    peft = common.lora(copy.deepcopy(base), name="0", seed=1)
    peft.save_pretrained(folder)
    for k in range(1, COUNT):
        other = common.lora(copy.deepcopy(base), name=str(k), seed=1 + k)
        other.save_pretrained(folder)
        peft.load_adapter(str(folder / str(k)), adapter_name=str(k))
    peft.eval()

    def theirs() -> list[list[float]]:
        out = []
        for k in range(COUNT):
            peft.set_adapter(str(k))
            out.append([found[0] for found in lm_eval(peft, tokenizer, BATCH, pairs)()])
        return out

    def ours(use: Kernels) -> list[list[float]]:
        cache: dict[Any, Any] = {}
        asked, out = requests(chat, pairs), []
        for k in range(COUNT):
            with adapted(base, folder / str(k)) as model:
                engine = LocalEngine(model, chat, packing=True, cache=cache, use=use)
                out.append([value for found in engine.score(asked, key="suite") for value in found])
        return out

    say(f"adapters {size}: {COUNT} adapters, {len(pairs)} pairs")
    found = common.interleave(
        {
            "PEFT set_adapter + lm-eval": theirs,
            "holdfast, same kernel": lambda: ours(Kernels()),
            "holdfast, best kernel": lambda: ours(Kernels(many="onednn")),
        },
        rounds,
    )
    base_row = found["PEFT set_adapter + lm-eval"]
    return {
        name: {
            "cpu_s": round(row.cpu, 3),
            "wall_s": round(row.wall, 3),
            "times": round(base_row.cpu / row.cpu, 2),
            "largest_difference": float(
                f"{max(abs(a - b) for x, y in zip(row.result, base_row.result, strict=True) for a, b in zip(x, y, strict=True)):.1e}"
            ),
        }
        for name, row in found.items()
    }
