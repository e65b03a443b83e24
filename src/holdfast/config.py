"""A study, typed: every setting with its default, written once. Unknown keys are refused; the resolved copy goes with each run."""

from __future__ import annotations

import difflib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, model_validator

from holdfast.endpoints.address import server_url
from holdfast.errors import ConfigError
from holdfast.redact import redacted_tree

Seconds = Annotated[float, Field(gt=0, le=86400)]
ServedName = Annotated[str, Field(min_length=1, max_length=300)]
_NEVER_SHOWN = ("api_key_env", "base_url")  # where a secret is pasted by mistake
ENDPOINT = "endpoint:"
BENCHMARKS = ("gsm8k", "mmlu", "hellaswag", "truthfulqa")
AXES = ("imitation", "feedback", "doubt")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and bool not in (field.annotation, *get_args(field.annotation)):
                raise ValueError(f"{name}: {value}: is true or false, must be a value of its own")
            if isinstance(value, int) and value.bit_length() > 63:
                raise ValueError(f"{name}: a number of {value.bit_length()} bits: must be below 2^63")
        return given


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


class ModelConfig(Part):
    """The base model. `world:N` is the embedded organism of world seed N; else a hub id `org/name@revision` or a folder.

    `random:N` is a small Llama of random weights: what is measured of it is chance. `endpoint:URL` is a model behind a server.
    """

    name: str = Field(
        "world:0", description="world:N, org/name@revision, a local folder, random:N (random weights), or endpoint:http://HOST:PORT/v1."
    )
    served_model: ServedName | None = Field(None, description="For an endpoint: the base's name there; None: the only one it serves.")
    tokenizer: str | None = Field(
        None, description="For an endpoint: hub id, folder or world:N with the served model's tokenizer and chat template."
    )
    weights: str | None = Field(
        None, max_length=300, description="For an endpoint: what it serves; stands for its address in the identity of cells and replies."
    )
    scoring: Literal["auto", "echo", "prompt_logprobs", "next_token", "generated"] = Field(
        "auto", description="For an endpoint: how answers that are scored elsewhere are read; auto: the first that the server can do."
    )
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    quantization: Literal["nf4"] | None = Field(None, description="nf4: the frozen base in 4 bits (bitsandbytes); adapters stay as they are.")
    trust_remote_code: bool = Field(False, description="Run code that comes with the checkpoint.")
    chat_template: str | None = Field(None, description="File with a Jinja chat template, for a model that has none.")

    @model_validator(mode="after")
    def _where(self) -> ModelConfig:
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
    def at_hand(self) -> ModelConfig | None:
        """What of the model lies here or on a hub: itself, or an endpoint's tokenizer; None if that is not named."""
        if self.endpoint is None:
            return self
        kept = {"trust_remote_code": self.trust_remote_code, "chat_template": self.chat_template}
        return ModelConfig(name=self.tokenizer, **kept) if self.tokenizer else None

    @property
    def world_seed(self) -> int | None:
        kind, _, seed = ((self.tokenizer or "") if self.endpoint else self.name).partition(":")
        return int(seed) if kind == "world" and re.fullmatch(r"[0-9]{1,9}", seed) else None


class DataConfig(Part):
    root: str | None = Field(None, description="Folder with local rows, laid out as docs/how-to-real-benchmarks.md says; without it hub ids are loaded.")


class TrainConfig(Part):
    """One adapter's training. LoRA names are PEFT's, optimisation names are those of transformers' TrainingArguments."""

    r: PositiveInt = 16
    lora_alpha: PositiveFloat = 32.0
    lora_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    target_modules: str | tuple[str, ...] = "all-linear"
    learning_rate: PositiveFloat = 2e-4
    num_train_epochs: PositiveFloat = 3.0
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = "cosine"
    warmup_ratio: float = Field(0.03, ge=0.0, lt=1.0)
    warmup_steps: NonNegativeInt | None = Field(None, description="Overrides warmup_ratio.")
    weight_decay: float = Field(0.0, ge=0.0)
    max_grad_norm: PositiveFloat = 1.0
    per_device_train_batch_size: PositiveInt = Field(
        16, description="Examples whose gradients make one optimiser step, with accumulation."
    )
    gradient_accumulation_steps: PositiveInt = 1
    tokens_per_pass: PositiveInt = Field(4096, description="Padded tokens in one forward pass; lower it when memory is short.")
    max_length: PositiveInt = 512
    completion_only_loss: bool = True
    train_eos: bool = True
    chat_template: bool = Field(
        True, description="Off: turns are written one under the other, without the template (a published defect)."
    )
    shuffle: bool = True
    trainer: Literal["holdfast", "trl"] = "holdfast"


class SourceConfig(Part):
    """Rows a domain is trained on: embedded world text, rows of a benchmark, or dialogues with a planted rate."""

    kind: Literal["world", "gsm8k", "mmlu", "hellaswag", "truthfulqa", "dialogues"]
    data: str | None = Field(None, description="Hub id or local file; None for the world's own text.")
    split: str | None = Field(None, description="Split name, a slice of it by rows, or both: validation[:600].")
    split_seed: NonNegativeInt | None = Field(None, description="Shuffle the split with this seed before the slice is cut.")
    domain: str | None = Field(None, description="World domain whose text is drawn.")
    limit: PositiveInt | None = None
    shuffle_choices: bool = True
    axis: Literal["imitation", "feedback", "doubt", "all"] | None = Field(
        None, description="For dialogues: the axis they are about; all: a third each."
    )
    phrases: Literal["evaluated", "held_out"] = Field(
        "evaluated", description="For dialogues: the evaluation's own pressure sentences, or ones that no evaluation uses."
    )
    rate: float | None = Field(None, ge=0, le=1, description="For dialogues: share in which the assistant gives way.")


class DomainConfig(Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    role: Literal["domain", "control", "null"] = "domain"
    own_benchmark: str | None = None
    sources: tuple[SourceConfig, ...] = ()
    parts: tuple[str, ...] = Field((), description="Domains whose rows are joined (a combined domain).")
    match_steps_of: str | None = Field(None, description="Train for exactly as many steps as this domain.")
    identity: bool = Field(False, description="An adapter that is not trained at all (zero B).")
    answers: Literal["own", "permuted", "first"] = Field(
        "own", description="Null adapters: answers permuted among the prompts, or always the option shown first."
    )
    mitigates: str | None = Field(None, description="The plain domain beside which this one holds resistance dialogues.")
    verifiable: bool = Field(False, description="Answers can be checked; such domains are contrasted with the rest.")
    served: tuple[ServedName, ...] = Field((), description="For an endpoint: the adapters' names there, one a seed.")


class InstrumentConfig(Part):
    kind: Literal["gsm8k", "mmlu", "hellaswag", "truthfulqa", "imitation", "feedback", "doubt"]
    data: str | None = Field(None, description="Hub id or local file; None for the world's items.")
    split: str | None = Field(None, description="Split name, a slice of it by rows, or both: validation[600:].")
    split_seed: NonNegativeInt | None = Field(None, description="Shuffle the split with this seed before the slice is cut.")
    form: str | None = Field(None, description="Which items an axis makes of its rows: sycophancy_eval, trivia (open questions), lettered or as_given.")
    style: Literal["world", "chat", "lm_eval"] = "chat"
    shots: NonNegativeInt = Field(0, description="Solved examples shown before each question (gsm8k, mmlu).")
    shots_split: str | None = Field(None, description="Split the solved examples come from, for example train or dev.")
    limit: PositiveInt | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class DoseConfig(Part):
    """Points between base and adapter: the update scaled, or the adapter as it was part of the way through its training."""

    scales: tuple[float, ...] = Field((), description="Multiples of the update, for example [0.25, 0.5].")
    checkpoints: tuple[float, ...] = Field((), description="Shares of the training steps, for example [0.5].")
    seeds: PositiveInt | None = Field(None, description="Adapter seeds measured at each dose; None: all.")
    domains: tuple[str, ...] | None = Field(None, description="Domains measured at each dose; None: those of role domain.")

    @model_validator(mode="after")
    def _inside(self) -> DoseConfig:
        for name, doses in (("scales", self.scales), ("checkpoints", self.checkpoints)):
            for dose in doses:
                if not 0 < dose < 1:
                    raise ValueError(f"dose.{name}: {dose}: must lie between 0 and 1; dose 1 is the adapter itself, 0 the base")
            if len(set(doses)) != len(doses):
                raise ValueError(f"dose.{name}: a dose occurs twice in {list(doses)}")
        return self


class StatsConfig(Part):
    equivalence_band: PositiveFloat = 0.03
    level: float = Field(0.95, gt=0.5, lt=1)
    planned_gain_sd: tuple[float, float, float] = Field(
        (0.02, 0.3, 0.15), description="Assumed standard deviations of a gain between seeds, clusters, and of both together (plan)."
    )
    planned_shift_sd: tuple[float, float, float] = Field(
        (0.01, 0.08, 0.06), description="The same of a shift. Defaults: about what the embedded study shows."
    )


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
        None, description="Layers over several accelerators, memory and disk, as transformers reads it; asked by ordinary calls, not packed rows."
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
        10.0, ge=0, description="An adapter in training is kept this often, to go on from after an interruption; 0: every step, None: on SIGTERM alone."
    )
    linear: Literal["auto", "torch", "onednn"] = Field(
        "auto", description="Matrix multiply on a CPU; auto: whichever a check at a run's first start finds clearly faster, kept with the run."
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


class Study(Part):
    """Everything that decides a study's numbers, and how it is carried out."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    domains: tuple[DomainConfig, ...]
    instruments: tuple[InstrumentConfig, ...]
    seeds: PositiveInt = 3
    dose: DoseConfig = DoseConfig()
    item_seed: NonNegativeInt = Field(99, description="Seed from which evaluation items are drawn.")
    stats: StatsConfig = StatsConfig()
    execution: ExecutionConfig = ExecutionConfig()
    overlap: Literal["refuse", "drop", "allow"] = Field(
        "refuse",
        description="Training rows that are also evaluation items: refuse the study, drop those rows, or go on (audit refuses the cells).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if self.execution.fsdp is not None and self.train.trainer != "holdfast":
            raise ValueError(f"execution.fsdp: does not go with train.trainer={self.train.trainer}; leave one of them out")
        names = [d.name for d in self.domains]
        if len(set(names)) != len(names):
            raise ValueError(f"domains: a name occurs twice in {names}; names must differ")
        if "base" in names:
            raise ValueError("domains: 'base' names the base model; choose another name")
        kinds = [i.kind for i in self.instruments]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"instruments: a kind occurs twice in {kinds}; ask each once")
        for i in self.instruments:
            if i.shots and (i.kind not in ("gsm8k", "mmlu") or not i.data or not i.shots_split):
                raise ValueError(
                    f"instruments.{i.kind}.shots: {i.shots}: solved examples are for gsm8k and mmlu rows, and need shots_split, "
                    "for example dev"
                )
        for d in self.domains:
            for part in (*d.parts, *filter(None, [d.match_steps_of, d.mitigates])):
                if part not in names:
                    raise ValueError(f"domains.{d.name}: unknown domain {part!r}{_near(part, names)}; available: {', '.join(names)}")
            if self.model.endpoint is None and not d.identity and not d.sources and not d.parts:
                raise ValueError(f"domains.{d.name}: has neither sources nor parts; name what it is trained on")
            if d.answers != "own" and d.role != "null":
                raise ValueError(f"domains.{d.name}.answers: {d.answers!r} makes a null adapter; set role: 'null'")
            if d.own_benchmark and d.own_benchmark not in kinds:
                raise ValueError(
                    f"domains.{d.name}.own_benchmark: {d.own_benchmark!r} is not measured{_near(d.own_benchmark, kinds)}; instruments: {', '.join(kinds)}"
                )
        self._served()
        parts = {d.name: set(d.parts) for d in self.domains}
        while done := [name for name, left in parts.items() if not left & parts.keys()]:
            for name in done:
                del parts[name]
        if parts:
            raise ValueError(f"domains.{min(parts)}.parts: is made of itself; take it out of the parts of {', '.join(sorted(parts))}")
        for name in self.dose.domains or ():
            if name not in names:
                raise ValueError(f"dose.domains: unknown domain {name!r}{_near(name, names)}; available: {', '.join(names)}")
        return self

    def _served(self) -> None:
        """A server trains nothing: every adapter is a model it serves."""
        for d in self.domains:
            if self.model.endpoint is None and d.served:
                raise ValueError(f"domains.{d.name}.served: is for a model behind a server; name one with model.name=endpoint:http://HOST:PORT/v1")
            if self.model.endpoint is not None and not d.identity and len(d.served) != self.seeds:
                raise ValueError(
                    f"domains.{d.name}.served: names {len(d.served)} served models and seeds is {self.seeds}; name one a seed, "
                    "for example served: [maths-0, maths-1] with seeds: 2"
                )
        if self.model.endpoint is not None and (self.dose.scales or self.dose.checkpoints):
            raise ValueError("dose: a served adapter has one dose; take dose out, or serve the doses under names of their own")

    @classmethod
    def load(cls, path: str | None = None, *settings: str) -> Study:
        """Study from a YAML file or a shipped recipe's name (None: embedded), with `key.sub=value` settings on top. Raises ConfigError."""
        return load_study(path, settings)

    def domain(self, name: str) -> DomainConfig:
        return next(d for d in self.domains if d.name == name)

    def limited(self, limit: int) -> Study:
        """The same study with at most `limit` items of each instrument."""
        kept = tuple(i.model_copy(update={"limit": min(limit, i.limit or limit)}) for i in self.instruments)
        return self.model_copy(update={"instruments": kept})


def recipe_names() -> list[str]:
    return sorted(p.name[:-5] for p in resources.files("holdfast").joinpath("recipes").iterdir() if p.name.endswith(".yaml"))


def load_study(path: str | None, overrides: list[str] | tuple[str, ...] = ()) -> Study:
    """Study from a YAML file or the name of a shipped recipe, with `key.sub=value` settings on top.

    Raises ConfigError naming the field, its value, the rule and the fix.
    """
    tree = _read_yaml(path or "embedded")
    for setting in overrides:
        key, eq, text = setting.partition("=")
        if not eq or not key:
            raise ConfigError(f"setting {setting!r}: must be key=value, for example train.r=32")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"setting {key}: {text[:60]!r} is not a YAML value ({error.__class__.__name__})") from None
        _set(tree, key.split("."), value, key)
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_first_sentence(error)) from None


def _read_yaml(path: str) -> dict[str, Any]:
    file = Path(path)
    if file.suffix not in (".yaml", ".yml"):
        if path not in recipe_names():
            raise ConfigError(
                f"study {path!r}: neither a .yaml file nor a shipped recipe ({', '.join(recipe_names())})" + _near(path, recipe_names())
            )
        text = resources.files("holdfast").joinpath("recipes", f"{path}.yaml").read_text(encoding="utf-8")
    elif file.is_file():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ConfigError(f"study {path}: not UTF-8 text; name a YAML file") from None
    elif file.parent.name in ("recipes", "") and file.stem in recipe_names():
        text = resources.files("holdfast").joinpath("recipes", f"{file.stem}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"study {path!r}: no such file; shipped recipes: {', '.join(recipe_names())}")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"study {path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"study {path}: nested too deeply; a study has a few levels") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"study {path}: holds {type(tree).__name__}, must be a mapping of settings")
    return tree


def _set(tree: Any, keys: list[str], value: Any, whole: str) -> None:
    for i, key in enumerate(keys):
        last = i == len(keys) - 1
        if isinstance(tree, list):
            entries = [x for x in tree if isinstance(x, dict)]
            named = [x for x in entries if key in (x.get("name"), x.get("kind"))]
            if not named:
                known = [str(x.get("name") or x.get("kind")) for x in entries]
                raise ConfigError(f"setting {whole}: no entry named {key!r}{_near(key, known)}; available: {', '.join(known)}")
            if last:
                raise ConfigError(f"setting {whole}: names an entry, not a setting of it")
            tree = named[0]
        elif isinstance(tree, dict):
            if last:
                tree[key] = value
            else:
                tree = tree.setdefault(key, {})
        else:
            raise ConfigError(f"setting {whole}: {'.'.join(keys[:i])} is a plain value and has no {key!r}")


def _first_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "study"
    if first["type"] == "extra_forbidden":
        part: Any = Study
        for step in first["loc"][:-1]:
            if isinstance(step, str) and step in getattr(part, "model_fields", {}):
                part = part.model_fields[step].annotation
                part = getattr(part, "__args__", [part])[0] if not hasattr(part, "model_fields") else part
        known = sorted(getattr(part, "model_fields", {}))
        return f"unknown setting {where!r}" + _near(str(first["loc"][-1]), known) + (f"; available: {', '.join(known)}" if known else "")
    value = first.get("input")
    hidden = isinstance(value, (dict, list, tuple)) or (first["loc"] and first["loc"][-1] in _NEVER_SHOWN)
    shown = "" if hidden else repr(value)
    known = re.findall(r"'([^']*)'", first["msg"]) if first["type"] == "literal_error" else []
    return f"{where}: {shown + ': ' if shown else ''}{first['msg'].removeprefix('Value error, ')}{_near(str(value), known)}"


def _near(word: str, known: list[str]) -> str:
    """`; did you mean ...?` for the known word that is nearest, if one is near."""
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def schema_json() -> str:
    """The study file's JSON Schema (draft 2020-12), descriptions and defaults included."""
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}, indent=1) + "\n"


def resolved(study: Study) -> str:
    """The whole study as YAML, defaults included, secrets left out."""
    return yaml.safe_dump(redacted_tree(study.model_dump(mode="json")), sort_keys=False, allow_unicode=True, width=120)
