"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_QUIET = False


def quiet(value: bool) -> None:
    """Turn progress and remarks off (`--quiet`) or on."""
    global _QUIET
    _QUIET = value


def say(text: str, always: bool = False) -> None:
    """A remark on standard error; `always`: something that went wrong, printed even with --quiet."""
    if always or not _QUIET:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def work(total: int, label: str) -> Iterator[Callable[[int, str], None]]:
    """Call the value with (items done, current label); shows items per second and the time left."""
    if total == 0 or _QUIET:
        yield lambda count, name: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, TextColumn

        with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[rate]}"), console=Console(stderr=True)) as bar:
            task, start = bar.add_task(label, total=total, rate=""), time.monotonic()

            def advance(count: int, name: str) -> None:
                bar.advance(task, count)
                rate = bar.tasks[0].completed / max(1e-9, time.monotonic() - start)
                bar.update(task, description=f"{label}: {name}", rate=f"{rate:,.0f} items/s")

            yield advance
    else:
        start, done, shown = time.monotonic(), 0, 0.0

        def line(count: int, name: str) -> None:
            nonlocal done, shown
            done += count
            now = time.monotonic()
            if now - shown > 5:
                shown, rate = now, done / max(1e-9, now - start)
                left = (total - done) / rate if rate else float("nan")
                say(f"{label}: {min(1, done / total):4.0%}  {rate:,.0f} items/s  {left:,.0f} s left  ({name})")

        yield line
