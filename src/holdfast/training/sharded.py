"""A LoRA adapter of a base too large for one device: FSDP2 through accelerate, one process per accelerator, the same steps as `lora.train`.

A step's examples are distributed among the processes; gradients are summed over all of them, so that the loss of a step and the
adapter are those of one process except for rounding. Ordinary padded calls: packed rows and fused LoRA layers need unsharded weights.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from holdfast.config import ModelConfig, TrainConfig
from holdfast.errors import ModelError, ResourceError
from holdfast.escape import one_line
from holdfast.processes import configure_worker
from holdfast.training import lora
from holdfast.training.batches import Encoded, learning_rate_factor, step_order
from holdfast.training.lora import Training
from holdfast.training.rows import group_examples, padded_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What every process is given. `meeting`: folder in which they find one another."""

    model: ModelConfig
    examples: Sequence[Encoded]
    config: TrainConfig
    processes: int
    device: str
    threads: int
    seed: int
    max_steps: int
    out: Path
    checkpoints: Mapping[int, Path]
    checkpointing: bool
    meeting: str


def train(
    model: ModelConfig,
    examples: Sequence[Encoded],
    config: TrainConfig,
    *,
    processes: int,
    device: str,
    threads: int,
    seed: int,
    max_steps: int,
    out: Path,
    progress: Callable[[int], None] | None = None,
    checkpoints: Mapping[int, Path] | None = None,
    checkpointing: bool = False,
) -> Training:
    """As `lora.train`, with `processes` of `threads` threads each, on `device` ("cpu", or accelerators by number).

    Raises ModelError if the adapter changes nothing or the base cannot be loaded, ResourceError if there are too few accelerators or a
    process fails.
    """
    if device != "cpu" and torch.cuda.device_count() < processes:
        raise ResourceError(
            f"execution.fsdp: {processes} processes, but {torch.cuda.device_count()} accelerators here; lower it, or set execution.device=cpu"
        )
    context = multiprocessing.get_context("spawn")
    events: Any = context.Queue()
    with tempfile.TemporaryDirectory() as meeting:
        job = _Job(
            model=model, examples=tuple(examples), config=config, processes=processes, device=device, threads=threads, seed=seed,
            max_steps=max_steps, out=out, checkpoints=dict(checkpoints or {}), checkpointing=checkpointing, meeting=meeting,
        )  # fmt: skip
        ranks = [context.Process(target=_rank, args=(r, job, events), daemon=False) for r in range(processes)]
        try:
            for process in ranks:
                process.start()
            while True:
                try:
                    kind, value = events.get(timeout=1.0)
                except queue.Empty:
                    if gone := [p for p in ranks if p.exitcode not in (None, 0)]:
                        raise ResourceError(
                            f"execution.fsdp: a training process was ended ({gone[0].exitcode}), most likely for memory; lower "
                            "train.tokens_per_pass, or set execution.gradient_checkpointing"
                        ) from None
                    continue
                if kind == "step" and progress:
                    progress(1)
                elif kind == "refused":
                    raise ModelError(value)
                elif kind == "failed":
                    raise ResourceError(f"execution.fsdp: {value}")
                elif kind == "done":
                    for process in ranks:
                        process.join()
                    return value
        finally:
            for process in ranks:
                if process.is_alive():
                    process.kill()
                if process.pid is not None:
                    process.join()


def _rank(rank: int, job: _Job, events: Any) -> None:
    from holdfast.workers import enter_worker

    enter_worker(os.environ)
    configure_worker(job.threads)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": job.processes, "LOCAL_WORLD_SIZE": job.processes}
    os.environ.update({name: str(value) for name, value in numbers.items()})
    try:
        accelerator = _accelerator(job.device, f"file://{job.meeting}/store")
        record = _train(accelerator, job, events)
        accelerator.wait_for_everyone()
        if rank == 0:
            events.put(("done", record))
        torch.distributed.destroy_process_group()
    except ModelError as error:
        events.put(("refused", str(error)))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {one_line(error, 300)} ({Path(where.filename).name}:{where.lineno})"
        events.put(("failed", f"process {rank}: {reason}"))


def _accelerator(device: str, meeting: str) -> Any:
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.utils import DistributedType, InitProcessGroupKwargs

    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", reshard_after_forward=True, cpu_ram_efficient_loading=False
    )
    if device == "cpu":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    accelerator = Accelerator(cpu=device == "cpu", fsdp_plugin=plugin, kwargs_handlers=[InitProcessGroupKwargs(init_method=meeting)])
    if device == "cpu":  # accelerate enables FSDP for accelerators only; from here on its code is the same
        accelerator.state.distributed_type, accelerator.state.fsdp_plugin = DistributedType.FSDP, plugin
    return accelerator


def _train(accelerator: Any, job: _Job, events: Any) -> Training:
    from holdfast.models.checkpoint import load_base

    rank, count, config = accelerator.process_index, accelerator.num_processes, job.config
    base = load_base(job.model)
    model, vocabulary = lora.with_adapter(base.model, config, job.seed), base.chat.limits.rows if base.chat.limits else 0
    weights = [p for p in model.parameters() if p.requires_grad]
    trainable = sum(p.numel() for p in weights)
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay)
    model, optimizer = accelerator.prepare(model, optimizer)
    weights = [p for p in model.parameters() if p.requires_grad]
    torch.manual_seed(job.seed)
    losses, rates, tokens, loss_tokens = [], [], 0, 0
    model.train()
    with lora.recomputing(model, job.checkpointing, False):
        for step, indices in enumerate(step_order(len(job.examples), config, job.seed, job.max_steps)):
            batch = [job.examples[i] for i in indices]
            rate = config.learning_rate * learning_rate_factor(step, job.max_steps, config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            total = sum(len(e.ids) - e.first_loss for e in batch)
            shares = [group_examples(batch[r::count], config.tokens_per_pass, padded=True) for r in range(count)]
            sum_of_mine = torch.zeros((), device=accelerator.device)
            for turn in range(max(map(len, shares))):  # as many passes in every process, as each takes part in every exchange
                row = shares[rank][turn] if turn < len(shares[rank]) else None
                part = padded_loss(model, row or [batch[0]], accelerator.device) / total
                accelerator.backward(part * (count if row else 0.0))  # gradients are averaged over processes
                sum_of_mine += part.detach() if row else 0.0
            accelerator.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(accelerator.reduce(sum_of_mine, "sum")))
            lora.require_sound_loss(losses, config, vocabulary, job.max_steps)
            rates.append(rate)
            tokens += sum(len(e.ids) for e in batch)
            loss_tokens += total
            if step + 1 in job.checkpoints:
                _save(accelerator, model, job.checkpoints[step + 1])
                model.train()
            if rank == 0:
                events.put(("step", 1))
    lora.require_change(_save(accelerator, model, job.out).items())
    return Training(
        loss=tuple(losses),
        learning_rate=tuple(rates),
        num_steps=len(losses),
        num_tokens=tokens,
        num_computed=tokens,
        num_loss_tokens=loss_tokens,
        trainable_parameters=trainable,
        packed=False,
    )


def _save(accelerator: Any, model: Any, out: Path) -> dict[str, torch.Tensor]:
    """Gather the adapter's weights from all processes; the first one writes them."""
    mine = {name: p for name, p in model.named_parameters() if p.requires_grad}
    whole = {n: (p.full_tensor() if hasattr(p, "full_tensor") else p).detach().cpu().contiguous() for n, p in mine.items()}
    if accelerator.is_main_process:
        lora.save(model, out, whole)
    accelerator.wait_for_everyone()
    return whole
