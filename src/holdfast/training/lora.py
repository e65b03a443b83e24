"""One LoRA adapter from encoded examples: packed rows, loss on completions, PEFT's own modules and format."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from holdfast.config import TrainConfig
from holdfast.engine import adapter, kernels, memory, packed, plans
from holdfast.engine.fit import Fit, check_fit
from holdfast.errors import ModelError
from holdfast.models import placement
from holdfast.training.batches import Encoded, learning_rate_factor, step_order
from holdfast.training.head import row_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training left: mean loss per loss token (nats) and learning rate of every step."""

    loss: tuple[float, ...]
    learning_rate: tuple[float, ...]
    num_steps: int
    num_tokens: int
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
                    r=config.r,
                    lora_alpha=config.lora_alpha,
                    lora_dropout=config.lora_dropout,
                    target_modules=target,
                    task_type="CAUSAL_LM",
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
) -> Training:
    """Train one adapter and save it in PEFT's format under `out`. The base's weights are never changed.

    `checkpoints`: {number of steps done: folder in which the adapter of that moment is saved too}.

    `fit`: whether the base takes packed rows, if that was found before. `memory_bytes`: what this process may hold; where memory runs
    short, passes are made smaller, which changes rounding alone. `checkpointing`: activations are computed again in the backward pass.

    Raises ModelError if the adapter changes nothing, ResourceError if not even the smallest pass fits in memory.
    """
    model = with_adapter(copy.deepcopy(base) if _small(base) else base, config, seed)
    try:
        keep = checkpoints or {}

        def after(step: int) -> None:
            if step in keep:
                save(model, keep[step])
                model.train()
            if progress:
                progress(1)

        record = _loop(model, examples, config, seed, max_steps, after, kernel, memory_bytes, fit or check_fit(base), checkpointing)
        if not allow_unchanged and not any(bool(p.abs().max() > 0) for name, p in model.named_parameters() if "lora_B" in name):
            raise ModelError(
                "train: the adapter changes nothing (every B is zero) after training; raise train.learning_rate or the number of rows"
            )
        save(model, out)
    finally:
        model.unload()
    return record


def save(model: nn.Module, out: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """PEFT's own format, without a machine's path in it. `weights`: the adapter's, where the model holds parts of them alone."""
    model.peft_config["default"].base_model_name_or_path = ""
    model.eval().save_pretrained(out, safe_serialization=True, **({"state_dict": weights} if weights else {}))
    readme = out / "README.md"
    if readme.exists():
        readme.unlink()


def _loop(
    model: nn.Module, examples: Sequence[Encoded], config: TrainConfig, seed: int, max_steps: int, after: Callable[[int], None],
    kernel: kernels.Name, memory_bytes: int | None, fit: Fit, checkpointing: bool,
) -> Training:  # fmt: skip
    torch.manual_seed(seed)
    use_packed = fit.why_not is None
    weights = [p for p in model.parameters() if p.requires_grad]
    device = placement.entry(model)
    optimizer = torch.optim.AdamW(
        weights, lr=config.learning_rate, weight_decay=config.weight_decay, fused=device.type in ("cpu", "cuda")
    )
    losses, rates, tokens, loss_tokens = [], [], 0, 0
    model.train()
    within = memory.bounds(model, config.tokens_per_pass, memory_bytes, 2 if _small(model) else 1, checkpointing)
    prune = fit.prune and not checkpointing  # a layer that is computed again must be what it was
    merged = nullcontext() if placement.spread(model) else adapter.merged_in_passing(model, kernel)
    with merged, kernels.using(model, kernel), recomputing(model, checkpointing, use_packed):
        for step, indices in enumerate(step_order(len(examples), config, seed, max_steps)):
            batch = [examples[i] for i in indices]
            rate = config.learning_rate * learning_rate_factor(step, max_steps, config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            total = sum(len(e.ids) - e.first_loss for e in batch)

            def gradients(most: memory.Bounds, batch: list[Encoded] = batch, total: int = total) -> float:
                optimizer.zero_grad(set_to_none=True)
                loss = 0.0
                for row in rows_of(batch, most.pass_tokens):
                    part = (
                        _packed_loss(model, row, device, prune, kernel) if use_packed else padded_loss(model, row, device)
                    ) / total
                    part.backward()
                    loss += float(part.detach())
                return loss

            loss, within = memory.shrinking(within, gradients, "train.tokens_per_pass")
            torch.nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss)
            rates.append(rate)
            tokens += sum(len(e.ids) for e in batch)
            loss_tokens += total
            after(step + 1)
    return Training(
        loss=tuple(losses),
        learning_rate=tuple(rates),
        num_steps=len(losses),
        num_tokens=tokens,
        num_loss_tokens=loss_tokens,
        trainable_parameters=sum(p.numel() for p in weights),
        packed=use_packed,
    )


@contextmanager
def recomputing(model: nn.Module, checkpointing: bool, use_packed: bool) -> Iterator[None]:
    """Activation checkpointing for as long as the block lasts, which holds the backward passes: packed attention stays on in them, too."""
    if not checkpointing:
        yield
        return
    lm = packed.causal_lm(model)
    if not getattr(lm, "supports_gradient_checkpointing", False):
        raise ModelError(f"execution.gradient_checkpointing: {type(lm).__name__} cannot; set it to false")
    lm.activation_checkpointing_enable({"use_reentrant": False})
    try:
        with packed.using(model) if use_packed else nullcontext():
            yield
    finally:
        lm.activation_checkpointing_disable()


def rows_of(batch: Sequence[Encoded], budget: int) -> list[list[Encoded]]:
    """Examples of similar length together, so that each pass's padded attention tile stays within the budget."""
    rows: list[list[Encoded]] = []
    for example in sorted(batch, key=lambda e: (len(e.ids), e.ids)):
        if rows and len(example.ids) * (len(rows[-1]) + 1) <= budget:
            rows[-1].append(example)
        else:
            rows.append([example])
    return rows


def _packed_loss(
    model: nn.Module, row: Sequence[Encoded], device: torch.device, prune: bool = True, kernel: kernels.Name = "torch"
) -> torch.Tensor:
    """Summed cross-entropy of the loss tokens; logits are made for those alone."""
    plan = plans.Plan([len(e.ids) for e in row]).to(device)
    wanted, targets, start = [], [], 0
    for e in row:
        wanted += range(start + e.first_loss - 1, start + len(e.ids) - 1)
        targets += e.ids[e.first_loss :]
        start += len(e.ids)
    tokens, at, want = (torch.tensor(x, device=device) for x in ([t for e in row for t in e.ids], wanted, targets))
    return row_loss(model, tokens, plan, at, want, prune=prune, kernel=kernel)


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
