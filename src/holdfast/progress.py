"""Progress for people: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_QUIET = False


def quiet(value: bool) -> None:
    """Whether progress and remarks are left out (`--quiet`)."""
    global _QUIET
    _QUIET = value


def say(text: str, always: bool = False) -> None:
    """A remark on standard error; `always`: something that went wrong, told even to the quiet."""
    if always or not _QUIET:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def work(total: int, label: str) -> Iterator[Callable[[int, str], None]]:
    """Call the value with (items done, what is worked on); shows items per second and the time left."""
    if total == 0 or _QUIET:
        yield lambda count, name: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as bar:
            task, start = bar.add_task(label, total=total, rate=""), time.monotonic()

            def advance(count: int, name: str) -> None:
                bar.advance(task, count)
                rate = bar.tasks[0].completed / max(1e-9, time.monotonic() - start)
                bar.update(task, description=f"{label}: {name}", rate=f"{rate:,.0f} items/s")

            yield advance
    else:
        start, state = time.monotonic(), {"done": 0, "shown": 0.0}

        def line(count: int, name: str) -> None:
            state["done"] += count
            now = time.monotonic()
            if now - state["shown"] > 5:
                state["shown"] = now
                rate = state["done"] / max(1e-9, now - start)
                left = (total - state["done"]) / rate if rate else float("nan")
                say(f"{label}: {min(1, state['done'] / total):4.0%}  {rate:,.0f} items/s  {left:,.0f} s left  ({name})")

        yield line
