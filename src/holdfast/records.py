"""Records shared between packages: frozen, without behavior.

Fractions are in [0, 1], log-likelihoods in nats. A missing value is `None` or `nan`, never 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One evaluation question or text with its truth.

    `cluster_id` names the stem, text or fact that several items share. `fields` is what the instrument needs
    to ask the item (question, choices, gold index, designated wrong answer, ...): plain JSON values.
    `source_keys` are normalised texts by which overlap with training rows is found.
    """

    item_id: str
    cluster_id: str
    fields: dict[str, Any]
    source_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One item under one condition and one label rotation, ready for the engine.

    `messages` go through the model's chat template; with `plain=True` the single message's content is the raw
    text and no template is applied. `prefill` is text with which the assistant's reply is begun. `choices` are
    continuations to score; if empty, the reply is generated greedily, up to `max_new_tokens`.
    `branches`: user turns, each put by itself after the generated reply; a reply is generated to each.
    `values[j]` says what choice j stands for, so that rotations of one item can be averaged by meaning.
    `gold` and `suggested` index `choices`; None where the item has none.
    """

    condition: str
    messages: tuple[Message, ...]
    choices: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    gold: int | None = None
    suggested: int | None = None
    prefill: str = ""
    rotation: int = 0
    plain: bool = False
    max_new_tokens: int = 0
    branches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the engine returns for one prompt.

    `logliks[j]` is the summed log-probability of choice j (nats, float32 log-softmax); `num_tokens[j]` its length in
    tokens. `text` is a generated reply, `ended` whether it closed with the end-of-sequence token; `branches`: the replies to the
    prompt's branches. `failed`: why there is no answer at all. A prompt with choices and a `text` was answered in writing: `logliks`
    then say which choice was read, and are empty where none was.
    """

    logliks: tuple[float, ...] = ()
    num_tokens: tuple[int, ...] = ()
    text: str | None = None
    num_prompt_tokens: int = 0
    num_new_tokens: int = 0
    ended: bool | None = None
    branches: tuple[Response, ...] = ()
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One row of the trials table: one item under one condition and rotation, answered by one model.

    form: "mass" | "loglik" | "generated". outcome: "correct" | "suggested" | "other" | "unparsed".
    p_gold, p_suggested: probability normalised over the answer set (mass form), else nan. kappa: the answer set's
    share of the total probability. margin: loglik_gold - loglik_suggested. loglik_others: of the options that are neither right nor
    suggested, in the order of their values; only under the condition that shows firmness, else None. rating: feedback verdict in [0, 1].
    kl: KL(base || adapted) of the next token at the answer slot of an axis's first condition, nats; nan for the base itself.
    score: the benchmark's score of this item in [0, 1]; score_norm: the same by per-byte log-likelihood; score_strict: the same with
    only the required answer format accepted. label: position of the chosen option. refused, apologised: read from the text.
    """

    item_id: str
    cluster_id: str
    condition: str
    rotation: int
    form: str
    outcome: str
    tie: bool = False
    p_gold: float = float("nan")
    p_suggested: float = float("nan")
    kappa: float = float("nan")
    loglik_gold: float = float("nan")
    loglik_suggested: float = float("nan")
    loglik_others: tuple[float, ...] | None = None
    margin: float = float("nan")
    rating: float = float("nan")
    kl: float = float("nan")
    score: float = float("nan")
    score_norm: float = float("nan")
    score_strict: float = float("nan")
    label: int = -1
    num_prompt_tokens: int = 0
    num_new_tokens: int = 0
    refused: bool = False
    apologised: bool = False
    ended: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A declared effect: mean of `column` under `plus` minus under `minus`, on the same items.

    `sign` -1 turns "P(correct)" into "P(not correct)". `among`: "right" | "wrong" | "all", judged under `anchor`.
    `minus` None: the raw value. Positive means more sycophantic for a headline. `unit`: "fraction" | "nats".
    `free`: of a headline, the condition without pressure whose answers show how firmly each item's right answer is held.
    """

    name: str
    column: str
    plus: str
    minus: str | None
    among: Literal["right", "wrong", "all"] = "all"
    anchor: str = "neutral"
    sign: int = 1
    headline: bool = False
    unit: str = "fraction"
    all_items_of: str | None = None
    free: str | None = None
    placebo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Declared hits and false alarms of signal detection: (condition, column) each. d' is knowledge; a lower c defers more."""

    hit: tuple[str, str]
    false_alarm: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training sequence: conversation (or plain text) whose last part carries the loss.

    Chat form: `messages` ends with the assistant turn; loss is computed on it and its end token only.
    Plain form (`plain=True`): `messages[0].content` is the context, `completion` the text with the loss.
    `options`: for a lettered question, the reply that each option shown would have been, in the order shown.
    """

    messages: tuple[Message, ...]
    completion: str = ""
    plain: bool = False
    source_keys: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """One domain of a study, as analysis, audit and report see it. `answers`: "own", or how a null adapter's answers were made."""

    name: str
    role: Literal["domain", "control", "null"] = "domain"
    own_benchmark: str | None = None
    parts: tuple[str, ...] = ()
    verifiable: bool = False
    answers: str = "own"
    mitigates: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentFacts:
    """One instrument of a study: `kind` is "benchmark" or "axis", `form` how its answers are read."""

    name: str
    kind: str
    form: str
    contrasts: tuple[Contrast, ...] = ()
    detection: Detection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """A study without paths, models and data sets: names, roles, contrasts, and the half-width of what is called unchanged (a fraction)."""

    name: str
    base: str
    domains: tuple[DomainFacts, ...]
    instruments: tuple[InstrumentFacts, ...]
    equivalence_band: float
    seeds: int
    estimands: dict[str, str]


def repeated(names: Iterable[str]) -> str | None:
    """A name that is there more than once."""
    return next((n for n, count in Counter(names).items() if count > 1), None)


def json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For json's object_pairs_hook. Raises ValueError for a name that stands twice: the last would win without a word."""
    if (twice := repeated(n for n, _ in pairs)) is not None:
        raise ValueError(f"the name {twice!r:.50} stands twice in one object")
    return dict(pairs)
