"""The cells of a study whose models lie behind a server: nothing is trained, every adapter is a model that the server names.

Every reply is in a log next to the cells, so that an interrupted cell asks only for what is missing.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from holdfast.backends import identity
from holdfast.backends.identity import Identity, JsonObject
from holdfast.backends.keys import ModelKey, study_keys
from holdfast.backends.protocol import Backend, ModelCells
from holdfast.backends.trials import Tick, ask_items, write_trials
from holdfast.config import Study
from holdfast.config.address import api_key, check_key, is_loopback
from holdfast.endpoints.asking import Asker
from holdfast.endpoints.capabilities import Capabilities, examine
from holdfast.endpoints.engine import EndpointEngine, PromptForm
from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import Transport
from holdfast.errors import ConfigError, ModelError
from holdfast.models import checkpoint
from holdfast.models.chat import ChatFormat
from holdfast.models.template import DATE
from holdfast.progress import say
from holdfast.records import Prompt, Response
from holdfast.redact import redacted
from holdfast.sources.materials import Materials
from holdfast.store import Store, canonical, file_digest, write_atomic

MAX_BYTES = 1 << 26  # one reply: a prompt of 100,000 tokens, echoed with its log-probabilities
RECORD, MISSING = "requests.json", "missing answers"


def open_transport(study: Study) -> Transport:
    """Raises ConfigError for a missing key; a refused key raises ModelError when a request meets it."""
    url = study.model.endpoint
    assert url is not None

    def refused(status: int, message: str) -> None:
        if status in (401, 403):
            raise ModelError(
                f"model.name: the server at {url} refuses the key: {message}; export it and name its variable with execution.endpoint.api_key_env"
            )

    return Transport(url, study.execution.endpoint, refused=refused, max_bytes=MAX_BYTES)


def announce(study: Study) -> None:
    """Says what goes where before it does. Raises ConfigError for a key that may not go there."""
    url, server = str(study.model.endpoint), study.execution.endpoint
    api_key(server.api_key_env)
    check_key(url, server.api_key_env)
    key = f" and the key in ${server.api_key_env}" if server.api_key_env else ""
    say(f"sending prompts of {len(study.instruments)} instruments{key} to {redacted(url)}", always=bool(key) or not is_loopback(url))


def own_chat(study: Study) -> ChatFormat | None:
    """The format of an endpoint's tokenizer, None if none is named."""
    at_hand = study.model.at_hand
    return ChatFormat(checkpoint.load_tokenizer(at_hand)) if at_hand is not None else None


def check_forms(study: Study, materials: Materials, form: PromptForm) -> None:
    """Raises ConfigError for an instrument that this server cannot be asked."""
    for config in study.instruments:
        asked = materials.asked(config.kind)
        prompt = next((p for prompts in asked.prompts for p in prompts if p.choices), None)
        if prompt is None:
            continue
        if asked.instrument.form == "loglik" and form.way(prompt) not in ("echo", "prompt_logprobs"):
            why = "no tokenizer is named (model.tokenizer)" if form.chat is None and not prompt.plain else "this server gives none"
            raise ConfigError(
                f"instruments.{config.kind}: needs the log-probabilities of whole answers, and {why}; leave it out, or name a server that does"
            )
        if not form.by_text(prompt) and not form.can.chat:
            raise ConfigError(
                f"instruments.{config.kind}: this server takes no chat; name its tokenizer with model.tokenizer, so that texts can be sent"
            )


class EndpointBackend(Backend):
    """Asks a server that speaks OpenAI's API."""

    def __init__(self, study: Study, store: Store):
        super().__init__(study, store)
        self.source = study.model.weights or str(study.model.endpoint)
        self._record = store.folder.parent / "endpoint.json"
        self._can: Capabilities | None = None

    @cached_property
    def transport(self) -> Transport:
        transport = open_transport(self.study)
        transport.models = frozenset((self.can.base, *(name for d in self.study.domains for name in d.served)))
        return transport

    @cached_property
    def _chat(self) -> ChatFormat | None:
        return own_chat(self.study)

    def chat(self) -> ChatFormat | None:
        return self._chat

    @property
    def can(self) -> Capabilities:
        """Capabilities of the server as the run found them; the server is asked if no run has begun."""
        if self._can is None:
            try:
                self._can = Capabilities.of(json.loads(self._record.read_text(encoding="utf-8"))["can"])
            except (OSError, ValueError, KeyError, TypeError):
                self._can = self._examine()
        return self._can

    def _examine(self) -> Capabilities:
        announce(self.study)
        with open_transport(self.study) as transport:
            can = examine(transport, self.study.model, self.chat(), [name for d in self.study.domains for name in d.served])
            self._remark(transport)
        return can

    def _remark(self, transport: Transport) -> None:
        while transport.other_names:
            asked, said = transport.other_names.popitem()
            self.store.warn(f"the server's replies for {asked!r} report the model {said!r}; check that this is intended")

    @property
    def form(self) -> PromptForm:
        return PromptForm(self.can, self.chat())

    @cached_property
    def log(self) -> ReplyLog:
        log = ReplyLog(self.store.folder.parent / "replies", f"-o/--out: {self.store.folder.parent}")
        if log.damaged:
            self.store.warn(f"{log.damaged} kept replies are truncated or damaged; they are asked for again")
        return log

    def engine(self, key: ModelKey) -> EndpointEngine:
        served, repeat = self.served(key)
        return EndpointEngine(Asker(self.transport, self.log, self.source), served, self.can, self.chat(), repeat)

    def prepare(self) -> None:
        """Ask the server what it can do, and drop the cells in which answers are missing, so that they are made again."""
        self._can = self._examine()
        check_forms(self.study, self.materials, self.form)
        record = {"address": self.study.model.endpoint, "can": dataclasses.asdict(self._can)}
        write_atomic(self._record, (json.dumps(record, indent=1) + "\n").encode())
        for key in study_keys(self.study):
            for kind in self.cells.kinds:
                place = self.cells.find(key, kind)
                if place and (count := _requests(place)[0][MISSING]):
                    self.store.warn(f"{key.name}, {kind}: {count} answers are missing; they are asked for again")
                    self.store.discard(place.name)

    # --- cells ----------------------------------------------------------------------------------------------------------

    def served(self, key: ModelKey) -> tuple[str, str]:
        """(name of the model on the server, the name under which its replies are asked for anew)"""
        config = self.study.domain(key.domain) if key.domain is not None else None
        if config is None or config.identity:
            return self.can.base, key.name if config is not None else ""
        return config.served[key.seed], ""

    def _serving(self) -> Identity:
        """How prompts are sent and answers read, for identities."""
        can, chat, at_hand = self.can, self.chat(), self.study.model.at_hand
        return {
            "scoring": can.scoring if chat is not None else can.chat_scoring,
            "plain_scoring": can.scoring,
            "route": "text" if self._templated else "chat",
            "token_ids": can.token_ids,
            "tokenizer": checkpoint.digest(at_hand) if at_hand is not None else None,
            **({"template_date": DATE} if at_hand is not None else {}),
            "template": file_digest(Path(at_hand.chat_template)) if at_hand is not None and at_hand.chat_template else None,
        }

    def trials_identity(self, key: ModelKey, kind: str) -> Identity:
        served, repeat = self.served(key)
        return {
            "model": key.name, "base": self.source, "served": served, "repeat": repeat, "how": self._serving(),
            **identity.items(self.materials.asked(kind)), "code": identity.SERVED_CODE, "tokenizers": identity.library_versions()["tokenizers"],
        }  # fmt: skip

    def make_trials(self, key: ModelKey, tick: Tick = lambda _: None) -> list[Path]:
        for kind in self.cells.missing(key):
            engine, asked = self.engine(key), self.materials.asked(kind)
            with self.meter.timed(kind):
                answered, _ = ask_items(asked, engine, tick)
            reasons = [r.failed for pairs in answered for _, r in pairs if r.failed is not None]
            record = {MISSING: len(reasons), **engine.asker.counts, **({"most often": statistics.mode(reasons)} if reasons else {})}
            with self.cells.making(key, kind) as draft:
                write_trials(draft, key.name, asked, answered)
                (draft / RECORD).write_text(canonical(record) + "\n", encoding="utf-8")
        self._remark(self.transport)
        return self.cells.of(key) or []

    # --- what is known of them ------------------------------------------------------------------------------------------

    def invariance_identity(self, items: dict[str, str]) -> Identity:
        return {"base": self.source, "served": self.can.base, "how": self._serving(), "items": items, "code": identity.SERVED_CODE}

    def measure_invariance(self) -> None:
        if self.can.mass:
            self.keep_invariance(lambda: _FreshReplies(self.engine(ModelKey(None))), "served", self.form.by_text)

    def missing_answers(self, models: Sequence[ModelCells]) -> dict[Path, str]:
        return {
            place: f"{key.name}, {kind}: {record[0][MISSING]} answers are missing, their requests failed"
            f" (most often: {record[1]}); run again to ask for those only"
            for key, places in models
            for kind, place in zip(self.cells.kinds, places, strict=True)
            if (record := _requests(place))[0][MISSING]
        }

    def summary(self, models: Sequence[ModelCells], timing: Mapping[str, Any]) -> JsonObject:
        """Address, abilities, the form in use, requests; no key and no variable's name."""
        can, templated = self.can, self._templated
        counts: dict[str, Counter[str]] = {}
        for _, places in models:
            for kind, place in zip(self.cells.kinds, places, strict=True):
                counts.setdefault(kind, Counter()).update(_requests(place)[0])
        abilities = {k: v for k, v in dataclasses.asdict(can).items() if k not in ("base", "models", "scoring", "chat_scoring")}
        about = {
            "address": self.study.model.endpoint,
            "weights": self.study.model.weights,
            "form": self.answer_form,
            "scoring": self._scoring,
            "sent": ("token ids" if can.token_ids else "text") if templated else "messages",
            "served": {key.name: self.served(key)[0] for key, _ in models},
            "requests": counts,
            **abilities,
            "num_models": len(can.models) if can.models is not None else None,
        }
        return {"endpoint": about}

    @property
    def answer_form(self) -> str:
        """ "generated" where answers are read from written replies, else "mass"."""
        return "generated" if self._scoring == "generated" else "mass"

    @property
    def _templated(self) -> bool:
        return self.chat() is not None and self.can.completions

    @property
    def _scoring(self) -> str:
        return self.can.scoring if self._templated else self.can.chat_scoring


class _FreshReplies:
    """An engine whose every call is asked for anew, and kept under the call's own number."""

    def __init__(self, engine: EndpointEngine):
        self._engine, self._calls = engine, 0

    def answer(self, prompts: Sequence[Prompt]) -> list[Response]:
        self._engine.repeat, self._calls = f"batching/{self._calls}", self._calls + 1
        return self._engine.answer(prompts)


def _requests(place: Path) -> tuple[Counter[str], str]:
    """(numbers of requests and of missing answers in a cell, the most frequent reason why requests failed)"""
    try:
        counts = json.loads((place / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        counts = {}
    most_often = counts.pop("most often", "not kept")
    return Counter(counts), most_often
