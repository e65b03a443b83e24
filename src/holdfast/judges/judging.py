"""Items in, judgements out: agreement is measured first, and decides whether any verdict is given. From a file of rows to one of verdicts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from holdfast.config.address import api_key, check_key
from holdfast.endpoints import protocol
from holdfast.endpoints.asking import Asker, Request
from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import Failure, Transport
from holdfast.errors import ConfigError, ModelError
from holdfast.judges.agreement import Agreement, Answer, Judgement, flip_rate, measure
from holdfast.judges.prompts import Question, questions, verdict_of
from holdfast.judges.rows import judged_items, labelled_items
from holdfast.judges.settings import LABELS, JudgeSettings, Kind, parse_kind
from holdfast.progress import say, work
from holdfast.records import Item, Message
from holdfast.stats.decide import manski
from holdfast.store import canonical, write_atomic

UNMEASURED = "agreement is not measured; give labelled rows"
Advance = Callable[[int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeResult:
    """`judgements` in the order of the items. `refused`: why no verdict is given, or None. `asked` counts new replies and failures."""

    judgements: tuple[Judgement, ...]
    agreement: Agreement | None
    refused: str | None
    asked: int
    cached: int


def open_replies(folder: Path) -> ReplyLog:
    """Open the log of every reply a judge ever gave. Raises ConfigError if `folder` cannot be written."""
    return ReplyLog(folder, f"--cache: {folder}")


def open_transport(settings: JudgeSettings) -> Transport:
    """Open the judge's transport; requests raise ModelError if the server refuses the key or the model."""

    def refused(status: int, message: str) -> None:
        if status in (401, 404):
            fix = "name the key's variable with api_key_env" if status == 401 else "correct base_url or model; GET /v1/models lists them"
            raise ModelError(f"judge {ascii(settings.model)}: the server refuses it: {message}; {fix}")

    return Transport(settings.base_url, settings, refused=refused)


def request_of(question: Question, settings: JudgeSettings) -> Request:
    """A reply depends on model, prompt, order and sampling: no endpoint, key or time is part of the name under which it is kept."""
    body = protocol.chat(settings.model, [Message("user", question.prompt)], settings.max_tokens, seed=settings.seed)
    return Request(protocol.CHAT, body, ["judge", question.order], protocol.read_written)


def judge(
    kind: Kind,
    items: Sequence[Item],
    settings: JudgeSettings,
    log: ReplyLog,
    *,
    labelled: Sequence[Item] = (),
    labels: Mapping[str, str] | None = None,
    measured: Callable[[Agreement], None] = lambda _: None,
    advance: Advance = lambda count, name: None,
) -> JudgeResult:
    """Judge the labelled items, then, if the judge agrees with their labels, all items.

    `measured` is called with the agreement before any other item is asked. A refused judge is asked nothing more; without labels
    everything is asked and kept, and every verdict withheld. Raises ModelError if the server refuses the key or the model.
    """
    agreement, asked, total = None, 0, 0

    def judgements_of(some: Sequence[Item]) -> list[Judgement]:
        nonlocal asked, total
        by_item = [questions(kind, item, settings.seed) for item in some]
        flat = [question for group in by_item for question in group]
        with open_transport(settings) as transport:
            asker = Asker(transport, log, "judge", persistent=True)
            requests = [request_of(question, settings) for question in flat]
            replies = asker.ask_all(requests, lambda _: advance(1, settings.model))
            for said in transport.other_names.values():
                say(f"the judge's replies report the model {said!r}, but {settings.model!r} was requested")
        asked, total = asked + asker.counts["asked"] + asker.counts["failed"], total + len(flat)
        answers = iter([_answer(question, reply) for question, reply in zip(flat, replies, strict=True)])
        return [_combine(item, tuple(next(answers) for _ in group)) for item, group in zip(some, by_item, strict=True)]

    if labelled:
        agreement = measure(judgements_of(labelled), labels or {}, settings)
        measured(agreement)
    if agreement is not None and not agreement.usable:
        refused = f"verdict refused: {agreement.reason}"
        found = [replace(_combine(i, ()), reason=refused) for i in items]
    else:
        refused = None if agreement else f"verdict withheld: {UNMEASURED}"
        found = judgements_of(items)
        if refused:
            found = [replace(j, verdict=None, reason=refused if j.verdict else j.reason) for j in found]
    return JudgeResult(judgements=tuple(found), agreement=agreement, refused=refused, asked=asked, cached=total - asked)


def _answer(question: Question, reply: protocol.JsonObject | Failure) -> Answer:
    if isinstance(reply, Failure):
        return Answer(order=question.order, verdict=None, reply=None, error=f"{reply.kind}: {reply.message}")
    return Answer(
        order=question.order, verdict=verdict_of(question, reply["text"], reply["ended"] is False), reply=reply["text"], error=None
    )


def _combine(item: Item, orders: tuple[Answer, ...]) -> Judgement:
    """Orders that agree give the verdict, orders that disagree a tie, a missing order none at all."""
    verdict, reason = orders[0].verdict if orders else None, None
    if errors := [answer.error for answer in orders if answer.error is not None]:
        verdict, reason = None, f"error: {errors[0]}"
    elif any(answer.verdict is None for answer in orders):
        verdict, reason = None, "unparsed: no verdict line that could be read"
    elif len({answer.verdict for answer in orders}) > 1:
        verdict, reason = "tie", "the two orders disagree"
    return Judgement(
        item_id=item.item_id, cluster_id=item.cluster_id, group=item.fields.get("frame", ""), verdict=verdict, orders=orders, reason=reason
    )


def summary(kind: Kind, judged: JudgeResult, settings: JudgeSettings) -> protocol.JsonObject:
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


def _rates(kind: Kind, judgements: Sequence[Judgement], settings: JudgeSettings) -> protocol.JsonObject:
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


def judge_file(
    file: Path,
    kind: str,
    settings: JudgeSettings,
    *,
    labels: Path | None,
    out: Path | None,
    cache: Path,
    measured: Callable[[Agreement], None],
) -> tuple[JudgeResult, list[protocol.JsonObject]]:
    """The judgements of a file's rows, and what is written to `out`: one JSON row per verdict.

    `measured` is called with the agreement before any unlabelled row is asked. Raises ConfigError for an unknown kind or an output
    that cannot be written, DataError for a row or label that cannot be read, ModelError if the server refuses the key or the model.
    """
    chosen = parse_kind(kind)
    if api_key(settings.api_key_env):
        check_key(settings.base_url, settings.api_key_env, "--api-key-env", confirmed=True)
        say(f"sending {file.name} and the key in ${settings.api_key_env} to {settings.base_url}", always=True)
    items = judged_items(chosen, file)
    labelled, truth = labelled_items(chosen, labels, items) if labels else ([], {})
    if out is not None:
        _check_output(out, [file, *([labels] if labels else [])])
    total = (len(items) + len(labelled)) * (2 if chosen == "feedback" else 1)
    with work(total, "judging") as advance:
        judged = judge(chosen, items, settings, open_replies(cache), labelled=labelled, labels=truth, measured=measured, advance=advance)
    rows = [
        {"id": i.fields["id"], "verdict": j.verdict, "orders": [asdict(o) for o in j.orders], "errors": j.num_errors, "reason": j.reason}
        for i, j in zip(items, judged.judgements, strict=True)
    ]
    if out is not None:
        write_atomic(out, "".join(canonical(row) + "\n" for row in rows).encode())
    return judged, rows


def _check_output(out: Path, inputs: list[Path]) -> None:
    if any(out.exists() and p.exists() and out.samefile(p) for p in inputs):
        raise ConfigError(f"-o/--out: {out} is one of the files read; name another file")
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise ConfigError(f"-o/--out: {out} cannot be written as a file; name one in an existing folder with write permission")
