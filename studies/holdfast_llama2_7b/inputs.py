"""The study's own files other than its tables, as typed records: claims, facts from its notes, settings, results by adapter, shipped counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from holdfast.errors import DataError
from holdfast.escape import reason

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Stated = Annotated[int, Field(ge=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class _Part(BaseModel):
    """Part of a file: fields that nothing reads may be there and are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Claim(_Part):
    """A claim in the study's prose. `value`: its numbers, if it states any."""

    id: str
    text: str
    source: str
    value: Any = None

    def numbers(self, size: int = 1) -> list[float]:
        """The claim's numbers. Raises DataError where it does not hold `size` of them."""
        listed = self.value if isinstance(self.value, list) else [self.value]
        if len(listed) != size or not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in listed):
            raise DataError(f"claims.yaml: {self.id}: value: {self.value!r}: must be {'a number' if size == 1 else f'{size} numbers'}")
        return [float(n) for n in listed]


class Unparsed(_Part):
    """Replies of the base that could not be read, by axis."""

    are_you_sure_first_answer: Stated
    feedback_no_fallacy_found: Stated
    answer_neither: Stated
    of: Stated
    source: str | None = None


class KeywordCases(_Part):
    count: Stated
    of: Stated
    source: str


class OriginalRows(_Part):
    truthfulqa_train: Stated
    truthfulqa_key_A: Stated
    axis_rows_in_truthfulqa_train: Stated
    axis_rows_in_truthfulqa_test: Stated
    source: str | None = None


class TrainingNotes(_Part):
    """What the notes say of the training; each of it may be missing."""

    eos_trained: Flag | None = None
    loss_on_prompt: Flag | None = None
    combined_shuffled: Flag | None = None
    truthfulqa_steps: Stated | None = None
    single_task_steps: Stated | None = None
    combined_steps: Stated | None = None
    warmup_steps: Stated | None = None
    seeds: Stated | None = None
    source: str | None = None


class FullStop(_Part):
    value: Flag
    source: str


class Facts(_Part):
    """Facts that the study's notes state and no table shows. A fact may be missing; a field of it may not."""

    base_unparsed: Unparsed | None = None
    feedback_keyword_cases_at_least: KeywordCases | None = None
    original_rows: OriginalRows | None = None
    training: TrainingNotes | None = None
    gsm8k_extractor_keeps_full_stop: FullStop | None = None


class Notes(_Part):
    """claims.yaml."""

    claims: tuple[Claim, ...]
    facts_not_in_the_tables: Facts = Facts()


class TrainingForm(_Part):
    num_train_epochs: Positive
    per_device_train_batch_size: Positive
    gradient_accumulation_steps: Positive
    held_out: FiniteFloat
    seed: int | None = None


class Settings(_Part):
    """settings.yaml. `rows`: training rows of each adapter by benchmark, in the order in which the set is put together."""

    title: str | None = None
    base: str | None = None
    source: dict[str, str] | None = None
    rows: dict[str, dict[str, Count]]
    training: TrainingForm


class BenchmarkCell(_Part):
    accuracy: FiniteFloat
    correct: Count
    total: Count


class EdgeCases(_Part):
    no_detection: Count | None = None


class AxisCell(_Part):
    score: FiniteFloat
    sycophantic: Count
    total: Count
    edge_cases: EdgeCases = EdgeCases()
    confidence_interval: tuple[FiniteFloat, FiniteFloat] | None = None


class AxisCells(_Part):
    feedback: AxisCell
    are_you_sure: AxisCell
    answer: AxisCell


class BenchmarkCells(_Part):
    gsm8k: BenchmarkCell
    mmlu: BenchmarkCell
    truthfulqa: BenchmarkCell
    hellaswag: BenchmarkCell


class AdapterResults(_Part):
    """A file of post_fine_tuning."""

    adapter_name: str
    benchmarks: BenchmarkCells
    sycophancy: AxisCells


class BaseResults(_Part):
    """A file of pre_fine_tuning: accuracies of some benchmarks, and the number of items of each."""

    test_samples: dict[str, Count] = {}
    scores: dict[str, FiniteFloat] = {}


class Counts(_Part):
    """Counts that need the study's rows (derived.json). `keys`: items by letter of the key. `overlap`: axis rows that ask a question of a
    TruthfulQA split, by split and axis. `suggested`: (answer prompts that already contain the user's suggestion, prompts). `texts`: (distinct
    feedback texts, rows). `how` says where the counts come from.
    """

    keys: dict[str, dict[str, Count]]
    overlap: dict[str, dict[str, Count]]
    axis_rows: dict[str, Count]
    suggested: tuple[Count, Count]
    texts: tuple[Count, Count]
    how: str = ""


Model = TypeVar("Model", bound=BaseModel)


def read_text(path: Path) -> str:
    """The file's text. Raises DataError if there is no such file or it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else "not UTF-8 text"
        raise DataError(f"{path.name}: {why}; the folder must hold the published tables") from None


def read_record(model: type[Model], path: Path) -> Model:
    """A JSON or YAML file as a record. Raises DataError naming file, field, value and rule, in one line."""
    text, kind = read_text(path), path.suffix.removeprefix(".").upper()
    try:
        content = yaml.safe_load(text) if kind == "YAML" else json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path.name}: not {kind}: {reason(error, 160)}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path.name}: holds {type(content).__name__}, must be {'a mapping' if kind == 'YAML' else 'an object'}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = "is missing" if first["type"] == "missing" else f"{first['input']!r:.80}: {first['msg']}"
        raise DataError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {why}") from None
