"""What travels between the parts of a judge: frozen records, no behaviour. A missing verdict is None, never a tie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One prompt to the judge. `meanings` maps what the judge may say to a verdict; `tag` must stand in its verdict line."""

    item_id: str
    order: str
    prompt: str
    tag: str
    meanings: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server sent. `cut`: it stopped at max_tokens. `served_model` is the server's own word for what answered."""

    text: str
    cut: bool = False
    served_model: str = ""
    num_prompt_tokens: int | None = None
    num_new_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The judge's answer in one order. Exactly one of: `verdict`; `error` (no reply); neither (a reply without a verdict)."""

    order: str
    verdict: str | None
    reply: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Verdict on one item, from every order it was asked in. `reason` says why there is none, or why it is a tie."""

    item_id: str
    cluster_id: str
    group: str
    verdict: str | None
    orders: tuple[Heard, ...] = ()
    reason: str | None = None

    @property
    def num_errors(self) -> int:
        return sum(heard.error is not None for heard in self.orders)

    @property
    def num_unparsed(self) -> int:
        return sum(heard.error is None and heard.verdict is None for heard in self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Judge against labels. `n` of `num_labelled` rows had a verdict; kappa, raw and interval are over those, by cluster.

    `usable` False: verdicts are refused, for `reason`. Unknown is None.
    """

    kappa: float | None
    lower: float | None
    upper: float | None
    level: float
    raw: float | None
    n: int
    num_labelled: int
    num_clusters: int
    coverage: float
    errors: int
    unparsed: int
    order_flip_rate: float | None
    usable: bool
    reason: str | None
