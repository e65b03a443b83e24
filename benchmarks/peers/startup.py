"""Seconds from a fresh process to its first score: holdfast and lm-eval's HF backend on one checkpoint on disk."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.peers import common

OURS = """
from holdfast.config import ModelConfig
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.models.checkpoint import load_base
base = load_base(ModelConfig(name={folder!r}, chat_template={template!r}))
(context, continuations), = base.chat.encode_choices(["a b c"], [[" d"]])
print(LocalEngine(base.model, base.chat).score([ScoreRequest(tuple(context), tuple(map(tuple, continuations)))]))
"""
THEIRS = """
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
model = HFLM(pretrained={folder!r}, batch_size=1, device="cpu")
print(model.loglikelihood([Instance(request_type="loglikelihood", doc={{}}, arguments=("a b c", " d"), idx=0)], disable_tqdm=True))
"""


def run(size: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    folder = common.scratch()
    common.llama(size).save_pretrained(folder)
    common.tokenizer(size).save_pretrained(folder)
    template = folder / "template.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}", encoding="utf-8")
    programs = {"lm-eval": THEIRS, "holdfast": OURS}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for r in range(rounds + 1):
        for name, program in programs.items():
            start = time.perf_counter()
            text = program.format(folder=str(folder), template=str(template))
            done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr[-500:]}")
            if r:  # the first reads the disk
                took[name].append(time.perf_counter() - start)
        say(f"startup {size}: round {r}")
    median = {name: statistics.median(t) for name, t in took.items()}
    return {name: {"wall_s": round(t, 2), "times": round(median["lm-eval"] / t, 2)} for name, t in median.items()}
