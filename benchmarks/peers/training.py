"""LoRA training: holdfast against HF Trainer + PEFT (loss on every token) and TRL's SFTTrainer with packing (loss on completions)."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from transformers import PrinterCallback

from benchmarks.peers import common, rows
from holdfast.config import TrainConfig
from holdfast.engine import kernels, packed
from holdfast.engine.fit import Fit, check_fit
from holdfast.training import lora
from holdfast.training.batches import Encoded

STEPS = {"2M": 4, "100M": 1, "tiny": 1}
DOMAINS = {"2M": ("gsm8k", "mmlu", "truthfulqa", "hellaswag"), "100M": ("gsm8k", "mmlu", "hellaswag"), "tiny": ("gsm8k",)}
BATCH, ACCUMULATE, LONGEST, RATE = 2, 8, 512, 2e-4
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def examples(size: str) -> dict[str, list[tuple[list[int], int]]]:
    """{domain: [(token ids, index of the completion's first)]}, shuffled; the combined set in addition to the four at 2M."""
    encode = common.tokenizer(size).backend_tokenizer.encode
    out = {}
    for name, pairs in rows.trained(DOMAINS[size]).items():
        mine = pairs[:400]
        out[name] = [(encode(p + c).ids[:LONGEST], min(len(encode(p).ids), LONGEST - 1)) for p, c in mine]
    if size == "2M":
        out["combined"] = [row for name in list(out) for row in out[name][:100]]
    for name, mine in out.items():
        random.Random(name).shuffle(mine)
    return out


def holdfast(
    base: Any, mine: Sequence[tuple[list[int], int]], steps: int, completion: bool, kernel: kernels.Name, fit: Fit
) -> tuple[int, list[float]]:
    config = TrainConfig(
        r=16, lora_alpha=32, target_modules=TARGETS, learning_rate=RATE, weight_decay=0.01, lr_scheduler_type="constant",
        warmup_ratio=0.0, per_device_train_batch_size=BATCH, gradient_accumulation_steps=ACCUMULATE, shuffle=False,
        completion_only_loss=completion, tokens_per_pass=2048,
    )  # fmt: skip
    encoded = [Encoded(tuple(ids), first if completion else 1) for ids, first in mine]
    record = lora.train(
        base, encoded, config, seed=0, max_steps=steps, out=common.scratch() / "adapter", kernel=kernel, fit=fit, allow_unchanged=True
    )
    return record.num_tokens, list(record.loss)


def trainer(base: Any, size: str, mine: Sequence[tuple[list[int], int]], steps: int) -> tuple[int, list[float]]:
    """transformers' Trainer on the same rows in the same order, padded to the longest of a batch."""
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

    tokenizer = common.tokenizer(size)
    used = [ids for ids, _ in mine[: steps * BATCH * ACCUMULATE]]

    class InOrder(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    run = InOrder(
        model=common.lora(copy.deepcopy(base), drawn=False, seed=0).train(),
        args=_arguments(TrainingArguments, steps),
        train_dataset=[{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in used],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    run.remove_callback(PrinterCallback)
    run.train()
    return sum(map(len, used)), [entry["loss"] for entry in run.state.log_history if "loss" in entry]


def trl(base: Any, size: str, mine: Sequence[tuple[list[int], int]], steps: int) -> tuple[int, list[float]]:
    """TRL, packing to 512 tokens, loss on completions: as many rows as the others' steps hold, whatever steps they become."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    used = mine[: steps * BATCH * ACCUMULATE]
    data = Dataset.from_list([{"input_ids": ids, "completion_mask": [0] * first + [1] * (len(ids) - first)} for ids, first in used])
    arguments = _arguments(
        SFTConfig, -1, packing=True, max_length=LONGEST, completion_only_loss=True, num_train_epochs=1, gradient_accumulation_steps=4,
        padding_free=False,
    )  # fmt: skip
    run = SFTTrainer(
        model=common.lora(copy.deepcopy(base), drawn=False, seed=0).train(),
        args=arguments,
        train_dataset=data,
        processing_class=common.tokenizer(size),
    )
    run.remove_callback(PrinterCallback)
    run.train()
    return sum(len(ids) for ids, _ in used), [entry["loss"] for entry in run.state.log_history if "loss" in entry]


def _arguments(kind: Any, steps: int, **more: Any) -> Any:
    common_ = {
        "output_dir": str(common.scratch()), "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": ACCUMULATE,
        "max_steps": steps, "learning_rate": RATE, "lr_scheduler_type": "constant", "weight_decay": 0.01, "max_grad_norm": 1.0,
        "logging_steps": 1, "save_strategy": "no", "report_to": [], "use_cpu": True, "bf16": False, "seed": 0, "disable_tqdm": True,
        "gradient_checkpointing": False, "dataloader_pin_memory": False, "remove_unused_columns": False, "optim": "adamw_torch",
    }  # fmt: skip
    return kind(**{**common_, **more})


def run(size: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    steps, data, base = min(STEPS[size], 2 * rounds), examples(size), common.llama(size)  # one round is a quick look
    fit = check_fit(base)  # once a process, as a study does
    fast, measured = kernels.choose(kernels.shapes_of(base.config))
    body, head = packed.sizes(base)
    # The trained adapter's own products are left out of the count: 4 operations a frozen weight and token (forward, input's gradient).
    ways: dict[str, Callable[[Any], Any]] = {
        "HF Trainer + PEFT": lambda mine: trainer(base, size, mine, steps),
        "TRL, packed, completions": lambda mine: trl(base, size, mine, steps),
        "holdfast, all tokens, same kernel": lambda mine: holdfast(base, mine, steps, False, "torch", fit),
        "holdfast, all tokens, best kernel": lambda mine: holdfast(base, mine, steps, False, "onednn", fit),
        "holdfast, completions, same kernel": lambda mine: holdfast(base, mine, steps, True, "torch", fit),
        "holdfast, completions, best kernel": lambda mine: holdfast(base, mine, steps, True, "onednn", fit),
    }
    timed: dict[str, list[common.Timed]] = {}
    losses: dict[str, float] = {}
    tokens = loss_tokens = 0
    for name, mine in data.items():
        say(f"training {size}: {name}, {steps} steps of {BATCH * ACCUMULATE} rows")
        found = common.interleave({way: partial(f, mine) for way, f in ways.items()}, rounds)
        tokens += found["HF Trainer + PEFT"].result[0]
        used = mine[: steps * BATCH * ACCUMULATE]
        loss_tokens += sum(len(ids) - first for ids, first in used)
        theirs, ours = (found[way].result[1][0] for way in ("HF Trainer + PEFT", "holdfast, all tokens, same kernel"))
        losses[name] = float(f"{abs(ours - theirs) / theirs:.1e}")
        for way, row in found.items():
            timed.setdefault(way, []).append(row)
    sums = {way: common.total(t) for way, t in timed.items()}
    out: dict[str, Any] = {"kernels": {"many": fast.many, "measured": measured.get("many")}, "tokens": tokens, "ways": {}}
    for way, cpu in sums.items():
        heads = loss_tokens if "completions" in way and way.startswith("holdfast") else tokens
        out["ways"][way] = {
            "cpu_s": round(cpu, 3),
            "tokens_per_s": round(tokens / cpu),
            "times_trainer": round(sums["HF Trainer + PEFT"] / cpu, 2),
            "times_trl": round(sums["TRL, packed, completions"] / cpu, 2),
            "gflops": round(4 * (tokens * body + heads * head) / cpu / 1e9, 1),
        }
    out["first_loss_relative_difference"] = losses
    return out
