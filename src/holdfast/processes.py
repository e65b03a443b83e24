"""A process of ours: what its libraries say, its threads, its memory, and that it ends with the one that started it."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_held() -> Iterator[None]:
    """No cyclic garbage collection inside the block, for imports of large libraries: torch and transformers make 600,000 objects and drop none, and
    looking through them again and again is about a sixth of those imports' CPU time. Afterwards they are as old as can be: the next collection
    does not begin with them.
    """
    if not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.enable()


def collect_seldom() -> None:
    """Look for cyclic garbage after fifty thousand new objects instead of seven hundred, in a process of ours: a study's prompts, trials and
    records are many, live long and hold no cycles, and looking through them was a twentieth of the time of asking a small model.
    """
    gc.set_threshold(50_000, 50, 100)


def before_torch() -> None:
    """Settings of the environment that torch's libraries read once: called where this package begins. What is set already stays.

    Threads that wait for one another spin for about a tenth of a millisecond, then sleep. libgomp's default is some ten milliseconds: where
    another program had the core of one of two threads, products of five microseconds took fifteen milliseconds each.

    Tensors of 2 MiB and more lie on large pages where Linux gives them on request: training the embedded base took 3 to 6 % less time.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def quiet_libraries() -> None:
    """Libraries say nothing that a user of holdfast could act on."""
    import transformers

    warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)  # transformers', of PEFT's own call
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # it says of a device map what was asked for
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # and this, wherever it is installed, which faster kernels it does without


def quieten(threads: int) -> None:
    """Threads, determinism and silence of a process that computes."""
    collect_seldom()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with collector_held():
        import torch
        from tqdm import tqdm

        quiet_libraries()
        torch.use_deterministic_algorithms(True, warn_only=True)  # imports its compiler, to tell it too
    tqdm.set_lock(threading.RLock())  # its own kind of lock outlives a killed process
    torch.set_num_threads(threads)


def leave_with(parent: int) -> None:
    """A killed parent must not leave this process behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
