"""One LoRA adapter from encoded examples: packed rows, loss on completions, PEFT's own modules and format."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from holdfast.config import TrainConfig
from holdfast.engine import adapter, kernels, memory, norms, packed
from holdfast.engine.fit import Fit, check_fit
from holdfast.errors import Interrupted, ModelError
from holdfast.models import placement
from holdfast.training import snapshot
from holdfast.training.batches import Encoded, learning_rate_factor, step_order
from holdfast.training.head import row_loss
from holdfast.training.rows import Row, draws, rows_of
from holdfast.training.snapshot import Snapshots, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training left: mean loss per loss token (nats) and learning rate of every step.

    `num_tokens`: of the examples of all steps; `num_computed`: that went through the model, a start that several share once.
    """

    loss: tuple[float, ...]
    learning_rate: tuple[float, ...]
    num_steps: int
    num_tokens: int
    num_computed: int
    num_loss_tokens: int
    trainable_parameters: int
    packed: bool


def with_adapter(base: nn.Module, config: TrainConfig, seed: int) -> nn.Module:
    """A PeftModel around a copy-free base; its matrices A are drawn from `seed`, its B are zero."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    target = config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules)
    try:
        with placement.standing_in(base):
            model = get_peft_model(
                base,
                LoraConfig(
                    r=config.r, lora_alpha=config.lora_alpha, lora_dropout=config.lora_dropout, target_modules=target, task_type="CAUSAL_LM"
                ),
            )
        placement.settle(model)
        return model
    except ValueError as error:
        raise ModelError(f"train.target_modules: {target!r}: {' '.join(str(error).split())[:200]}") from None


def train(
    base: nn.Module,
    examples: Sequence[Encoded],
    config: TrainConfig,
    *,
    seed: int,
    max_steps: int,
    out: Path,
    progress: Callable[[int], None] | None = None,
    allow_unchanged: bool = False,
    checkpoints: Mapping[int, Path] | None = None,
    kernel: kernels.Name = "torch",
    memory_bytes: int | None = None,
    fit: Fit | None = None,
    checkpointing: bool = False,
    snapshots: Snapshots | None = None,
) -> Training:
    """Train one adapter and save it in PEFT's format under `out`. The base's weights are never changed.

    `checkpoints`: {number of steps done: folder in which the adapter of that moment is saved too}.

    `fit`: whether the base takes packed rows, if that was found before. `memory_bytes`: what this process may hold; where memory runs
    short, passes are made smaller, which changes rounding alone. `checkpointing`: activations are computed again in the backward pass.

    `snapshots`: the training goes on from what is kept there, and keeps its state there. The result is byte for byte that of a training
    nobody interrupted.

    Raises Interrupted when `snapshots.leaving()`, with the steps done so far kept; ModelError if the adapter changes nothing, ResourceError if
    not even the smallest pass fits in memory.
    """
    model = with_adapter(copy.deepcopy(base) if _small(base) else base, config, seed)
    try:
        record = _loop(
            model, examples, config, seed, max_steps, checkpoints or {}, progress or (lambda _: None), kernel, memory_bytes,
            fit or check_fit(base), checkpointing, snapshots or Snapshots(out, ""),
        )  # fmt: skip
        if not allow_unchanged and not any(bool(p.abs().max() > 0) for name, p in model.named_parameters() if "lora_B" in name):
            raise ModelError(
                "train: the adapter changes nothing (every B is zero) after training; raise train.learning_rate or the number of rows"
            )
        save(model, out)
    finally:
        model.unload()
    return record


def save(model: nn.Module, out: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """PEFT's own format, without a machine's path in it, and the same bytes from every process. `weights`: the adapter's, where the
    model holds parts of them alone.
    """
    model.peft_config["default"].base_model_name_or_path = ""
    model.eval().save_pretrained(out, safe_serialization=True, **({"state_dict": weights} if weights else {}))
    (out / "README.md").unlink(missing_ok=True)
    config = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    if isinstance(config["target_modules"], list):  # a set, written in the order of this process's hashes
        config["target_modules"].sort()
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _loop(
    model: nn.Module, examples: Sequence[Encoded], config: TrainConfig, seed: int, max_steps: int, keep: Mapping[int, Path],
    progress: Callable[[int], None], kernel: kernels.Name, memory_bytes: int | None, fit: Fit, checkpointing: bool, snapshots: Snapshots,
) -> Training:  # fmt: skip
    torch.manual_seed(seed)
    use_packed = fit.why_not is None
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    weights = list(named.values())
    device = placement.entry(model)
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay, fused=device.type in ("cpu", "cuda"))
    within = memory.bounds(model, config.tokens_per_pass, memory_bytes, 2 if _small(model) else 1, checkpointing)
    done = snapshots.read({name: p.shape for name, p in named.items()}, keep)
    if done is None:
        done = State(0, {}, {}, {}, [], [], 0, 0, 0, within.pass_tokens)
    else:
        for step, found in done.kept.items():
            snapshot.set_weights(named, found)
            save(model, keep[step])
        snapshot.restore(done, named, optimizer)
        within = replace(within, pass_tokens=min(within.pass_tokens, done.pass_tokens))
        progress(done.step)
    model.train()
    share = not draws(model)
    prune = fit.prune and not checkpointing  # a layer that is computed again must be what it was
    merged = nullcontext() if placement.spread(model) else adapter.merged_in_passing(model, kernel)
    with merged, kernels.using(model, kernel), norms.in_one(model), recomputing(model, checkpointing, use_packed):
        for step, indices in enumerate(step_order(len(examples), config, seed, max_steps)):
            if step < done.step:
                continue
            done.random = snapshot.random_states(device)
            batch = [examples[i] for i in indices]
            rate = config.learning_rate * learning_rate_factor(step, max_steps, config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            total = sum(len(e.ids) - e.first_loss for e in batch)

            def gradients(most: memory.Bounds, batch: list[Encoded] = batch, total: int = total) -> tuple[float, int]:
                optimizer.zero_grad(set_to_none=True)
                loss, computed = 0.0, 0
                for examples in rows_of(batch, most.pass_tokens, padded=not use_packed):
                    if snapshots.leaving():
                        snapshots.write(done, named, optimizer)
                        raise Interrupted
                    if use_packed:
                        row = Row.of(examples, device, share)
                        part, passed = row_loss(model, row, prune=prune, kernel=kernel), len(row.tokens)
                    else:
                        part, passed = padded_loss(model, examples, device), sum(len(e.ids) for e in examples)
                    (part / total).backward()
                    loss, computed = loss + float(part.detach()) / total, computed + passed
                return loss, computed

            (loss, computed), within = memory.shrinking(within, gradients, "train.tokens_per_pass")
            torch.nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            done.step, done.pass_tokens = step + 1, within.pass_tokens
            done.loss.append(loss)
            done.rates.append(rate)
            done.tokens += sum(len(e.ids) for e in batch)
            done.computed += computed
            done.loss_tokens += total
            if step + 1 in keep:
                save(model, keep[step + 1])
                model.train()
                done.kept[step + 1] = {name: p.detach().clone() for name, p in named.items()}
            progress(1)
            if step + 1 < max_steps and snapshots.due():
                done.random = snapshot.random_states(device)
                snapshots.write(done, named, optimizer)
    return Training(
        loss=tuple(done.loss),
        learning_rate=tuple(done.rates),
        num_steps=done.step,
        num_tokens=done.tokens,
        num_computed=done.computed,
        num_loss_tokens=done.loss_tokens,
        trainable_parameters=sum(p.numel() for p in weights),
        packed=use_packed,
    )


@contextmanager
def recomputing(model: nn.Module, checkpointing: bool, use_packed: bool) -> Iterator[None]:
    """Packed attention, and activation checkpointing, for as long as the block lasts: it holds the backward passes, which call layers again."""
    switched = packed.using(model) if use_packed else nullcontext()
    if not checkpointing:
        with switched:
            yield
        return
    lm = packed.causal_lm(model)
    if not getattr(lm, "supports_gradient_checkpointing", False):
        raise ModelError(f"execution.gradient_checkpointing: {type(lm).__name__} cannot; set it to false")
    lm.activation_checkpointing_enable({"use_reentrant": False})
    try:
        with switched:
            yield
    finally:
        lm.activation_checkpointing_disable()


def padded_loss(model: nn.Module, row: Sequence[Encoded], device: torch.device) -> torch.Tensor:
    """The same through an ordinary padded call, for models that packed rows do not fit."""
    wide = max(len(e.ids) for e in row)
    ids, seen, labels = (torch.full((len(row), wide), fill) for fill in (0, 0, -100))
    for j, e in enumerate(row):
        ids[j, : len(e.ids)], seen[j, : len(e.ids)] = torch.tensor(e.ids), 1
        labels[j, e.first_loss : len(e.ids)] = torch.tensor(e.ids[e.first_loss :])
    logits = model(input_ids=ids.to(device), attention_mask=seen.to(device), use_cache=False).logits[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten().to(device), ignore_index=-100, reduction="sum")


def _small(base: nn.Module) -> bool:
    return not placement.spread(base) and sum(p.numel() for p in base.parameters()) < 200_000_000


def identity(base: nn.Module, config: TrainConfig, seed: int, out: Path) -> None:
    """Save an adapter whose B is zero: by construction it equals the base."""
    model: Any = with_adapter(copy.deepcopy(base) if _small(base) else base, config, seed)
    save(model, out)
    model.unload()
