"""A process that makes cells: the base loaded once, then one job after another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.config import Study
from holdfast.execution.jobs import Done, Job
from holdfast.execution.keys import ModelKey, adapter_keys
from holdfast.locks import HOST
from holdfast.processes import peak_memory, quieten
from holdfast.store import Store


class Worker:
    """Settings of this process, and the cells of one study made in it. `threads`: of torch, for one matrix multiply; `say`: remarks."""

    def __init__(self, study: Study, cells_folder: Path, threads: int, say: Callable[[str], None]):
        quieten(threads)
        from holdfast.backends.endpoint import open_cells

        self.cells = open_cells(study, Store(cells_folder, say))

    def do(self, job: Job, tell: Callable[[int, str], None]) -> tuple[Done, list[str]]:
        """Make a job's cells, and name them; `tell` is called with (work done since the last call, model name), four times a second at most."""
        cells = self.cells
        before, flops = dict(cells.seconds), cells.flops
        keys = [ModelKey(None)] if job.domain is None else adapter_keys(cells.study, job.domain, job.seed)
        name, waiting = keys[0].name, [0, time.monotonic()]

        def tick(count: int) -> None:
            waiting[0] += count
            if time.monotonic() - waiting[1] > 0.25:
                tell(waiting[0], name)
                waiting[:] = [0, time.monotonic()]

        if job.domain is None:
            cells.batch_invariance()  # before the base's trials, so that whoever has those has this
        names = [place.name for key in keys for place in cells.trials(key, tick)]
        tell(waiting[0], name)
        seconds = {stage: took - before.get(stage, 0.0) for stage, took in cells.seconds.items()}
        return Done(seconds, f"{HOST}-{os.getpid()}", peak_memory(), cells.flops - flops), names
