"""The base model, where rows lie, and how an adapter is trained."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from holdfast.config.address import server_url
from holdfast.config.part import Section

ENDPOINT = "endpoint:"
ServedName = Annotated[str, Field(min_length=1, max_length=300)]


class ModelConfig(Section):
    """The base model. `world:N` is the embedded organism of world seed N; else a hub id `org/name@revision` or a folder.

    `random:N` is a small Llama of random weights: what is measured of it is chance. `endpoint:URL` is a model behind a server.
    """

    name: str = Field(
        default="world:0",
        description="world:N, org/name@revision, a local folder, random:N (random weights), or endpoint:http://HOST:PORT/v1.",
    )
    served_model: ServedName | None = Field(default=None, description="For an endpoint: the base's name there; null: the only one.")
    tokenizer: str | None = Field(default=None, description="For an endpoint: hub id, folder or world:N with tokenizer and chat template.")
    weights: str | None = Field(
        default=None, max_length=300, description="For an endpoint: what it serves; in identities instead of the address."
    )
    scoring: Literal["auto", "echo", "prompt_logprobs", "next_token", "generated"] = Field(
        default="auto",
        description="For an endpoint: how answers that are scored elsewhere are read; auto: the first that the server supports.",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(default="float32", description="Number format in which the base is loaded.")
    quantization: Literal["nf4"] | None = Field(default=None, description="nf4: the frozen base in 4 bits (bitsandbytes).")
    trust_remote_code: bool = Field(default=False, description="Run code that comes with the checkpoint.")
    chat_template: str | None = Field(default=None, description="File with a Jinja chat template, for a model that has none.")

    @model_validator(mode="after")
    def _check_server(self) -> Self:
        if self.endpoint is None:
            for name in ("served_model", "tokenizer", "weights"):
                if getattr(self, name) is not None:
                    raise ValueError(f"model.{name}: is for a model behind a server; name one with model.name=endpoint:http://HOST:PORT/v1")
        elif self.quantization is not None:
            raise ValueError("model.quantization: is the server's own for a model behind one; leave it out")
        return self

    @property
    def endpoint(self) -> str | None:
        """The server's address, None for a model of this machine or a hub. Raises ValueError if it cannot be one."""
        if not self.name.startswith(ENDPOINT):
            return None
        try:
            return server_url(self.name.removeprefix(ENDPOINT))
        except ValueError as error:
            raise ValueError(f"model.name: endpoint: {error}") from None

    @property
    def at_hand(self) -> "ModelConfig | None":
        """What of the model lies here or on a hub: itself, or an endpoint's tokenizer; None if that is not named."""
        if self.endpoint is None:
            return self
        kept = {"trust_remote_code": self.trust_remote_code, "chat_template": self.chat_template}
        return ModelConfig(name=self.tokenizer, **kept) if self.tokenizer else None

    @property
    def world_seed(self) -> int | None:
        kind, _, seed = ((self.tokenizer or "") if self.endpoint else self.name).partition(":")
        return int(seed) if kind == "world" and re.fullmatch(r"[0-9]{1,9}", seed) else None


class DataConfig(Section):
    root: str | None = Field(default=None, description="Folder with local rows (docs/how-to-real-benchmarks.md); null: hub ids are loaded.")
    allow_outside: bool = Field(
        default=False, description="Rows may lie outside `root` (without one: outside the working folder), also behind links; off: refused."
    )


class TrainConfig(Section):
    """One adapter's training. LoRA settings have PEFT's names, optimization settings those of transformers' TrainingArguments."""

    r: PositiveInt = Field(default=16, description="Rank of the update.")
    lora_alpha: PositiveFloat = Field(default=32.0, description="The update is added with weight lora_alpha / r.")
    lora_dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="Dropout before the update.")
    target_modules: str | tuple[str, ...] = Field(default="all-linear", description="Modules with an update; all-linear: all but the head.")
    learning_rate: PositiveFloat = Field(default=2e-4, description="Peak learning rate of AdamW.")
    num_train_epochs: PositiveFloat = Field(default=3.0, description="Passes over a domain's rows.")
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = Field(default="cosine", description="Learning rate after the warm-up.")
    warmup_ratio: float = Field(default=0.03, ge=0.0, lt=1.0, description="Share of the steps during which the learning rate rises.")
    warmup_steps: NonNegativeInt | None = Field(default=None, description="Overrides warmup_ratio.")
    weight_decay: float = Field(default=0.0, ge=0.0, description="Weight decay of AdamW.")
    max_grad_norm: PositiveFloat = Field(default=1.0, description="Norm to which gradients are clipped.")
    per_device_train_batch_size: PositiveInt = Field(default=16, description="Examples per gradient; without accumulation, per step.")
    gradient_accumulation_steps: PositiveInt = Field(default=1, description="Batches whose gradients are summed for one step.")
    tokens_per_pass: PositiveInt = Field(default=4096, description="Tokens per forward pass, with padding; lower it when memory is short.")
    max_length: PositiveInt = Field(default=512, description="Tokens at which a training row is cut.")
    completion_only_loss: bool = Field(default=True, description="Loss on the reply only; off: on the prompt too (a published defect).")
    train_eos: bool = Field(default=True, description="The end token is trained; off: a defect of the published study llama2-7b.")
    chat_template: bool = Field(default=True, description="Off: turns are joined by line breaks only, a defect of the published study.")
    shuffle: bool = Field(default=True, description="Rows are shuffled before every epoch, and parts with one another.")
    trainer: Literal["holdfast", "trl"] = Field(default="holdfast", description="This package's trainer, or TRL's (`holdfast[trl]`).")
