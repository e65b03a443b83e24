"""Many requests at once: kept replies are not asked for again, equal requests are sent once, a failed one is counted and never guessed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import NOT_ASKED, Failure, JsonObject, Transport
from holdfast.errors import ModelError, ResourceError
from holdfast.store import digest

READING = 2  # raised when a reply is read in another way: kept ones are asked for again


@dataclass(frozen=True, slots=True)
class Request:
    """`what` names how the reply is read, with whatever decides that: part of the name under which it is kept."""

    route: str
    body: JsonObject
    what: list[Any]
    read: Callable[[Any], JsonObject]


class Asker:
    """`source`: the server in a reply's name, its address or weights. `persistent`: once it stops answering, what is left fails one by one."""

    def __init__(self, transport: Transport, log: ReplyLog, source: str, persistent: bool = False):
        self.transport, self.log, self.source, self.persistent = transport, log, source, persistent
        self.counts: Counter[str] = Counter()  # asked, kept, failed

    def key(self, request: Request, repeat: str = "") -> str:
        """The name of a reply: no key, time limit or number of attempts is part of it."""
        return digest(
            {"source": self.source, "route": request.route, "body": request.body, "read": [READING, request.what], "repeat": repeat}
        )

    def ask_all(
        self, requests: Sequence[Request], done: Callable[[int], None] = lambda _: None, repeat: str = ""
    ) -> list[JsonObject | Failure]:
        """A reply or failure to each, in order; `done(i)` is called as they arrive. `repeat`: asked for anew under this name.

        Raises ResourceError when the server has stopped answering, unless `persistent`, and ModelError where every attempt at a request was
        answered with what cannot be true; what was read is kept.
        """
        keys = [self.key(request, repeat) for request in requests]
        places: dict[str, list[int]] = {}
        for i, key in enumerate(keys):
            places.setdefault(key, []).append(i)
        replies: dict[str, JsonObject | Failure] = {}

        def settle(key: str, reply: JsonObject | Failure, outcome: str) -> None:
            replies[key] = reply
            self.counts[outcome] += 1
            for i in places[key]:
                done(i)

        for key in places:
            if (kept := self.log.get(key)) is not None:
                settle(key, kept, "kept")
        for key, reply in self._ask([(key, requests[mine[0]]) for key, mine in places.items() if key not in replies]):
            settle(key, reply, "failed" if isinstance(reply, Failure) else "asked")
        return [replies[key] for key in keys]

    def _ask(self, todo: list[tuple[str, Request]]) -> Iterator[tuple[str, JsonObject | Failure]]:
        """(key, reply or failure) as they arrive; four times as many requests are queued as are in flight."""
        if not todo:
            return

        def work(key: str, request: Request) -> tuple[str, JsonObject | Failure]:
            reply = self.transport.post(request.route, request.body, request.read)
            return key, reply if isinstance(reply, Failure) else self.log.put(key, reply)

        left = iter(todo)
        width = self.transport.server.concurrency
        with ThreadPoolExecutor(width) as pool:
            running: set[Future[Any]] = {pool.submit(work, *job) for job in itertools.islice(left, 4 * width)}
            try:
                while running:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in ended:
                        key, reply = future.result()
                        if isinstance(reply, Failure) and reply.kind == "untrue":
                            raise ModelError(untrue(self.transport.base_url, reply.message))
                        if not self.persistent and (reply is NOT_ASKED or self.transport.gave_up):
                            reason = f"; the last: {reply.message}" if isinstance(reply, Failure) and reply is not NOT_ASKED else ""
                            raise ResourceError(
                                f"model.name: the server at {self.transport.base_url} gave no answer to "
                                f"{self.transport.server.max_failures} requests in a row{reason}; repair it and run again, "
                                "every reply is kept (execution.endpoint.attempts, timeout_seconds, max_failures)"
                            )
                        yield key, reply
                    running |= {pool.submit(work, *job) for job in itertools.islice(left, len(ended))}
            except BaseException:
                self.transport.stop()
                pool.shutdown(cancel_futures=True)
                raise


def untrue(url: str, what: str) -> str:
    return f"model.name: the server at {url} cannot be believed: {what}; repair it, or read written replies only (model.scoring=generated)"
