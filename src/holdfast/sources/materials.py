"""What a study is made of before any model runs: evaluation items per instrument, training examples per domain."""

import dataclasses
import json
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from holdfast import instruments, sources
from holdfast.config import DomainConfig, InstrumentConfig, SourceConfig, Study
from holdfast.errors import ConfigError, DataError
from holdfast.instruments import Instrument
from holdfast.instruments.style import CHAT_STYLE
from holdfast.records import Example, Item, Prompt
from holdfast.sources.distinct import RowNotes
from holdfast.sources.fields import key
from holdfast.store import digest
from holdfast.world import World, resistance_examples, world_examples, world_items

EXAMPLE_SEED = 5


@dataclass(frozen=True)
class InstrumentItems:
    """An instrument with its items and their first-stage prompts."""

    config: InstrumentConfig
    instrument: Instrument
    items: tuple[Item, ...]

    @cached_property
    def prompts(self) -> list[list[Prompt]]:
        return [self.instrument.prompts(item) for item in self.items]

    @cached_property
    def digest(self) -> str:
        return digest(self.items)


class Materials:
    """Items and examples of a study, each made once."""

    def __init__(self, study: Study):
        self.study = study
        self.num_left_out: dict[str, int] = {}
        self.notes: dict[str, RowNotes] = {}  # of an instrument's rows
        self._examples: dict[str, tuple[Example, ...]] = {}
        self._items: dict[str, InstrumentItems] = {}

    @cached_property
    def world(self) -> World:
        seed = self.study.model.world_seed
        at_hand = self.study.model.at_hand
        recipe = Path(at_hand.name if at_hand else "") / "recipe.json"
        if seed is None and recipe.is_file():
            seed = json.loads(recipe.read_text(encoding="utf-8")).get("world_seed")
        if not isinstance(seed, int):
            raise ConfigError(
                f"model.name: {self.study.model.name!r} is not the base of a world, and the study asks world items or text; "
                "name rows with data=..., or use world:N or a folder built by holdfast.world.build (for an endpoint: as model.tokenizer)"
            )
        return World(seed)

    def asked(self, kind: str) -> InstrumentItems:
        if kind not in self._items:
            config = next(i for i in self.study.instruments if i.kind == kind)
            instrument = instruments.build_configured(config)
            items = tuple(self._make_items(config))
            if not items:
                raise DataError(f"instruments.{kind}: no item could be made of {config.data!r}; name a data set with usable rows")
            self._items[kind] = InstrumentItems(config, instrument, items)
        return self._items[kind]

    def remarks(self) -> list[str]:
        """What became of rows that make no item of their own, after every instrument's rows were read."""
        for config in self.study.instruments:
            self.asked(config.kind)
        return [line for kind, notes in self.notes.items() for line in notes.lines(kind)]

    def _make_items(self, config: InstrumentConfig) -> list[Item]:
        made, seed = instruments.available()[config.kind], self.study.item_seed
        kind = made.items_like or config.kind
        if config.data is None:
            return world_items(self.world, kind, config.limit or 400, seed)
        rows, notes = self._rows(config.data, config.split, config.split_seed), RowNotes()
        self.notes[config.kind] = notes
        if made.items_of is not None:
            items = made.items_of(rows, config.form, config.limit, seed)
            # Without source keys no training row would ever be found among the items.
            items = [i if i.source_keys else dataclasses.replace(i, source_keys=(key(made.stem(i)),)) for i in items]
        elif made.kind == "axis":
            items = sources.axis_items(kind, rows, form=config.form, limit=config.limit, seed=seed, notes=notes)
        else:
            items = sources.items_from_rows(kind, rows, limit=config.limit, seed=seed, notes=notes)
        if config.shots:
            solved = self._rows(config.data, config.shots_split)
            items = sources.with_shots(kind, items, solved, config.shots)
        return items

    def _rows(self, data: str, split: str | None, split_seed: int | None = None) -> list[sources.Row]:
        place = self.study.data
        return sources.read_rows(data, split, place.root, split_seed, allow_outside=place.allow_outside)

    def examples(self, domain: str) -> tuple[Example, ...]:
        if domain not in self._examples:
            config = self.study.domain(domain)
            rows = [e for part in config.parts for e in self.examples(part)]
            for i, source in enumerate(config.sources):
                rows += self._source(config, source, i)
            if not rows and not config.identity and not config.served:
                raise DataError(f"domains.{domain}: no training row; name a data set with usable rows")
            if self.study.overlap == "drop" and not config.parts:
                kept = [e for e in rows if not self._evaluated & {*e.source_keys}]
                if rows and not kept:
                    raise DataError(
                        f"domains.{domain}: all of its {len(rows)} training rows are also evaluation items; use other rows, or set overlap=allow"
                    )
                self.num_left_out[domain], rows = len(rows) - len(kept), kept
            rows = sources.with_answers(rows, config.answers, EXAMPLE_SEED)
            if self.study.train.shuffle and len(config.parts) + len(config.sources) > 1:
                random.Random(f"mix/{domain}").shuffle(rows)
            self._examples[domain] = tuple(rows)
        return self._examples[domain]

    @cached_property
    def _evaluated(self) -> set[str]:
        return {k for i in self.study.instruments for item in self.asked(i.kind).items for k in item.source_keys}

    def _source(self, domain: DomainConfig, source: SourceConfig, index: int) -> list[Example]:
        limit, seed = source.limit or 4000, EXAMPLE_SEED + index
        if source.kind == "world":
            return world_examples(self.world, source.domain or domain.name, seed, limit)
        if source.kind == "dialogues":
            if source.axis is None or source.rate is None:
                raise ConfigError(f"domains.{domain.name}.sources: dialogues need an axis and a rate, for example axis: doubt, rate: 0.0")
            return resistance_examples(self.world, seed, limit, rate=source.rate, axis=source.axis, phrases=source.phrases)
        if source.data is None:
            raise ConfigError(f"domains.{domain.name}.sources: kind {source.kind} needs data, a hub id or a file")
        rows = self._rows(source.data, source.split, source.split_seed)
        shuffle = source.shuffle_choices
        return sources.examples_from_rows(source.kind, rows, CHAT_STYLE, seed=EXAMPLE_SEED, shuffle=shuffle, limit=source.limit)

    def check_overlap(self) -> list[tuple[str, str, int, str]]:
        """(domain, instrument, number of shared texts, one of them) wherever a training row is also an evaluation item."""
        shared_texts = []
        for domain in self.study.domains:
            keys = {k for e in ([] if domain.identity else self.examples(domain.name)) for k in e.source_keys}
            for config in self.study.instruments:
                shared = keys & {k for item in self.asked(config.kind).items for k in item.source_keys}
                if shared:
                    shared_texts.append((domain.name, config.kind, len(shared), min(shared)))
        return shared_texts
