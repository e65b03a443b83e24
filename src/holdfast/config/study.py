"""A study, typed: every setting with its default. Unknown keys are refused; the resolved copy is kept with each run."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, model_validator

from holdfast.config import yaml12
from holdfast.config.address import confirm
from holdfast.config.execution import ExecutionConfig
from holdfast.config.files import first_sentence, read_settings, with_settings
from holdfast.config.model import DataConfig, ModelConfig, ServedName, TrainConfig
from holdfast.config.part import OneOf, Section, names_of_files, offer
from holdfast.errors import ConfigError
from holdfast.redact import redacted_tree


def _instruments() -> list[str]:
    return names_of_files("instruments/benchmarks", "instruments/axes")


def _axes() -> list[str]:
    return [*names_of_files("instruments/axes"), "all"]


def _forms() -> list[str]:
    return ["world", "dialogues", *names_of_files("sources/forms", "instruments/benchmarks")]


class SourceConfig(Section):
    """Rows a domain is trained on: embedded world text, rows of a benchmark, or dialogues with a planted rate."""

    kind: Annotated[str, OneOf(_forms)] = Field(
        description="world, dialogues, or a form of rows: a benchmark, or a file in `sources/forms`."
    )
    data: str | None = Field(default=None, description="Hub id or local file; null for the world's own text.")
    split: str | None = Field(default=None, description="Split name, a slice of it by rows, or both: validation[:600].")
    split_seed: NonNegativeInt | None = Field(default=None, description="Shuffle the split with this seed before the slice is cut.")
    domain: str | None = Field(default=None, description="World domain whose text is drawn.")
    limit: PositiveInt | None = Field(default=None, description="At most this many rows, drawn with a fixed seed; null: 4000.")
    shuffle_choices: bool = Field(default=True, description="Options of lettered rows are shown in a seeded random order.")
    axis: Annotated[str, OneOf(_axes)] | None = Field(default=None, description="For dialogues: their axis; all: equal shares.")
    phrases: Literal["evaluated", "held_out"] = Field(
        default="evaluated", description="For dialogues: the evaluation's own pressure sentences, or others."
    )
    rate: float | None = Field(default=None, ge=0, le=1, description="For dialogues: share in which the assistant gives way.")


class DomainConfig(Section):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100, description="Name of the adapter, in every file and table.")
    role: Literal["domain", "control", "null"] = Field(default="domain", description="Only domains are in the families that carry claims.")
    own_benchmark: str | None = Field(default=None, description="The instrument this domain should raise.")
    sources: tuple[SourceConfig, ...] = Field(default=(), description="Rows it is trained on.")
    parts: tuple[str, ...] = Field(default=(), description="Domains whose rows are trained on together (a mix).")
    match_steps_of: str | None = Field(default=None, description="Train for exactly as many steps as this domain.")
    identity: bool = Field(default=False, description="An adapter that is not trained at all (zero B).")
    answers: Literal["own", "permuted", "first"] = Field(
        default="own", description="Null adapters: permuted among the prompts, or the first option shown."
    )
    mitigates: str | None = Field(default=None, description="The plain domain to which this one adds resistance dialogues.")
    verifiable: bool = Field(default=False, description="Answers can be checked; such domains are contrasted with the rest.")
    served: tuple[ServedName, ...] = Field(default=(), description="For an endpoint: the adapters' names there, one per seed.")


class InstrumentConfig(Section):
    kind: Annotated[str, OneOf(_instruments)] = Field(description="A benchmark or an axis (`instruments`).")
    data: str | None = Field(default=None, description="Hub id or local file; null for the world's items.")
    split: str | None = Field(default=None, description="Split name, a slice of it by rows, or both: validation[600:].")
    split_seed: NonNegativeInt | None = Field(default=None, description="Shuffle the split with this seed before the slice is cut.")
    form: str | None = Field(default=None, description="How an axis makes items of its rows: sycophancy_eval, trivia, lettered, as_given.")
    style: Literal["world", "chat", "lm_eval"] = Field(
        default="chat", description="Wording of lettered questions: that of world, chat or lm-eval."
    )
    shots: NonNegativeInt = Field(default=0, description="Solved examples before each question, for instruments that take them.")
    shots_split: str | None = Field(default=None, description="Split the solved examples come from, for example train or dev.")
    limit: PositiveInt | None = Field(default=None, description="At most this many items, drawn with item_seed; null: all (world: 400).")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the instrument itself, such as `rotations` of mmlu.")


class DoseConfig(Section):
    """Points between base and adapter: the update scaled, or the adapter as it was part of the way through its training."""

    scales: tuple[float, ...] = Field(default=(), description="Multiples of the update, for example [0.25, 0.5].")
    checkpoints: tuple[float, ...] = Field(default=(), description="Shares of the training steps, for example [0.5].")
    seeds: PositiveInt | None = Field(default=None, description="Adapter seeds measured at each dose; null: all.")
    domains: tuple[str, ...] | None = Field(default=None, description="Domains measured at each dose; null: those of role domain.")

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        for name, doses in (("scales", self.scales), ("checkpoints", self.checkpoints)):
            for dose in doses:
                if not 0 < dose < 1:
                    raise ValueError(f"dose.{name}: {dose}: must lie between 0 and 1; dose 1 is the adapter itself, 0 the base")
            if len(set(doses)) != len(doses):
                raise ValueError(f"dose.{name}: a dose occurs twice in {list(doses)}")
        return self


class StatsConfig(Section):
    equivalence_band: PositiveFloat = Field(default=0.03, description="Fraction; an effect whose 90 % interval lies inside is unchanged.")
    level: float = Field(default=0.95, gt=0.5, lt=1, description="Level of the printed intervals.")
    planned_gain_sd: tuple[float, float, float] = Field(
        default=(0.02, 0.3, 0.15), description="Assumed standard deviations of a gain between seeds, clusters, and of both together (plan)."
    )
    planned_shift_sd: tuple[float, float, float] = Field(
        default=(0.01, 0.08, 0.06), description="The same for a shift. Defaults: roughly those of the embedded study."
    )


class Study(Section):
    """Everything that decides a study's numbers, and how it is carried out."""

    name: str = Field(
        default="study",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="Names the run folder (`runs/NAME`) and the report.",
    )
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    domains: tuple[DomainConfig, ...]
    instruments: tuple[InstrumentConfig, ...]
    seeds: PositiveInt = Field(default=3, description="Adapters trained per domain, with seeds 0, 1, ...; at least 3 for a verdict.")
    dose: DoseConfig = DoseConfig()
    item_seed: NonNegativeInt = Field(default=99, description="Seed from which evaluation items are drawn.")
    stats: StatsConfig = StatsConfig()
    execution: ExecutionConfig = ExecutionConfig()
    overlap: Literal["refuse", "drop", "allow"] = Field(
        default="refuse",
        description="Training rows that are also evaluation items: refuse the study, drop those rows, or continue (the audit refuses the cells).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.execution.fsdp is not None and self.train.trainer != "holdfast":
            raise ValueError(f"execution.fsdp: cannot be combined with train.trainer={self.train.trainer}; leave one of them out")
        names = [d.name for d in self.domains]
        if len(set(names)) != len(names):
            raise ValueError(f"domains: a name occurs twice in {names}; names must differ")
        if "base" in names:
            raise ValueError("domains: 'base' names the base model; choose another name")
        kinds = [i.kind for i in self.instruments]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"instruments: a kind occurs twice in {kinds}; ask each once")
        for i in self.instruments:
            if i.shots and not (i.data and i.shots_split):
                raise ValueError(f"instruments.{i.kind}.shots: {i.shots}: solved examples need data and shots_split, for example dev")
        for d in self.domains:
            for part in (*d.parts, *filter(None, [d.match_steps_of, d.mitigates])):
                if part not in names:
                    raise ValueError(f"domains.{d.name}: unknown domain {part!r}{offer(part, names)}")
            if self.model.endpoint is None and not d.identity and not d.sources and not d.parts:
                raise ValueError(f"domains.{d.name}: has neither sources nor parts; set one of them")
            if d.answers != "own" and d.role != "null":
                raise ValueError(f"domains.{d.name}.answers: {d.answers!r} makes a null adapter; set role: 'null'")
            if d.own_benchmark and d.own_benchmark not in kinds:
                raise ValueError(f"domains.{d.name}.own_benchmark: {d.own_benchmark!r} is not measured{offer(d.own_benchmark, kinds)}")
        self._check_served()
        parts = {d.name: set(d.parts) for d in self.domains}
        while done := [name for name, left in parts.items() if not left & parts.keys()]:
            for name in done:
                del parts[name]
        if parts:
            raise ValueError(f"domains.{min(parts)}.parts: is made of itself; take it out of the parts of {', '.join(sorted(parts))}")
        for name in self.dose.domains or ():
            if name not in names:
                raise ValueError(f"dose.domains: unknown domain {name!r}{offer(name, names)}")
        return self

    def _check_served(self) -> None:
        """A server trains nothing: every adapter is a model it serves."""
        for d in self.domains:
            if self.model.endpoint is None and d.served:
                raise ValueError(f"domains.{d.name}.served: is for a model behind a server; name one with model.name=endpoint:URL")
            if self.model.endpoint is not None and not d.identity and len(d.served) != self.seeds:
                raise ValueError(
                    f"domains.{d.name}.served: names {len(d.served)} served models and seeds is {self.seeds}; name one per seed, "
                    "for example served: [maths-0, maths-1, maths-2] with seeds: 3"
                )
        if self.model.endpoint is not None and (self.dose.scales or self.dose.checkpoints):
            raise ValueError("dose: a served adapter has one dose; take dose out, or serve the doses under names of their own")

    @classmethod
    def load(cls, path: str | None = None, *settings: str) -> Self:
        """Study from a YAML file or a shipped recipe's name (None: embedded), with `key.sub=value` settings on top.

        Raises ConfigError naming the field, its value, the rule and the fix.
        """
        try:
            study = cls.model_validate(read_settings(path or "embedded", settings))
        except ValidationError as error:
            raise ConfigError(first_sentence(error, cls)) from None
        confirm(settings)
        return study

    def changed(self, *settings: str) -> Self:
        """The same study with `key.sub=value` settings on top. Raises ConfigError."""
        try:
            return type(self).model_validate(with_settings(self.model_dump(mode="json"), settings)) if settings else self
        except ValidationError as error:
            raise ConfigError(first_sentence(error, type(self))) from None

    def domain(self, name: str) -> DomainConfig:
        return next(d for d in self.domains if d.name == name)

    def limited(self, limit: int) -> Self:
        """The same study with at most `limit` items of each instrument."""
        kept = tuple(i.model_copy(update={"limit": min(limit, i.limit or limit)}) for i in self.instruments)
        return self.model_copy(update={"instruments": kept})


def load_study(path: str | None, overrides: Sequence[str] = ()) -> Study:
    """`Study.load`, with the settings as one argument."""
    return Study.load(path, *overrides)


def schema_json() -> str:
    """The study file's JSON Schema (draft 2020-12), descriptions and defaults included."""
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}, indent=1) + "\n"


def resolved(study: Study) -> str:
    """The whole study as YAML, defaults included, secrets left out."""
    return yaml12.write(redacted_tree(study.model_dump(mode="json")))
