"""`doctor` and `probe`: looking at a model without training anything."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.config import ModelConfig, Study
from holdfast.records import Message, Prompt


def doctor(model: str, device: str | None) -> tuple[list[str], bool]:
    """(lines to print, whether all is well)."""
    from holdfast.backends.local import environment
    from holdfast.engine.local import LocalEngine
    from holdfast.models.checkpoint import load_base, pick_device

    facts = environment()
    lines = [f"python {facts['python']} on {facts['machine']}, {facts['cores']} cores"]
    lines += [f"{name} {number}" for name, number in facts["libraries"].items()]
    place = pick_device(device)
    lines.append(f"device {place}")
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    lines.append("hub: never asked (HF_HUB_OFFLINE=1)" if offline else "hub: asked only for models and data named by a hub id")
    base = load_base(ModelConfig(name=model), place)
    user = next((w for w in base.chat.tokenizer.get_vocab() if w.isalpha() and len(w) > 2), "words")
    ids = base.chat.encode([base.chat.text([Message("user", user)])])[0]
    bos = base.chat.tokenizer.bos_token_id
    count = ids.count(bos) if bos is not None else None
    one = count in (None, 1)
    lines.append("one BOS: " + ("this tokenizer has none" if count is None else "ok" if one else f"NOT ok, a prompt has {count}"))
    engine = LocalEngine(base.model, base.chat)
    lines.append("packed rows: " + (engine.fit.why_not or "ok"))
    words = sorted(w for w in base.chat.tokenizer.get_vocab() if w.isalpha())[:40] or [*"abcdefgh"]
    prompts = [
        Prompt(condition="neutral", messages=(Message("user", " ".join(words[:k])),), choices=(f" {words[k]}", f" {words[0]}"))
        for k in range(1, len(words), 3)
    ]
    together, alone = engine.answer(prompts), [engine.answer([p])[0] for p in prompts]
    gap = max(
        abs(a - b) / n for x, y in zip(together, alone, strict=True) for a, b, n in zip(x.logliks, y.logliks, x.num_tokens, strict=True)
    )
    invariant = gap < 1e-4
    lines.append(f"batch-size invariance: {'ok' if invariant else 'NOT ok'}, largest difference {gap:.1e} nats a token")
    return lines, one and invariant


def probe(study: Study, adapters: list[Path]) -> dict[str, dict[str, float | None]]:
    """Accuracy and raw effects of a model and its adapters; effects are means over items with both conditions."""
    from holdfast.engine.local import LocalEngine
    from holdfast.models.adapters import adapted
    from holdfast.models.checkpoint import load_base, pick_device
    from holdfast.sources.materials import Materials

    materials, cache = Materials(study), {}
    base = load_base(study.model, pick_device(study.execution.device))

    def ask(network: Any) -> dict[str, float | None]:
        return _effects(study, materials, LocalEngine(network, base.chat, study.execution.tokens_per_batch, cache=cache))

    out = {"base": ask(base.model)}
    for folder in adapters:
        with adapted(base.model, folder) as network:
            out[folder.name] = ask(network)
    return out


def probe_endpoint(study: Study, adapters: list[str], instruments: bool) -> tuple[dict[str, Any], dict[str, dict[str, float | None]]]:
    """(what the server can do, effects as `probe` gives them); nothing is kept. Without `instruments` nothing is measured."""
    import dataclasses

    from holdfast.backends.endpoint import check_forms, open_transport, own_chat
    from holdfast.endpoints.asking import Asker
    from holdfast.endpoints.capabilities import examine
    from holdfast.endpoints.engine import EndpointEngine
    from holdfast.endpoints.replies import ReplyLog
    from holdfast.sources.materials import Materials

    chat, materials, log = own_chat(study), Materials(study), ReplyLog(None)
    with open_transport(study) as transport:
        can = examine(transport, study.model, chat, adapters)
        found: dict[str, dict[str, float | None]] = {}
        if instruments:
            check_forms(study, materials, can, chat)
        for name in [can.base, *adapters] if instruments else []:
            asker = Asker(transport, log, str(study.model.endpoint))
            found["base" if name == can.base else name] = _effects(study, materials, EndpointEngine(asker, name, can, chat)) | {
                "missing answers": asker.counts["missing answers"]
            }
    return dataclasses.asdict(can), found


def _effects(study: Study, materials: Any, engine: Any) -> dict[str, float | None]:
    from holdfast.execution.asking import put
    from holdfast.instruments.written import trials as trials_of

    found: dict[str, float | None] = {}
    for config in study.instruments:
        asked = materials.asked(config.kind)
        answered, _ = put(asked, engine)
        trials = [t for item, pairs in zip(asked.items, answered, strict=True) for t in trials_of(asked.instrument, item, pairs)]
        if asked.instrument.kind == "benchmark":
            found[config.kind] = _mean([t.score for t in trials])
            continue
        columns: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        right = {t.item_id for t in trials if t.outcome == "correct" and t.condition == asked.instrument.conditions[0]}
        for contrast in asked.instrument.contrasts:
            for t in trials:
                columns[contrast.column][t.condition][t.item_id].append(getattr(t, contrast.column))
            plus, minus = columns[contrast.column][contrast.plus], columns[contrast.column][contrast.minus or ""]
            keep = [
                i
                for i in plus
                if (contrast.minus is None or i in minus) and (contrast.among == "all" or (i in right) == (contrast.among == "right"))
            ]
            found[f"{config.kind}.{contrast.name}"] = _mean(
                [contrast.sign * (np.mean(plus[i]) - (np.mean(minus[i]) if contrast.minus else 0)) for i in keep]
            )
    return found


def _mean(values: list[Any]) -> float | None:
    known = [float(v) for v in values if v == v]
    return float(np.mean(known)) if known else None
