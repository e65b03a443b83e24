"""Many requests at once: what is kept is not asked again, equal ones are asked once, a failed one is counted and never guessed at."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import NOT_ASKED, Failure, Transport
from holdfast.errors import ResourceError
from holdfast.store import digest

Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """`what` names how the reply is read, with whatever decides that: part of the name under which it is kept."""

    route: str
    body: dict[str, Any]
    what: list[Any]
    read: Callable[[Any], Kept]


class Asker:
    """`source`: what stands for the server in the name of a reply: its address, or the weights it is said to serve."""

    def __init__(self, transport: Transport, log: ReplyLog, source: str):
        self.transport, self.log, self.source = transport, log, source
        self.counts: Counter[str] = Counter()  # asked, kept, failed

    def key(self, request: Request, repeat: str = "") -> str:
        """No key, no time limit, no attempt is part of it."""
        return digest({"source": self.source, "route": request.route, "body": request.body, "read": request.what, "repeat": repeat})

    def ask_all(self, requests: Sequence[Request], done: Callable[[int], None] = lambda _: None, repeat: str = "") -> list[Kept | Failure]:
        """A reply or failure to each, in order; `done(i)` is told of each in the order they come in. `repeat`: asked anew under this name.

        Raises ResourceError when the server has stopped answering: what was read is kept.
        """
        places: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            places.setdefault(self.key(request, repeat), []).append(i)
        found: dict[str, Kept | Failure] = {}
        todo = []
        for key, mine in places.items():
            kept = self.log.get(key)
            if kept is None:
                todo.append(key)
                continue
            found[key] = kept
            self.counts["kept"] += 1
            for i in mine:
                done(i)
        for key, reply in self._asked([(key, requests[places[key][0]]) for key in todo]):
            found[key] = reply
            self.counts["failed" if isinstance(reply, Failure) else "asked"] += 1
            for i in places[key]:
                done(i)
        out: list[Any] = [None] * len(requests)
        for key, mine in places.items():
            for i in mine:
                out[i] = found[key]
        return out

    def _asked(self, todo: list[tuple[str, Request]]) -> Any:
        """(key, reply or failure) as they come in; a few times as many wait as are in flight."""
        if not todo:
            return

        def work(key: str, request: Request) -> tuple[str, Kept | Failure]:
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
                        if reply is NOT_ASKED or self.transport.gave_up:
                            raise ResourceError(self._gave_up(reply))
                        yield key, reply
                    running |= {pool.submit(work, *job) for job in itertools.islice(left, len(ended))}
            except BaseException:
                self.transport.stop()
                pool.shutdown(cancel_futures=True)
                raise

    def _gave_up(self, last: Kept | Failure) -> str:
        said = f"; the last: {last.message}" if isinstance(last, Failure) and last is not NOT_ASKED else ""
        return (
            f"model.name: the server at {self.transport.base_url} gave no answer to {self.transport.server.max_failures} requests in a row"
            f"{said}; see to it and run again, every reply is kept (execution.endpoint.attempts, timeout_seconds, max_failures)"
        )
