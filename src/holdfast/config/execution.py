"""How a study is carried out: processes, memory, clusters, servers. Never part of a cell's identity."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from holdfast.config.part import Part

Seconds = Annotated[float, Field(gt=0, le=86400)]


class ServerConfig(Part):
    """How an OpenAI-compatible server is asked; never part of the identity of what it says."""

    api_key_env: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", description="Environment variable that holds the key; None: no key is sent."
    )
    timeout_seconds: Seconds = Field(60.0, description="One request, from the first byte sent to the last byte read.")
    attempts: PositiveInt = Field(5, le=100, description="Requests for one reply, the first included.")
    backoff_seconds: Seconds = Field(0.5, description="Wait before the second attempt; doubled before each further one.")
    max_wait_seconds: Seconds = Field(30.0, description="Longest single wait, whatever Retry-After asks for.")
    concurrency: PositiveInt = Field(8, le=256, description="Requests in flight at most.")
    max_failures: PositiveInt = Field(10, description="Replies given up in a row after which the rest is not asked.")


class ExecutionConfig(Part):
    """How the work is carried out; never part of a cell's identity."""

    kind: Literal["local", "ray"] = Field("local", description="Processes of this machine, or of a Ray cluster that shares the run folder.")
    processes: PositiveInt | None = Field(
        None, description="Worker processes; None: one a core on a CPU, one on an accelerator; on Ray as many as the cluster has room for."
    )
    address: str = Field(
        "auto",
        pattern=r"^(auto|local|[A-Za-z0-9._-]+:[0-9]{1,5})$",
        description="Ray: auto (the running cluster), local (one on this machine, for this run), or host:port.",
    )
    cpus_per_worker: PositiveInt = Field(1, description="Ray: cores, and with them threads, of one worker.")
    gpus_per_worker: float | None = Field(
        None, ge=0, le=64, description="Ray: accelerators of one worker, or a share of one, for example 0.5; None: one if there are any."
    )
    retries: NonNegativeInt = Field(2, description="Ray: how often a job is given to another worker after its own was lost.")
    device: str | None = Field(None, description="cpu, cuda, mps; None: an accelerator if there is one.")
    device_map: Literal["auto", "balanced", "sequential"] | dict[str, int | str] | None = Field(
        None,
        description="Layers over several accelerators, memory and disk, as transformers reads it; asked by ordinary calls, not packed rows.",
    )
    max_memory: dict[int | str, int | str] | None = Field(
        None, description="For device_map: what a device may hold, for example {0: 20GiB, cpu: 64GiB}; the rest lies on disk."
    )
    fsdp: int | None = Field(
        None, ge=2, le=1024, description="Training shards the base over this many processes, one an accelerator (accelerate, FSDP2)."
    )
    tokens_per_batch: PositiveInt = Field(
        8192, description="Tokens in one forward pass, and in the slots of generation; lower it when memory is short."
    )
    compile: bool = Field(False, description="Feed-forward blocks and norms under torch.compile; for accelerators, needs a compiler.")
    gradient_checkpointing: bool = Field(
        False, description="Training keeps each layer's input alone and computes the rest again: less memory, about a third more work."
    )
    memory_gb: PositiveFloat | None = Field(
        None, description="GiB one process may hold, weights included; rows, slots and what is kept are made to fit. None: fixed sizes."
    )
    checkpoint_minutes: float | None = Field(
        10.0,
        ge=0,
        description="An adapter in training is kept this often, to go on from after an interruption; 0: every step, None: on SIGTERM alone.",
    )
    linear: Literal["auto", "torch", "onednn"] = Field(
        "auto",
        description="Matrix multiply on a CPU; auto: whichever a check at a run's first start finds clearly faster, kept with the run.",
    )
    endpoint: ServerConfig = Field(ServerConfig(), description="How a model behind a server is asked.")

    @model_validator(mode="after")
    def _meant(self) -> ExecutionConfig:
        if self.gpus_per_worker is not None and self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
            raise ValueError(f"gpus_per_worker: {self.gpus_per_worker:g}: must be a share below 1 or a whole number")
        if self.max_memory is not None and self.device_map is None:
            raise ValueError("max_memory: is read with a device_map; set device_map: auto")
        if self.fsdp is not None and self.kind == "ray" and self.gpus_per_worker and self.gpus_per_worker < self.fsdp:
            raise ValueError(f"fsdp: {self.fsdp} processes on gpus_per_worker={self.gpus_per_worker:g}; give a worker as many accelerators")
        if self.device_map is not None and self.compile:
            raise ValueError("device_map: layers that are moved are not compiled; set compile: false")
        return self
