"""Cells of a study whose models lie behind a server: nothing is trained, every adapter is a model the server names."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from holdfast.backends.local import Cells, Tick, library_versions
from holdfast.config import Study
from holdfast.endpoints.asking import Asker
from holdfast.endpoints.capabilities import Capabilities, examine
from holdfast.endpoints.engine import EndpointEngine, Form
from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import Transport
from holdfast.errors import ConfigError, ModelError
from holdfast.execution.asking import put
from holdfast.execution.keys import ModelKey, study_keys
from holdfast.execution.table import write_trials
from holdfast.models import checkpoint
from holdfast.sources.materials import Materials
from holdfast.store import Store, canonical, file_digest, write_atomic

SERVED_CODE = 1  # raised when a change of code changes what is read from the same replies
MAX_BYTES = 1 << 26  # one reply: a prompt of 100,000 tokens, echoed with its log-probabilities
RECORD = "requests.json"


def open_transport(study: Study) -> Transport:
    """Raises ConfigError for a key that is not there; a refused key or model raises ModelError when it is met."""
    url = study.model.endpoint
    assert url is not None

    def refused(status: int, message: str) -> None:
        if status in (401, 403):
            raise ModelError(
                f"model.name: the server at {url} refuses the key: {message}; export it and name its variable with execution.endpoint.api_key_env"
            )

    return Transport(url, study.execution.endpoint, refused=refused, max_bytes=MAX_BYTES)


def own_chat(study: Study) -> Any:
    """The ChatFormat of an endpoint's tokenizer, None if none is named."""
    from holdfast.models.chat import ChatFormat

    at_hand = study.model.at_hand
    return ChatFormat(checkpoint.load_tokenizer(at_hand)) if at_hand is not None else None


def served_names(study: Study) -> list[str]:
    return [name for d in study.domains for name in d.served]


def check_forms(study: Study, materials: Materials, can: Capabilities, chat: Any) -> None:
    """Raises ConfigError for an instrument that this server cannot be asked."""
    form = Form(can, chat)
    for config in study.instruments:
        asked = materials.asked(config.kind)
        prompt = next((p for prompts in asked.prompts for p in prompts if p.choices), None)
        if prompt is None:
            continue
        way = form.way(prompt)
        if asked.instrument.form == "loglik" and way not in ("echo", "prompt_logprobs"):
            why = "no tokenizer is named (model.tokenizer)" if chat is None and not prompt.plain else "this server gives none"
            raise ConfigError(
                f"instruments.{config.kind}: needs the log-probabilities of whole answers, and {why}; leave it out, or name a server that does"
            )
        if not form.by_text(prompt) and not can.chat:
            raise ConfigError(
                f"instruments.{config.kind}: this server takes no chat; name its tokenizer with model.tokenizer, so that texts can be sent"
            )


class ServedCells(Cells):
    """One cell a model and instrument; every reply is in the log beside them, so that a broken-off cell asks only what is missing."""

    trains = False

    def __init__(self, study: Study, store: Store):
        super().__init__(study, store)
        self._record = store.folder.parent / "endpoint.json"
        self._log: ReplyLog | None = None

    @cached_property
    def transport(self) -> Transport:
        return open_transport(self.study)

    @cached_property
    def _chat(self) -> Any:
        return own_chat(self.study)

    def chat(self) -> Any:
        return self._chat

    @cached_property
    def can(self) -> Capabilities:
        """As the run found it when it began; asked of the server where no run has."""
        try:
            known = json.loads(self._record.read_text(encoding="utf-8"))["can"]
            return Capabilities(
                **{**known, "models": tuple(known["models"]) if known["models"] is not None else None, "notes": tuple(known["notes"])}
            )
        except (OSError, ValueError, KeyError, TypeError):
            return self._examined()

    def _examined(self) -> Capabilities:
        with open_transport(self.study) as wire:
            return examine(wire, self.study.model, self.chat(), served_names(self.study))

    @property
    def source(self) -> str:
        return self.study.model.weights or str(self.study.model.endpoint)

    def prepare(self) -> None:
        """Ask the server what it can do; cells in which answers are missing are dropped, so that those are asked for again."""
        found = self.__dict__["can"] = self._examined()
        check_forms(self.study, self.materials, found, self.chat())
        write_atomic(
            self._record, (json.dumps({"address": self.study.model.endpoint, "can": dataclasses.asdict(found)}, indent=1) + "\n").encode()
        )
        for key in study_keys(self.study):
            for i in self.study.instruments:
                name = self._trials_name(key, None, i.kind)
                place = self.store.find(name)
                if place and (count := _record(place)["missing answers"]):
                    self.store.warn(f"{key.name}, {i.kind}: {count} answers are missing; they are asked for again")
                    self.store.discard(name)

    def check(self) -> None:
        pass

    # --- identities -----------------------------------------------------------------------------------------------------

    @cached_property
    def base_digest(self) -> str:
        return self.source

    def _how(self) -> dict[str, Any]:
        can, at_hand = self.can, self.study.model.at_hand
        return {
            "scoring": can.scoring if self.chat() is not None else can.chat_scoring,
            "plain_scoring": can.scoring,
            "route": "text" if self.chat() is not None and can.completions else "chat",
            "token_ids": can.token_ids,
            "tokenizer": checkpoint.digest(at_hand) if at_hand is not None else None,
            "template": file_digest(Path(at_hand.chat_template)) if at_hand is not None and at_hand.chat_template else None,
        }

    def served(self, key: ModelKey) -> tuple[str, str]:
        """(name of the model on the server, under what its replies are asked anew)"""
        config = self.study.domain(key.domain) if key.domain is not None else None
        if config is None or config.identity:
            return self.can.base, key.name if config is not None else ""
        return config.served[key.seed], ""

    def max_steps(self, domain: str) -> int:
        return 0

    def find_adapter(self, domain: str, seed: int) -> Path | None:
        return None

    def trials_identity(self, key: ModelKey, adapter: Path | None, kind: str) -> dict[str, Any]:
        asked = self.materials.asked(kind)
        served, repeat = self.served(key)
        return {
            "model": key.name,
            "base": self.base_digest,
            "served": served,
            "repeat": repeat,
            "how": self._how(),
            "kind": kind,
            "style": asked.config.style,
            "options": asked.config.options,
            "items": asked.digest,
            "code": SERVED_CODE,
            "tokenizers": library_versions()["tokenizers"],
        }

    def _invariance_name(self) -> tuple[str, dict[str, Any]]:
        identity = {
            "base": self.base_digest,
            "served": self.can.base,
            "how": self._how(),
            "items": {i.kind: self.materials.asked(i.kind).digest for i in self.study.instruments},
            "code": SERVED_CODE,
        }
        return self.store.name("invariance", identity), identity

    # --- asking ---------------------------------------------------------------------------------------------------------

    @property
    def log(self) -> ReplyLog:
        if self._log is None:
            self._log = ReplyLog(self.store.folder.parent / "replies")
            if self._log.damaged:
                self.store.warn(f"{self._log.damaged} kept replies are cut off or damaged; they are asked for again")
        return self._log

    def engine_of(self, key: ModelKey) -> EndpointEngine:
        served, repeat = self.served(key)
        return EndpointEngine(Asker(self.transport, self.log, self.source), served, self.can, self.chat(), repeat)

    def trials(self, key: ModelKey, tick: Tick = lambda _: None) -> list[Path]:
        for kind in self.missing_trials(key, None):
            engine, asked = self.engine_of(key), self.materials.asked(kind)
            with self._timed(kind):
                answered, _ = put(asked, engine, tick)
            identity = self.trials_identity(key, None, kind)
            reasons = [r.failed for pairs in answered for _, r in pairs if r.failed is not None]
            record = {"missing answers": len(reasons), **engine.asker.counts}
            if reasons:
                record["most often"] = statistics.mode(reasons)
            with self.store.making(self.store.name("trials", identity), identity) as draft:
                write_trials(draft, key.name, kind, asked, answered, [])
                (draft / RECORD).write_text(canonical(record) + "\n", encoding="utf-8")
        return [self.store.folder / self._trials_name(key, None, i.kind) for i in self.study.instruments]

    def batch_invariance(self) -> None:
        """A few prompts of every instrument asked all at once, then one at a time."""
        if self.store.find(self._invariance_name()[0]) is None and self.can.scoring in ("echo", "prompt_logprobs"):
            self._keep_invariance(_Anew(self), Form(self.can, self.chat()).by_text, "served")

    # --- what is told of it ---------------------------------------------------------------------------------------------

    def settle_kernels(self, threads: int) -> None:
        pass

    def lacking(self, models: Sequence[tuple[ModelKey, Sequence[Path]]]) -> list[str]:
        kinds = [i.kind for i in self.study.instruments]
        return [
            f"{key.name}, {kind}: {record['missing answers']} answers are missing, their requests failed"
            f" (most often: {record['most often']}); run again to ask for those alone"
            for key, places in models
            for kind, place in zip(kinds, places, strict=True)
            if (record := _record(place))["missing answers"]
        ]

    def incomplete(self, parts: Sequence[Path]) -> list[str]:
        return [file_digest(p / "trials.parquet") for p in parts if _record(p)["missing answers"]]

    def about(self, models: Sequence[tuple[ModelKey, Sequence[Path]]]) -> dict[str, Any]:
        """For environment.json: address, abilities, the form that was used, requests; no key and no variable's name."""
        can, templated = self.can, self.chat() is not None and self.can.completions
        way = can.scoring if templated else can.chat_scoring
        counts: dict[str, dict[str, int]] = {}
        for _, places in models:
            for i, place in zip(self.study.instruments, places, strict=True):
                mine = counts.setdefault(i.kind, {})
                for name, value in json.loads((place / RECORD).read_text(encoding="utf-8")).items():
                    if name != "most often":
                        mine[name] = mine.get(name, 0) + value
        return {
            "address": self.study.model.endpoint,
            "weights": self.study.model.weights,
            "form": "generated" if way == "generated" else "mass",
            "scoring": way,
            "sent": ("token ids" if can.token_ids else "text") if templated else "messages",
            "served": {key.name: self.served(key)[0] for key, _ in models},
            "requests": counts,
            **{
                f.name: getattr(can, f.name) for f in dataclasses.fields(can) if f.name not in ("base", "models", "scoring", "chat_scoring")
            },
            "num_models": len(can.models) if can.models is not None else None,
        }


class _Anew:
    """Every call is asked for again, and kept under the call's own number."""

    def __init__(self, cells: ServedCells):
        self.cells, self.calls = cells, 0

    def answer(self, prompts: Sequence[Any]) -> list[Any]:
        engine = self.cells.engine_of(ModelKey(None))
        engine.repeat, self.calls = f"batching/{self.calls}", self.calls + 1
        return engine.answer(prompts)


def _record(place: Path) -> dict[str, Any]:
    """Numbers of requests, of answers that are missing, and what their requests failed of `most often`."""
    try:
        found = json.loads((place / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    return {"missing answers": 0, "most often": "not kept", **found}


def open_cells(study: Study, store: Store) -> Cells:
    """The cells of a study, made here or asked of a server."""
    return Cells(study, store) if study.model.endpoint is None else ServedCells(study, store)
