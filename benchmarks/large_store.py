"""A store of 1,000 cells and two million trials, and what it costs to conclude from it: seconds, CPU seconds, peak memory.

    python -m benchmarks.large_store [--store DIR] [--seeds 9] [--dosed 5] [--limit 460] [--out FILE.json]

The store is that of the embedded study with more seeds and items, written by the code that writes every cell, with answers drawn
instead of a model's: nothing is trained and no model is asked. Its bytes hang on the arguments alone. Each command then runs in a
process of its own, first without a result to reuse; the peak is that process's own (ru_maxrss).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from holdfast.backends.adapters import Adapters
from holdfast.backends.keys import ModelKey, study_keys
from holdfast.backends.local import LocalBackend, first_prompts
from holdfast.config import Study, load_study, resolved
from holdfast.engine.fit import Fit
from holdfast.engine.local import Counters
from holdfast.records import Prompt, Response
from holdfast.store import Store, canonical

PRESSED = {"suggest_wrong", "third_party", "doubt", "sure", "doubt_own", "like", "wrote", "revise_disagree"}


class Drawn:
    """The engine's interface, with drawn answers: right more often than not, and pulled to the suggestion by some conditions."""

    def __init__(self, key: ModelKey, told: dict[str, str]):
        self.told, self.counters, self.fit, self.watched = told, Counters(), Fit(None), None
        named = ModelKey(None) if key.domain == "identity" else key  # which answers as the base does
        of = np.random.default_rng(zlib.crc32(f"{named.domain}".encode()))
        self.gain, self.pull = (named.dose * of.normal(0, 0.5, 2)) if named.domain else (0.0, 0.0)
        self.rng = np.random.default_rng(zlib.crc32(named.name.encode()))

    def answer(self, prompts: Sequence[Prompt], key: Any = None, progress: Any = None, watch: Sequence[int] = ()) -> list[Response]:
        """Choices get a random share of nearly all probability; a written reply ends in the right number or in the next one."""
        size = np.array([len(p.choices) for p in prompts])
        start = np.cumsum(size) - size
        ease = np.array([zlib.crc32(p.messages[0].content.encode()) for p in prompts]) / 2**32
        logit = self.rng.normal(0, 0.7, int(size.sum()))
        for p, s, e in zip(prompts, start.tolist(), ease.tolist(), strict=True):
            if p.choices and p.gold is not None:
                logit[s + p.gold] += 3 * e + self.gain - 0.5
            if p.choices and p.suggested is not None and p.condition in PRESSED:
                logit[s + p.suggested] += 1 + self.pull
            self.counters.asked += len(p.messages[0].content) // 4
        weight = np.exp(logit)
        total = np.repeat(np.add.reduceat(np.r_[weight, 0.0], start), size) if len(logit) else weight
        share = np.log(weight / total) + np.log(0.999 - np.repeat(0.03 * self.rng.random(len(prompts)), size))
        right = self.rng.random(len(prompts)) < 0.3 + 0.5 * ease + 0.1 * self.gain
        self.counters.computed = self.counters.asked // 4
        out = []
        for p, s, n, fine in zip(prompts, start.tolist(), size.tolist(), right.tolist(), strict=True):
            length = len(p.messages[0].content) // 4
            if p.choices:
                out.append(Response(logliks=tuple(share[s : s + n].tolist()), num_tokens=(1,) * n, num_prompt_tokens=length))
                continue
            known = self.told[p.messages[0].content]
            text = f"2 + 7 = 9 . #### {known if fine else int(known) + 1}"
            out.append(Response(text=text, num_prompt_tokens=length, num_new_tokens=8, ended=True))
        return out


class DrawnAdapters(Adapters):
    """Adapters with their true identities and files, their contents drawn."""

    def train(self, domain: str, seed: int, draft: Path, name: str, tick: Any) -> None:
        rng, steps = np.random.default_rng([zlib.crc32(domain.encode()), seed]), self.max_steps(domain)
        (draft / "adapter").mkdir()
        (draft / "adapter" / "adapter_config.json").write_text(canonical({"peft_type": "LORA", "r": self.study.train.r}) + "\n")
        save_file({"lora_B": rng.normal(size=(45_000,)).astype(np.float32)}, draft / "adapter" / "adapter_model.safetensors")
        loss = (2 * np.exp(-np.arange(steps) / 60) + rng.gamma(2, 0.1, steps)).tolist()
        counts = {"num_steps": steps, "num_examples": len(self.materials.examples(domain)), "num_dropped": 0, "num_truncated": 0,
                  "num_tokens": 30 * steps, "num_loss_tokens": 8 * steps, "trainable_parameters": 45_000, "flops": 10**9}  # fmt: skip
        identity = {"num_steps": 0, "identity": True}
        record = identity if self.study.domain(domain).identity else {**counts, "loss": loss, "learning_rate": [0.005] * steps}
        (draft / "training.json").write_text(canonical(record) + "\n", encoding="utf-8")


class DrawnBackend(LocalBackend):
    """Cells of a study, their identities and files the true ones, their contents drawn."""

    def __init__(self, study: Study, store: Store):
        super().__init__(study, store)
        self.adapters = DrawnAdapters(study, store, self.materials, self.base, self.kernels, self.meter)

    def drift(self, asked: Any, engine: Any, adapted: Any) -> list[float]:
        return engine.rng.gamma(2, 0.05, len(first_prompts(asked))).tolist()

    def make_trials(self, key: ModelKey, tick: Any = lambda _: None) -> list[Path]:
        if key.domain is not None:
            self.adapters.make(key.domain, key.seed)
        for kind in self.cells.missing(key):
            items = self.materials.asked(kind).items
            told = {i.fields["question"]: i.fields["answer"] for i in items if "answer" in i.fields}
            self.ask(Drawn(key, told), key, kind, tick)
        return self.cells.of(key) or []


def study(seeds: int, dosed: int, limit: int) -> Study:
    """The embedded study with so many seeds, so many of them dosed, and so many items an instrument."""
    found = load_study("embedded", [f"seeds={seeds}", f"dose.seeds={dosed}"])
    return found.model_copy(update={"instruments": tuple(i.model_copy(update={"limit": limit}) for i in found.instruments)})


def write(wanted: Study, folder: Path) -> dict[str, Any]:
    """Every cell of a study under `folder`/cells that is not there yet, and its study.yaml; what it came to."""
    begun = time.monotonic()
    backend = DrawnBackend(wanted, Store(folder / "cells"))
    keys = study_keys(wanted)
    for n, key in enumerate(keys):
        backend.make_trials(key)
        if n % 20 == 0:
            print(f"store: model {n + 1} of {len(keys)}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    (folder / "study.yaml").write_text(resolved(wanted), encoding="utf-8")
    kept = [p for p in (folder / "cells").iterdir() if not p.name.startswith("results-")]
    return {"seconds": round(time.monotonic() - begun, 1), "models": len(keys), "cells": len(kept), "MB": round(size_of(*kept))}


def size_of(*places: Path) -> float:
    """Bytes of all files under some folders, in 10^6."""
    return sum(f.stat().st_size for p in places for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file()) / 1e6


# A process of few bytes in between: a child's peak counts what its parent held when it was started.
LAUNCH = """import json, os, subprocess, sys, time
watched, *command = sys.argv[1:]
begun, seen = time.monotonic(), None
child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
    if watched and seen is None and os.path.isfile(watched):
        used = open(f"/proc/{child.pid}/stat").read().rpartition(")")[2].split()[11:13] if os.path.isdir("/proc/self") else []
        seen = [time.monotonic() - begun, sum(map(int, used)) / os.sysconf("SC_CLK_TCK") if used else None]
    time.sleep(0.05)
_, status, used = os.wait4(child.pid, 0)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - begun, used.ru_utime + used.ru_stime, peak, seen]))"""


def measured(arguments: list[str], watched: Path | None = None) -> dict[str, Any]:
    """One command in a process of its own: wall and CPU seconds, peak resident MB; the seconds until `watched` was there."""
    command = [sys.executable, "-S", "-c", LAUNCH, str(watched or ""), sys.executable, "-m", "holdfast", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    code, wall, cpu, peak, seen = json.loads(done.stdout)
    if code:
        raise SystemExit(f"holdfast {' '.join(arguments)}: ended with {code}")
    found = {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_MB": round(peak / 1e6)}
    if watched is not None and seen is not None:
        found |= {f"{watched.name} wall_s": round(seen[0], 1), f"{watched.name} cpu_s": seen[1] and round(seen[1], 1)}
    return found


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--store", type=Path, help="Folder to write it in and keep; default: a temporary one.")
    parse.add_argument("--seeds", type=int, default=9)
    parse.add_argument("--dosed", type=int, default=5)
    parse.add_argument("--limit", type=int, default=460)
    parse.add_argument("--out", type=Path)
    asked = parse.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.store or Path(scratch)
        found: dict[str, Any] = {"store": write(study(asked.seeds, asked.dosed, asked.limit), folder)}
        print(json.dumps(found["store"]), flush=True)
        for stale in [*(folder / "cells").glob("results-*"), folder / "transcripts"]:
            shutil.rmtree(stale, ignore_errors=True)
        for stale in ("findings.json", "audit.json", "trials.parquet", "transcripts.jsonl.gz", "manifest.json", "report.html"):
            (folder / stale).unlink(missing_ok=True)
        made, again = [str(folder / "study.yaml"), "-o", str(folder)], str(folder)
        for name, arguments, watched in (
            ("collect", ["collect", *made], folder / "findings.json"),
            ("collect again", ["collect", *made], None),
            ("analyze", ["analyze", again, "--json"], None),
            ("audit", ["audit", again], None),
            ("report", ["report", again], None),
        ):
            found[name] = measured(arguments, watched)
            print(f"{name:14s} {json.dumps(found[name])}", flush=True)
        import pyarrow.parquet as pq

        found["trials"] = pq.read_metadata(folder / "trials.parquet").num_rows
        found["files_MB"] = {
            n: round(size_of(folder / n), 1)
            for n in ("trials.parquet", "transcripts.jsonl.gz", "findings.json", "report.html", "transcripts")
        }
        print(json.dumps({"trials": found["trials"], "files_MB": found["files_MB"]}))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
