"""How a study is carried out: processes, memory, clusters, servers. Not part of a cell's identity, apart from `fsdp`."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from holdfast.config.part import Section

Seconds = Annotated[float, Field(gt=0, le=86400)]
Size = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?[KMGkmg][Ii]?[Bb]$")]  # as accelerate reads it


class ServerConfig(Section):
    """How requests are sent to an OpenAI-compatible server; never part of the identity of its replies."""

    api_key_env: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", description="Environment variable that holds the key; null: no key is sent."
    )
    timeout_seconds: Seconds = Field(default=60.0, description="One request, from the first byte sent to the last byte read.")
    attempts: PositiveInt = Field(default=5, le=100, description="Requests for one reply, the first included.")
    backoff_seconds: Seconds = Field(default=0.5, description="Wait before the second attempt; doubled before each further one.")
    max_wait_seconds: Seconds = Field(default=30.0, description="Longest single wait, even if Retry-After asks for more.")
    concurrency: PositiveInt = Field(default=8, le=256, description="Requests in flight at most.")
    max_failures: PositiveInt = Field(default=10, description="After this many failed replies in a row the rest is not requested.")


class ExecutionConfig(Section):
    """How the work is carried out. Apart from `fsdp`, not part of a cell's identity."""

    kind: Literal["local", "ray"] = Field(default="local", description="Processes of this machine, or of a Ray cluster.")
    processes: PositiveInt | None = Field(default=None, description="Workers; null: one per core or accelerator; on Ray as many as fit.")
    address: str = Field(
        default="auto",
        pattern=r"^(auto|local|[A-Za-z0-9._-]+:[0-9]{1,5})$",
        description="Ray: auto (the running cluster), local (one on this machine, for this run), or host:port.",
    )
    cpus_per_worker: PositiveInt = Field(default=1, description="Ray: cores, and with them threads, of one worker.")
    gpus_per_worker: float | None = Field(
        default=None, ge=0, le=64, description="Ray: accelerators per worker, or a share; null: 1 if any."
    )
    retries: NonNegativeInt = Field(default=2, description="Ray: how often a job is given to another worker after its own was lost.")
    device: str | None = Field(default=None, description="cpu, cuda, mps; null: an accelerator if there is one.")
    device_map: Literal["auto", "balanced", "sequential"] | dict[str, int | str] | None = Field(
        default=None, description="Distributes layers over several devices (transformers); prompts go through ordinary calls."
    )
    max_memory: dict[int | str, int | Size] | None = Field(default=None, description="For device_map, per device: {0: 20GiB, cpu: 64GiB}.")
    fsdp: int | None = Field(default=None, ge=2, le=1024, description="Processes that share the base in training (FSDP2), one per device.")
    tokens_per_batch: PositiveInt = Field(default=8192, description="Tokens in one forward pass; lower it when memory is short.")
    compile: bool = Field(default=False, description="Feed-forward blocks and norms under torch.compile; needs a compiler.")
    gradient_checkpointing: bool = Field(default=False, description="Less memory in training, about a third more work.")
    memory_gb: PositiveFloat | None = Field(default=None, description="GiB per process, weights included; batches are fitted. null: fixed.")
    checkpoint_minutes: float | None = Field(default=10.0, ge=0, description="Minutes between snapshots; 0: every step, null: on SIGTERM.")
    linear: Literal["auto", "torch", "onednn"] = Field(
        default="auto", description="Matrix multiply on a CPU; auto: the faster one at a run's first start, kept with the run."
    )
    endpoint: ServerConfig = Field(default=ServerConfig(), description="How a model behind a server is asked.")

    @field_validator("max_memory", mode="before")
    @classmethod
    def _devices(cls, given: Any) -> Any:
        """Accelerators by number, as JSON cannot hold them."""
        numbered = isinstance(given, dict) and len(given) == len({str(k) for k in given})
        return {int(k) if re.fullmatch("[0-9]{1,3}", str(k)) else k: v for k, v in given.items()} if numbered else given

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.gpus_per_worker is not None and self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
            raise ValueError(f"gpus_per_worker: {self.gpus_per_worker:g}: must be a share below 1 or a whole number")
        if self.max_memory is not None and self.device_map is None:
            raise ValueError("max_memory: needs a device_map; set device_map: auto")
        if self.fsdp is not None and self.kind == "ray" and self.gpus_per_worker and self.gpus_per_worker < self.fsdp:
            raise ValueError(f"fsdp: {self.fsdp} processes on gpus_per_worker={self.gpus_per_worker:g}; give a worker as many accelerators")
        if self.device_map is not None and self.compile:
            raise ValueError("device_map: layers that are moved are not compiled; set compile: false")
        return self
