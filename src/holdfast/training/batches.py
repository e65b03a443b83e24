"""Examples -> token ids with a loss boundary, in the order and steps of every trainer."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.config import TrainConfig
from holdfast.errors import DataError
from holdfast.models.chat import ChatFormat
from holdfast.records import Example, Message


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one example; loss falls on ids[first_loss:]."""

    ids: tuple[int, ...]
    first_loss: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """All examples of a domain, and how many rows truncation dropped or shortened."""

    examples: tuple[Encoded, ...]
    num_dropped: int
    num_truncated: int


def encode(
    examples: Sequence[Example], chat: ChatFormat, config: TrainConfig, cache: dict[int, tuple[list[int], int]] | None = None
) -> Encoding:
    """Tokenize once. A row cut to `max_length` keeps its head; one left without a loss token is dropped and counted.

    `cache`: token ids by id() of examples the caller keeps alive, so that a row shared by seeds and domains is tokenized once.
    """
    cache = {} if cache is None else cache
    kept, dropped, truncated = [], 0, 0
    for example in examples:
        if id(example) not in cache:
            cache[id(example)] = _tokens(example, chat, config)
        ids, first = cache[id(example)]
        if len(ids) > config.max_length:
            truncated += 1
            ids = ids[: config.max_length]
        if first >= len(ids):
            dropped += 1
            continue
        kept.append(Encoded(tuple(ids), first))
    if not kept:
        raise DataError(f"train.max_length: {config.max_length} leaves no training row with a loss token ({dropped} dropped); raise it")
    return Encoding(examples=tuple(kept), num_dropped=dropped, num_truncated=truncated)


def _tokens(example: Example, chat: ChatFormat, config: TrainConfig) -> tuple[list[int], int]:
    if not config.chat_template and not example.plain:
        *before, last = [m.content for m in example.messages]
        example = Example(plain=True, messages=(Message("user", "\n".join(before)),), completion=last)
    return chat.encode_example(example, config.train_eos, config.completion_only_loss)


def num_steps(num_examples: int, config: TrainConfig) -> int:
    """Optimizer steps of a whole training, at least one."""
    return max(1, math.ceil(math.ceil(num_examples / examples_per_step(config)) * config.num_train_epochs))


def examples_per_step(config: TrainConfig) -> int:
    """Examples of one optimizer step."""
    return config.per_device_train_batch_size * config.gradient_accumulation_steps


def step_order(num_examples: int, config: TrainConfig, seed: int, max_steps: int) -> list[list[int]]:
    """Example indices of every optimizer step; each epoch is shuffled again unless `shuffle` is off."""
    size, steps, epoch = examples_per_step(config), [], 0
    while len(steps) < max_steps:
        order = list(range(num_examples))
        if config.shuffle:
            random.Random(f"{seed}/{epoch}").shuffle(order)
        steps += [order[i : i + size] for i in range(0, num_examples, size)]
        epoch += 1
    return steps[:max_steps]


def learning_rate_factor(step: int, max_steps: int, config: TrainConfig) -> float:
    """Multiple of the peak rate at 0-based `step`, as in transformers' schedules of the same name."""
    warmup = config.warmup_steps if config.warmup_steps is not None else math.ceil(config.warmup_ratio * max_steps)
    if step < warmup:
        return step / max(1, warmup)
    if config.lr_scheduler_type == "constant":
        return 1.0
    rest = (step - warmup) / max(1, max_steps - warmup)
    return max(0.0, 1.0 - rest) if config.lr_scheduler_type == "linear" else 0.5 * (1.0 + math.cos(math.pi * rest))
