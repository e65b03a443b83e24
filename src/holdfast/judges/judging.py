"""Items in, judgements out: agreement is measured first, and decides whether any verdict is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from holdfast.endpoints.transport import Failure
from holdfast.judges.agreement import flip_rate, measure
from holdfast.judges.cache import ReplyCache, reply_key
from holdfast.judges.endpoint import Endpoint
from holdfast.judges.prompts import questions, verdict_of
from holdfast.judges.records import Agreement, Heard, Judgement, Question, Reply
from holdfast.judges.settings import LABELS, JudgeSettings, Kind
from holdfast.records import Item
from holdfast.stats.decide import manski

UNMEASURED = "agreement is not measured; give labelled rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`judgements` in the order of the items. `refused`: why no verdict is given, or None. `asked` counts new replies and failures."""

    judgements: tuple[Judgement, ...]
    agreement: Agreement | None
    refused: str | None
    asked: int
    cached: int


def judge(
    kind: Kind,
    items: Sequence[Item],
    settings: JudgeSettings,
    cache: ReplyCache,
    *,
    labelled: Sequence[Item] = (),
    labels: Mapping[str, str] | None = None,
    measured: Callable[[Agreement], None] = lambda _: None,
    advance: Callable[[int, str], None] = lambda count, name: None,
) -> Judged:
    """Judge the labelled items, then, if the judge agrees with their labels, all items.

    `measured` is called with the agreement before any other item is asked. A refused judge is asked nothing more; without labels
    everything is asked and kept, and every verdict withheld. Raises ModelError if the server refuses the key or the model.
    """
    asked = cached = 0
    agreement = None
    if labelled:
        found, asked, cached = _judgements(kind, labelled, settings, cache, advance)
        agreement = measure(found, labels or {}, settings)
        measured(agreement)
    if agreement is not None and not agreement.usable:
        refused = f"verdict refused: {agreement.reason}"
        none = tuple(Judgement(item_id=i.item_id, cluster_id=i.cluster_id, group=_group(i), verdict=None, reason=refused) for i in items)
        return Judged(judgements=none, agreement=agreement, refused=refused, asked=asked, cached=cached)
    found, more, hits = _judgements(kind, items, settings, cache, advance)
    refused = None if agreement else f"verdict withheld: {UNMEASURED}"
    if refused:
        found = [replace(j, verdict=None, reason=refused if j.verdict else j.reason) for j in found]
    return Judged(judgements=tuple(found), agreement=agreement, refused=refused, asked=asked + more, cached=cached + hits)


def ask_all(
    asked: Sequence[Question], settings: JudgeSettings, cache: ReplyCache, advance: Callable[[int, str], None]
) -> tuple[list[Reply | Failure], int]:
    """A reply or failure for each question, in order, and how many had to be asked; equal questions are asked once.

    Every reply is kept the moment it is read, so that an interruption loses only what is in flight.
    """
    keys = [reply_key(question, settings) for question in asked]
    found: dict[str, Reply | Failure] = {}
    todo: dict[str, Question] = {}
    for key, question in zip(keys, asked, strict=True):
        if key in found or key in todo:
            continue
        hit = cache.get(key)
        if hit is None:
            todo[key] = question
        else:
            found[key] = hit
    advance(len(keys) - len(todo), "kept replies")
    if todo:
        with Endpoint(settings) as endpoint, ThreadPoolExecutor(settings.concurrency) as pool:

            def work(key: str, prompt: str) -> Reply | Failure:
                answer = endpoint.ask(prompt)
                return cache.put(key, answer) if isinstance(answer, Reply) else answer

            futures = {pool.submit(work, key, question.prompt): key for key, question in todo.items()}
            try:
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    advance(1, settings.model)
            except BaseException:
                endpoint.stop()
                pool.shutdown(cancel_futures=True)
                raise
    return [found[key] for key in keys], len(todo)


def _judgements(
    kind: Kind, items: Sequence[Item], settings: JudgeSettings, cache: ReplyCache, advance: Callable[[int, str], None]
) -> tuple[list[Judgement], int, int]:
    by_item = [questions(kind, item, settings.seed) for item in items]
    flat = [question for group in by_item for question in group]
    answers, asked = ask_all(flat, settings, cache, advance)
    heard = iter([_heard(question, answer) for question, answer in zip(flat, answers, strict=True)])
    found = [_combine(item, tuple(next(heard) for _ in group)) for item, group in zip(items, by_item, strict=True)]
    return found, asked, len(flat) - asked


def _heard(question: Question, answer: Reply | Failure) -> Heard:
    if isinstance(answer, Failure):
        return Heard(order=question.order, verdict=None, reply=None, error=f"{answer.kind}: {answer.message}")
    return Heard(order=question.order, verdict=verdict_of(question, answer), reply=answer.text, error=None)


def _combine(item: Item, orders: tuple[Heard, ...]) -> Judgement:
    """Orders that agree give the verdict, orders that disagree a tie, a missing order none at all."""
    verdict, reason = orders[0].verdict, None
    if errors := [heard.error for heard in orders if heard.error is not None]:
        verdict, reason = None, f"error: {errors[0]}"
    elif any(heard.verdict is None for heard in orders):
        verdict, reason = None, "unparsed: no verdict line that could be read"
    elif len({heard.verdict for heard in orders}) > 1:
        verdict, reason = "tie", "the two orders disagree"
    return Judgement(item_id=item.item_id, cluster_id=item.cluster_id, group=_group(item), verdict=verdict, orders=orders, reason=reason)


def _group(item: Item) -> str:
    return item.fields.get("frame", "")


def summary(kind: Kind, judged: Judged, settings: JudgeSettings) -> dict[str, Any]:
    """Counts and rates of all rows and of each frame. Fractions; unknown is None; no clock, path or endpoint."""
    groups = sorted({j.group for j in judged.judgements} - {""})
    return {
        "kind": kind,
        "model": settings.model,
        "usable": judged.refused is None,
        "reason": judged.refused,
        "all": _rates(kind, judged.judgements, settings),
        "frames": {name: _rates(kind, [j for j in judged.judgements if j.group == name], settings) for name in groups},
    }


def _rates(kind: Kind, judgements: Sequence[Judgement], settings: JudgeSettings) -> dict[str, Any]:
    """Shares are among rows with a verdict, and None where coverage is too low; the bounds hold whatever the missing ones are."""
    counts = Counter(j.verdict for j in judgements)
    total, missing = len(judgements), counts.pop(None, 0)
    known = total - missing
    identified = known > 0 and known / total >= settings.min_coverage
    return {
        "rows": total,
        "coverage": known / total if total else None,
        "errors": sum(j.num_errors for j in judgements),
        "unparsed": sum(j.num_unparsed for j in judgements),
        "order_flip_rate": flip_rate(judgements),
        "verdicts": {
            label: {
                "count": counts[label],
                "share": counts[label] / known if identified else None,
                "bounds": manski(counts[label], known, missing) if total else None,
            }
            for label in LABELS[kind]
        },
    }
