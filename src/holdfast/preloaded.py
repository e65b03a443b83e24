"""The libraries of a worker that computes on a CPU, imported by the process that such workers are forked from (`workers.worker_context`).

That process sends signals to nobody and takes none: what interrupts a whole process group is for the process that started the workers.
"""

import os
import signal

from holdfast.processes import gc_paused, set_torch_env

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HANDLERS = [signal.signal(number, signal.SIG_IGN) for number in _SIGNALS]
os.register_at_fork(after_in_child=lambda: [signal.signal(n, h) for n, h in zip(_SIGNALS, _HANDLERS, strict=True)])

set_torch_env()
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
with gc_paused():
    import peft  # noqa: F401
    import torch

    import holdfast.execution.local_executor
    import holdfast.training.lora  # noqa: F401

    torch.use_deterministic_algorithms(True, warn_only=True)  # imports torch's compiler
