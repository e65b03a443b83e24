"""Ten thousand requests to a real server that breaks in every way, broken off once and gone on with: is any answer lost, doubled or made up?

    python -m benchmarks.endpoint_faults [--requests 10000] [--share 0.3] [--doomed 0.01]

The server holds the embedded organism and answers what it is asked, but `share` of all requests meet a fault: 408, 429 and 503 with
Retry-After, 500, a connection reset, a body cut off, JSON cut off, JSON nested without end, no choice, log-probabilities that are NaN or
positive, somebody else's reply, two replies to one request, silence, a header that never ends. `doomed` of the requests fail every time.
Every answer is compared with the model's own. Exits with 1 unless all counts that must be 0 are.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from tests.endpoints.server import PASSING, Server, load

from holdfast.backends.endpoint import open_transport, own_chat
from holdfast.config import ModelConfig, Study
from holdfast.endpoints.asking import Asker
from holdfast.endpoints.capabilities import examine
from holdfast.endpoints.engine import EndpointEngine
from holdfast.endpoints.replies import ReplyLog
from holdfast.engine.local import LocalEngine
from holdfast.models.checkpoint import load_base
from holdfast.records import Message, Prompt

KINDS = (*PASSING, "stale", "twice", "hang", "drip")
CHOICES = 4


class BrokenOff(Exception):
    pass


def prompts_of(count: int, words: list[str]) -> list[Prompt]:
    rng = random.Random(0)
    return [
        Prompt(condition="neutral", messages=(Message("user", " ".join(rng.sample(words, 12))),), choices=tuple(f" {w}" for w in rng.sample(words, CHOICES)))
        for _ in range(count)
    ]  # fmt: skip


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--requests", type=int, default=10_000)
    parse.add_argument("--share", type=float, default=0.3)
    parse.add_argument("--doomed", type=float, default=0.01)
    asked = parse.parse_args()
    torch.set_num_threads(1)
    server = Server(load("world:0")).start()
    study = Study.model_validate({
        "model": {"name": f"endpoint:{server.url}", "tokenizer": "world:0"}, "domains": [], "instruments": [],
        "execution": {"endpoint": {"concurrency": 16, "timeout_seconds": 3, "attempts": 20, "backoff_seconds": 0.01, "max_wait_seconds": 0.2,
                                   "max_failures": 1000}},
    })  # fmt: skip
    chat = own_chat(study)
    words = sorted(w for w in chat.tokenizer.get_vocab() if w.isalpha() and w.islower())
    prompts = prompts_of(asked.requests // CHOICES, words)
    base = load_base(ModelConfig(name="world:0"))
    truth = [r.logliks for r in LocalEngine(base.model, base.chat).answer(prompts)]

    with open_transport(study) as wire:
        can = examine(wire, study.model, chat)
        engine = EndpointEngine(Asker(wire, ReplyLog(None), "x"), "base", can, chat)
        bodies = [json.dumps(r.body["prompt"]) for p in prompts for r in engine._requests(p)]
    doomed = {b for b in set(bodies) if random.Random(b).random() < asked.doomed}

    def fault(number: int, route: str, body: dict | None):
        if body is not None and json.dumps(body["prompt"]) in doomed:
            return (500, "never")
        rng = random.Random(number)
        return rng.choice(KINDS) if rng.random() < asked.share else None

    server.fault, begun, before = fault, time.monotonic(), len(server.arrived)
    server.answered.clear()
    told: Counter[int] = Counter()

    def breaking(count: int) -> None:
        told["first"] += count
        if told["first"] > 0.4 * len(prompts):
            raise BrokenOff

    with tempfile.TemporaryDirectory() as folder:
        with open_transport(study) as wire:
            try:
                EndpointEngine(Asker(wire, ReplyLog(Path(folder)), "x"), "base", can, chat).answer(prompts, progress=breaking)
            except BrokenOff:
                pass
        kept_first = len(ReplyLog(Path(folder)))
        with open_transport(study) as wire:
            asker = Asker(wire, ReplyLog(Path(folder)), "x")
            found = EndpointEngine(asker, "base", can, chat).answer(prompts, progress=lambda n: told.update(second=n))
        lines = [json.loads(line)["key"] for p in Path(folder).glob("*.jsonl") for line in p.read_bytes().splitlines()]
    took = time.monotonic() - begun
    server.stop()

    fails = [any(b in doomed for b in bodies[CHOICES * i : CHOICES * (i + 1)]) for i in range(len(prompts))]
    lost = sum(not r.logliks and not bad for r, bad in zip(found, fails, strict=True)) + abs(told["second"] - len(prompts))
    wrong = sum(
        max(abs(a - b) for a, b in zip(r.logliks, t, strict=True)) > 1e-4 for r, t, bad in zip(found, truth, fails, strict=True) if r.logliks and not bad
    )  # fmt: skip
    scored = sum(bool(r.logliks) for r, bad in zip(found, fails, strict=True) if bad)
    doubled = len(lines) - len(set(lines))
    print(
        f"{len(set(bodies)):,} requests, {len(server.arrived) - before:,} attempts at the server in {took:.0f} s; faults: {sum(server.faults.values()):,}"
    )
    print("  " + ", ".join(f"{name} {n:,}" for name, n in sorted(server.faults.items())))
    print(
        f"broken off with {kept_first:,} replies kept; the second session found {asker.counts['kept']:,} and asked for {asker.counts['asked']:,}"
    )
    print(f"failed for good: {len(doomed):,} requests meant to, {asker.counts['failed']:,} recorded; {sum(fails):,} answers missing")
    again = sum(n - 1 for n in server.answered.values())
    print(f"asked again after a whole reply had been sent (too late, or in flight when the first session was broken off): {again:,}")
    print(f"lost {lost}, duplicated {doubled}, scored when failed {scored}, wrong {wrong}")
    return int(bool(lost or doubled or scored or wrong or asker.counts["failed"] != len(doomed)))


if __name__ == "__main__":
    raise SystemExit(main())
