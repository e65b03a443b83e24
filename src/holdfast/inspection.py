"""`doctor` and `probe`: looking at a model without training anything."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from holdfast.analysis import raw_effects
from holdfast.backends.endpoint import announce, check_forms, open_transport, own_chat
from holdfast.backends.identity import environment
from holdfast.backends.trials import ask_items
from holdfast.config import ModelConfig, Study
from holdfast.endpoints.asking import Asker
from holdfast.endpoints.capabilities import examine
from holdfast.endpoints.engine import EndpointEngine, PromptForm
from holdfast.endpoints.replies import ReplyLog
from holdfast.instruments.written import trials as trials_of
from holdfast.progress import say
from holdfast.records import Message, Prompt
from holdfast.sources.materials import Materials

Effects = dict[str, float | None]  # accuracy of a benchmark or effect of a contrast, by name; None: unknown
INVARIANT = 1e-4  # nats per token


def doctor(model: str, device: str | None) -> tuple[list[str], bool]:
    """(lines to print, whether every check passed)"""
    from holdfast.engine.invariance import difference
    from holdfast.engine.local import LocalEngine
    from holdfast.models.checkpoint import load_base, pick_device
    from holdfast.models.survey import survey

    facts = environment()
    lines = [f"python {facts['python']} on {facts['machine']}, {facts['cores']} cores"]
    lines += [f"{name} {number}" for name, number in facts["libraries"].items()]
    place = pick_device(device)
    lines.append(f"device {place}")
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    lines.append("hub: never asked (HF_HUB_OFFLINE=1)" if offline else "hub: asked only for models and data named by a hub id")
    base = load_base(ModelConfig(name=model), place)
    words, bos = sorted(w for w in base.chat.tokenizer.get_vocab() if w.isalpha()), base.chat.tokenizer.bos_token_id
    templated = base.chat.text([Message("user", next((w for w in words if len(w) > 2), "words"))])
    ids = base.chat.encode([templated])[0]
    count = len([*takewhile(lambda token: token == bos, ids)])  # in front: a BOS may also be what opens every turn
    one_bos = bos is None or count == 1 or (count == 0 and not base.chat.adds_bos)
    what = "this tokenizer has none" if bos is None else "ok" if one_bos else f"NOT ok, a prompt has {count}"
    lines.append("one BOS: " + what + ("" if bos is None or count else ", its prompts begin with none"))
    engine = LocalEngine(base.model, base.chat)
    lines.append("packed rows: " + (engine.fit.why_not or "ok"))
    words = words[:40] or [*"abcdefgh"]
    prompts = [
        Prompt(condition="neutral", messages=(Message("user", " ".join(words[:k])),), choices=(f" {words[k]}", f" {words[0]}"))
        for k in range(1, len(words), 3)
    ]
    lines += survey(base.chat, prompts)
    gap = difference(engine, prompts)["largest_difference"]
    invariant = gap is not None and gap < INVARIANT
    size = "unknown" if gap is None else f"{gap:.1e} nats per token"
    lines.append(f"batch-size invariance: {'ok' if invariant else 'NOT ok'}, largest difference {size}")
    return lines, one_bos and invariant


def probe(study: Study, adapters: list[Path]) -> dict[str, Effects]:
    """Accuracy and raw effects of a model and its adapters; effects are means over items with both conditions."""
    from holdfast.engine.local import LocalEngine
    from holdfast.models import adapter_files
    from holdfast.models.adapters import adapted
    from holdfast.models.checkpoint import load_base, pick_device
    from holdfast.models.survey import survey

    names = adapter_names(adapters)
    for folder in names:  # before the base is loaded
        adapter_files.read(folder)
    base = load_base(study.model, pick_device(study.execution.device))
    materials, cache, notes = _read(study), {}, []
    prompts = [p for i in study.instruments for mine in materials.asked(i.kind).prompts for p in mine]
    for remark in survey(base.chat, prompts):
        say(remark)

    def ask(network: Any) -> Effects:
        return _effects(materials, LocalEngine(network, base.chat, study.execution.tokens_per_batch, cache=cache))

    effects = {"base": ask(base.model)}
    for folder, name in names.items():
        with adapted(base.model, folder, say=notes.append) as network:
            effects[name] = ask(network)
    for note in notes:
        say(note, always=True)
    return effects


def adapter_names(folders: Sequence[Path]) -> dict[Path, str]:
    """{folder: its name}: its own, or with as many folders above it as tell it from the others and from the base. A folder named twice is one."""
    places: dict[Path, Path] = {}
    for folder in folders:
        places.setdefault(folder.resolve(), folder)
    ends = {place: [*reversed(place.parts)] for place in places}

    def name(place: Path) -> str:
        parts = ends[place]
        for k in range(1, len(parts) + 1):
            shared = [p for p in ends if p != place and ends[p][:k] == parts[:k]]
            if not shared and parts[:k] != ["base"]:
                return "/".join(reversed(parts[:k])).replace("//", "/")
        return str(place)

    return {folder: name(place) for place, folder in places.items()}


def probe_endpoint(study: Study, adapters: list[str], instruments: bool) -> tuple[dict[str, Any], dict[str, Effects]]:
    """(what the server can do, effects as `probe` gives them); nothing is kept. Without `instruments` nothing is measured."""
    if instruments or study.execution.endpoint.api_key_env:
        announce(study)
    chat, materials, log = own_chat(study), _read(study) if instruments else Materials(study), ReplyLog(None)
    with open_transport(study) as transport:
        can = examine(transport, study.model, chat, adapters)
        effects: dict[str, Effects] = {}
        if instruments:
            check_forms(study, materials, PromptForm(can, chat))
        for name in [can.base, *adapters] if instruments else []:
            asker = Asker(transport, log, str(study.model.endpoint))
            measured = _effects(materials, EndpointEngine(asker, name, can, chat))
            own = "adapter base" if name == "base" and name != can.base else name
            effects["base" if name == can.base else own] = measured | {"missing answers": asker.counts["missing answers"]}
    return dataclasses.asdict(can), effects


def _read(study: Study) -> Materials:
    """Every instrument's items, made before anything is asked."""
    materials = Materials(study)
    for remark in materials.remarks():
        say(remark)
    return materials


def _effects(materials: Materials, engine: Any) -> Effects:
    effects: Effects = {}
    for config in materials.study.instruments:
        asked = materials.asked(config.kind)
        answered, _ = ask_items(asked, engine)
        trials = [t for item, pairs in zip(asked.items, answered, strict=True) for t in trials_of(asked.instrument, item, pairs)]
        effects |= raw_effects(asked.instrument, trials)
    return effects
