"""Models, tokenizer, timers and the machine's own figures, shared by every comparison. CPU time of this process, one thread."""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

BODY = {"2M": (192, 512, 4, 6, 2048), "100M": (768, 2048, 12, 12, 32000), "tiny": (32, 64, 2, 2, 512)}
SIZES = ("2M", "100M")


@dataclass(frozen=True)
class Timed:
    """Medians over rounds, seconds; what the last round returned."""

    cpu: float
    wall: float
    result: Any


def interleave(runs: dict[str, Callable[[], Any]], rounds: int, say: Callable[[str], None] = lambda _: None) -> dict[str, Timed]:
    """Every run once a round, round after round, so that a busy neighbour meets all of them."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    results: dict[str, Any] = {}
    for r in range(rounds):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            results[name] = run()
            took[name].append((time.process_time() - cpu, time.perf_counter() - wall))
            say(f"  round {r + 1}/{rounds} {name}: {took[name][-1][0]:.2f} s")
    return {name: Timed(statistics.median(c for c, _ in t), statistics.median(w for _, w in t), results[name]) for name, t in took.items()}


@cache
def tokenizer(size: str) -> Any:
    """Byte-level BPE of the size's vocabulary, trained on the very rows that are asked."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from benchmarks.peers.rows import corpus

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BODY[size][4], special_tokens=["<s>", "</s>", "<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    raw.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", padding_side="right")


def llama(size: str, seed: int = 0) -> Any:
    """A Llama of random weights; its output embedding is its own (untied)."""
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, inner, layers, heads, vocabulary = BODY[size]
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, max_position_embeddings=2048, tie_word_embeddings=False, initializer_range=0.05,
        bos_token_id=0, eos_token_id=1, pad_token_id=2, attn_implementation="sdpa",
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def lora(model: Any, r: int = 16, drawn: bool = True, name: str = "default", seed: int = 1) -> Any:
    """The seven projections' adapter; B drawn too, so that it changes something."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=r, lora_alpha=2 * r, target_modules=targets), adapter_name=name)
    if drawn:
        for key, p in adapted.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(p, std=0.02)
    return adapted.eval()


def machine() -> dict[str, Any]:
    """Processor, libraries and matrix-multiply rates of one thread."""
    from holdfast.engine import kernels

    peaks = {f"fp32_{name}_gflops": round(kernels.peak_gflops(torch.float32, name), 1) for name in ("torch", "onednn")}
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "peft", "lm_eval", "trl", "holdfast")},
        **peaks,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {
        key: next((x.split(":", 1)[1].strip() for x in lines if x.startswith(key)), "?") for key in ("model name", "cpu family", "model\t")
    }
    return f"{found['model name']} (family {found['cpu family']}, model {found['model	']})"


def scratch() -> Path:
    """A folder that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def quiet() -> None:
    """One thread, no network, no progress bars: before anything heavy is imported."""
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TQDM_DISABLE="1", HF_DATASETS_OFFLINE="1")
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def total(rows: Iterable[Timed]) -> float:
    return sum(row.cpu for row in rows)
