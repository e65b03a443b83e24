"""One LoRA adapter from encoded examples: packed rows, loss on completions, PEFT's own modules and format."""

from __future__ import annotations

import copy
import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from holdfast.config import TrainConfig
from holdfast.engine import adapter, forwards, kernels, memory, packed
from holdfast.engine.fit import Fit, check_fit
from holdfast.errors import Interrupted, ModelError
from holdfast.escape import reason
from holdfast.models import placement
from holdfast.training import snapshot
from holdfast.training.batches import Encoded, learning_rate_factor, step_order
from holdfast.training.rows import TrainingRow, draws_numbers, group_examples, padded_loss, row_loss
from holdfast.training.snapshot import Snapshots, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Record of a training: mean loss per loss token (nats) and learning rate of every step.

    `num_tokens`: in the examples of all steps; `num_computed`: that went through the model, a shared start counted once.
    """

    loss: tuple[float, ...]
    learning_rate: tuple[float, ...]
    num_steps: int
    num_tokens: int
    num_computed: int
    num_loss_tokens: int
    trainable_parameters: int
    packed: bool


def with_adapter(base: nn.Module, config: TrainConfig, seed: int) -> Any:
    """A PeftModel around the base itself; its matrices A are drawn from `seed`, its B are zero."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    target = config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules)
    try:
        alpha: Any = config.lora_alpha
        lora = LoraConfig(r=config.r, lora_alpha=alpha, lora_dropout=config.lora_dropout, target_modules=target, task_type="CAUSAL_LM")
        with placement.placeholder_weights(base):
            model = get_peft_model(cast(Any, base), lora)
        placement.place_lora(model)
        return model
    except ValueError as error:
        raise ModelError(f"train.target_modules: {target!r}: {reason(error)}") from None


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
    """Train one adapter and save it in PEFT's format under `out`. The base's weights never change.

    `checkpoints`: {number of finished steps: folder in which the adapter of that moment is saved too}. `fit`: whether the base runs
    on packed rows, if already checked. `memory_bytes`: what this process may hold; where memory runs short, passes are made smaller,
    which changes rounding only. `checkpointing`: activations are recomputed in the backward pass. `snapshots`: the training resumes
    from the state kept there, and keeps its state there; the result is byte for byte that of an uninterrupted training.

    Raises Interrupted when `snapshots.leaving()`, with the finished steps kept; ModelError if the adapter changes nothing,
    ResourceError if not even the smallest pass fits in memory.
    """
    model = with_adapter(copy.deepcopy(base) if _small(base) else base, config, seed)
    try:
        record = _loop(
            model, examples, config, seed, max_steps, checkpoints or {}, progress or (lambda _: None), kernel, memory_bytes,
            fit or check_fit(base), checkpointing, snapshots or Snapshots(out, ""),
        )  # fmt: skip
        if not allow_unchanged:
            require_change(model.named_parameters())
        save(model, out)
    finally:
        model.unload()
    return record


def require_sound_loss(losses: Sequence[float], config: TrainConfig, vocabulary: int, max_steps: int) -> None:
    """Raises ModelError if the last step's loss is not a number, or ten times that of guessing; at the end, if the last tenth of the steps is
    far above the first step and near guessing, or exactly at guessing: then nothing is left of the model.
    """
    guess, tail = math.log(max(2, vocabulary)), losses[-max(1, max_steps // 10) :]
    ended = len(losses) == max_steps and math.isfinite(losses[-1])
    last = statistics.median(tail) if ended else losses[-1]
    most = max(1.5 * losses[0], 0.6 * guess) if ended else 10 * max(losses[0], guess)
    if not last <= most or (ended and all(abs(loss - guess) < 1e-5 for loss in tail)):
        raise ModelError(
            f"train.learning_rate: {config.learning_rate:g}: the training diverged: the loss went from {losses[0]:.2f} to {last:.3g} nats per token "
            f"at step {len(losses)} of {max_steps}; lower it"
        )


def require_change(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Raises ModelError if every matrix that starts at zero still is (B, or A of an embedding), or a matrix is not finite."""
    weights = [(name, p) for name, p in weights if "lora_" in name]
    if wrong := [name for name, p in weights if not bool(p.isfinite().all())]:
        raise ModelError(
            f"train.learning_rate: the training diverged: {wrong[0]} holds NaN or infinite numbers after the last step; lower it"
        )
    if not any(bool(p.abs().max() > 0) for name, p in weights if "lora_B" in name or "lora_embedding_A" in name):
        raise ModelError(
            "train: the adapter changes nothing (every B is zero) after training; raise train.learning_rate or the number of rows"
        )


def save(model: Any, out: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Write PEFT's own format, without a machine's path in it, and the same bytes from every process. `weights`: the adapter's, where
    the model holds only parts of them.
    """
    model.peft_config["default"].base_model_name_or_path = ""
    model.eval().save_pretrained(out, safe_serialization=True, save_embedding_layers=False, **({"state_dict": weights} if weights else {}))
    (out / "README.md").unlink(missing_ok=True)
    config = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    if isinstance(config["target_modules"], list):  # a set: its order depends on this process's hashes
        config["target_modules"].sort()
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _loop(
    model: Any, examples: Sequence[Encoded], config: TrainConfig, seed: int, max_steps: int, keep: Mapping[int, Path],
    progress: Callable[[int], None], kernel: kernels.Name, memory_bytes: int | None, fit: Fit, checkpointing: bool, snapshots: Snapshots,
) -> Training:  # fmt: skip
    torch.manual_seed(seed)
    use_packed = fit.why_not is None
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    weights = list(named.values())
    device = placement.entry_device(model)
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay, fused=device.type in ("cpu", "cuda"))
    within = memory.bounds(model, config.tokens_per_pass, memory_bytes, 2 if _small(model) else 1, checkpointing)
    done = snapshots.read({name: p.shape for name, p in named.items()}, keep)
    if done is None:
        done = State(0, {}, {}, {}, [], [], 0, 0, 0, within.pass_tokens)
    else:
        for step, kept in done.kept.items():
            snapshot.set_weights(named, kept)
            save(model, keep[step])
        snapshot.restore(done, named, optimizer)
        within = replace(within, pass_tokens=min(within.pass_tokens, done.pass_tokens))
        progress(done.step)
    model.train()
    share, vocabulary = not draws_numbers(model), packed.causal_lm(model).config.get_text_config().vocab_size
    prune = fit.prune and not checkpointing  # a recomputed layer must be the same again
    fused = nullcontext() if placement.is_spread(model) else adapter.fuse_lora(model, kernel)
    with fused, kernels.using(model, kernel), forwards.fuse_norms(model), recomputing(model, checkpointing, use_packed):
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
                for examples in group_examples(batch, most.pass_tokens, padded=not use_packed):
                    if snapshots.leaving():
                        snapshots.write(done, named, optimizer)
                        raise Interrupted
                    if use_packed:
                        row = TrainingRow.of(examples, device, share)
                        part, passed = row_loss(model, row, prune=prune, kernel=kernel), len(row.tokens)
                    else:
                        part, passed = padded_loss(model, examples, device), sum(len(e.ids) for e in examples)
                    (part / total).backward()
                    loss, computed = loss + float(part.detach()) / total, computed + passed
                return loss, computed

            (loss, computed), within = memory.retry_smaller(within, gradients, "train.tokens_per_pass")
            torch.nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            done.step, done.pass_tokens = step + 1, within.pass_tokens
            done.loss.append(loss)
            done.rates.append(rate)
            require_sound_loss(done.loss, config, vocabulary, max_steps)
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
    """Packed attention and activation checkpointing inside the block, which includes the backward passes: they call layers again."""
    switched = packed.using(model) if use_packed else nullcontext()
    lm = packed.causal_lm(model)
    if checkpointing and not getattr(lm, "supports_gradient_checkpointing", False):
        raise ModelError(f"execution.gradient_checkpointing: {type(lm).__name__} does not support it; set it to false")
    with switched, ExitStack() as stack:
        if checkpointing:
            lm.activation_checkpointing_enable({"use_reentrant": False})
            stack.callback(lm.activation_checkpointing_disable)
        yield


def _small(base: nn.Module) -> bool:
    return not placement.is_spread(base) and sum(p.numel() for p in base.parameters()) < 200_000_000


def identity(base: nn.Module, config: TrainConfig, seed: int, out: Path) -> None:
    """Save an adapter whose B is zero: by construction it equals the base."""
    model = with_adapter(copy.deepcopy(base) if _small(base) else base, config, seed)
    save(model, out)
    model.unload()
