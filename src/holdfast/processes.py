"""Process set-up: garbage collection, threads, logging, memory."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause cyclic garbage collection, for imports of large libraries.

    torch and transformers create 600,000 objects and drop none; scanning them again and again takes about a sixth of the CPU time of
    the imports. Afterwards these objects belong to the oldest generation, so that the next collection does not start with them.
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


def raise_gc_threshold() -> None:
    """Collect garbage after fifty thousand new objects instead of seven hundred.

    A study's prompts, trials and records are many, live long and hold no cycles; scanning them took a twentieth of the time of
    evaluating a small model.
    """
    gc.set_threshold(50_000, 50, 100)


def set_torch_env() -> None:
    """Set environment variables that torch's libraries read once, unless the user has set them. Call before torch is imported.

    Threads that wait for one another spin for about a tenth of a millisecond, then sleep. libgomp's default is some ten milliseconds:
    where another program held the core of one of two threads, products of five microseconds took fifteen milliseconds each.

    Tensors of 2 MiB and more use huge pages where Linux gives them on request: training the embedded base took 3 to 6 % less time.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def silence_libraries() -> None:
    """Silence library messages that a user of holdfast could not act on."""
    import transformers

    warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)  # raised by PEFT's own call
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in ("accelerate", "bitsandbytes"):  # a note on the device map that was requested; a note on faster kernels elsewhere
        logging.getLogger(name).setLevel(logging.ERROR)


def configure_worker(threads: int) -> None:
    """Set threads, determinism and silence of a process that computes."""
    raise_gc_threshold()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with gc_paused():
        import torch
        from tqdm import tqdm

        silence_libraries()
        torch.use_deterministic_algorithms(True, warn_only=True)  # imports torch's compiler to configure it too
    tqdm.set_lock(threading.RLock())  # its default lock outlives a killed process
    torch.set_num_threads(threads)


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
