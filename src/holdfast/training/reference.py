"""The reference trainer: TRL's SFTTrainer on the same token ids, order and schedule. Selected with train.trainer=trl."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from holdfast.config import TrainConfig
from holdfast.errors import ConfigError
from holdfast.training.batches import Encoded, examples_per_step, learning_rate_factor, step_order
from holdfast.training.lora import Training, require_change, require_sound_loss, save, with_adapter


def train(
    base: nn.Module,
    examples: Sequence[Encoded],
    config: TrainConfig,
    *,
    seed: int,
    max_steps: int,
    out: Path,
    progress: Callable[[int], None] | None = None,
    checkpoints: Mapping[int, Path] | None = None,
) -> Training:
    """As `lora.train`. The base is copied, because SFTTrainer patches the model's forward.

    Raises ConfigError if TRL is not installed, ModelError if the adapter changes nothing.
    """
    try:
        from datasets import Dataset
        from transformers import TrainerCallback
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer
    except ImportError:
        raise ConfigError("train.trainer: 'trl' needs the extra: pip install 'holdfast[trl]'") from None
    model = with_adapter(copy.deepcopy(base), config, seed)
    order = [i for step in step_order(len(examples), config, seed, max_steps) for i in step]
    per_step = examples_per_step(config)
    if max_steps > 1:
        order = order[: len(order) - len(order) % per_step]
    mine = [examples[i] for i in order]
    rows = [{"input_ids": list(e.ids), "labels": [-100] * e.first_loss + list(e.ids[e.first_loss :])} for e in mine]

    class Tick(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if checkpoints and state.global_step in checkpoints:
                save(model, checkpoints[state.global_step])
                model.train()
            if progress:
                progress(1)

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(cast(Any, self.train_dataset))

        def create_scheduler(self, num_training_steps, optimizer=None):
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                cast(Any, optimizer or self.optimizer), lambda step: learning_rate_factor(step, max_steps, config)
            )
            self._created_lr_scheduler = True
            return self.lr_scheduler

    def collate(batch):
        wide = max(len(row["input_ids"]) for row in batch)
        pad = lambda name, fill: torch.tensor([list(r[name]) + [fill] * (wide - len(r[name])) for r in batch])  # noqa: E731
        seen = torch.tensor([[1] * len(r["input_ids"]) + [0] * (wide - len(r["input_ids"])) for r in batch])
        return {"input_ids": pad("input_ids", 0), "attention_mask": seen, "labels": pad("labels", -100)}

    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = SFTConfig(
            output_dir=scratch,
            per_device_train_batch_size=config.per_device_train_batch_size,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            max_steps=max(1, len(order) // per_step),
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            bf16=False,
            fp16=False,
            seed=seed,
            max_length=None,
            use_cpu=not torch.cuda.is_available(),
            disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            gradient_checkpointing=False,
            packing=False,
        )
        data, tokenizer = Dataset.from_list(rows), _placeholder_tokenizer()
        own = {"data_collator": collate, "callbacks": [Tick()], "processing_class": tokenizer}
        trainer = InOrder(model=model, args=arguments, train_dataset=data, **own)
        trainer.train()
        log = [entry for entry in trainer.state.log_history if "loss" in entry]
    if losses := [float(e["loss"]) for e in log]:
        require_sound_loss(losses, config, model.get_input_embeddings().weight.shape[0], len(losses))
    require_change(model.named_parameters())
    save(model, out)
    tokens = sum(len(e.ids) for e in mine)
    return Training(
        loss=tuple(float(e["loss"]) for e in log),
        learning_rate=tuple(float(e["learning_rate"]) for e in log),
        num_steps=len(log),
        num_tokens=tokens,
        num_computed=tokens,
        num_loss_tokens=sum(len(e.ids) - e.first_loss for e in mine),
        packed=False,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _placeholder_tokenizer() -> Any:
    """SFTTrainer needs a tokenizer although the rows are tokenized: a placeholder with special tokens."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "</s>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", unk_token="<unk>", eos_token="</s>")
