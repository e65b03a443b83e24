"""Where a run's transcripts are shown: in the report itself, or, above `IN_PAGE` trials, in pages of a folder beside it too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from holdfast.report.blocks import trials_block
from holdfast.report.confidence import Confidence
from holdfast.report.transcripts import Model, Prompts, models

IN_PAGE = 100_000  # trials
BESIDE = 200_000  # of one page in the folder
FOLDER = "transcripts"
_NAME = re.compile(r"^(?P<domain>.+)/seed(?P<seed>\d+)(?:@(?P<dose>.+)-(?P<path>scale|steps))?$")


@dataclass(frozen=True, slots=True)
class Part:
    """A page beside the report: its address from there, and the seeds it holds."""

    page: str
    seeds: tuple[int, ...]


@dataclass(slots=True)
class Library:
    """`block`: the trials in the page; `inside`: adapter -> its seeds there (none for the base); `pages`: adapter -> its pages beside
    the report; `methods`: one prompt of every instrument and condition; `confidence`: how sure each model was and how often it was
    right; `total`, `shown`: trials of the file and in the page; `unreadable`: lines.
    """

    block: Markup | None = None
    inside: dict[str, list[int]] = field(default_factory=dict)
    pages: dict[str, list[Part]] = field(default_factory=dict)
    methods: list[dict[str, Any]] = field(default_factory=list)
    confidence: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    shown: int = 0
    unreadable: int = 0

    def href(self, adapter: str, instrument: str) -> str | None:
        """A link to what an adapter answered to an instrument; None where the run has no transcripts of it."""
        rest = f"#t?adapter={_quoted(adapter)}&instrument={_quoted(instrument)}"
        if adapter in self.inside:
            return rest
        return f"{self.pages[adapter][0].page}{rest}" if adapter in self.pages else None

    def links(self) -> dict[str, Any]:
        """For the page's script: where an adapter's seeds are."""
        return {
            a: {"inside": self.inside.get(a), "parts": [{"page": p.page, "seeds": list(p.seeds)} for p in self.pages.get(a, [])]}
            for a in dict.fromkeys([*self.inside, *self.pages])
        }


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def about(name: str) -> dict[str, Any]:
    """Adapter, seed and dose of a model by its name."""
    found = _NAME.match(name)
    if not found:
        return {"adapter": name, "seed": None, "dose": ""}
    dose = f"{found['dose']} of the {'update' if found['path'] == 'scale' else 'steps'}" if found["dose"] else ""
    return {"adapter": found["domain"], "seed": int(found["seed"]), "dose": dose}


def collect(
    path: Path | None, total: int | None, roles: Mapping[str, str], write: Callable[[str, Markup, str, list[str]], None]
) -> Library:
    """Read the file once. `total`: its trials, if known; `roles`: of the adapters; `write(file name, block,
    adapter, all its files)` makes a page."""
    made, prompts = Library(), Prompts()
    if path is None or not path.is_file():
        return made
    everything = total is not None and total <= IN_PAGE
    kept: list[Model] = []
    base: Model | None = None
    waiting: list[Model] = []

    def flush() -> None:
        if not waiting or everything:
            waiting.clear()
            return
        adapter = about(waiting[0].name)["adapter"]
        parts = _parts(waiting, BESIDE - (len(base) if base else 0))
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", adapter)[:60]
        files = [f"{stem}-{k + 1}.html" if k else f"{stem}.html" for k in range(len(parts))]
        for file, some in zip(files, parts, strict=True):
            shown = [*([base] if base else []), *some]
            write(file, trials_block(shown, prompts, {m.name: about(m.name) for m in shown}), adapter, files)
            seeds = dict.fromkeys(about(m.name)["seed"] for m in some)
            made.pages.setdefault(adapter, []).append(Part(f"{FOLDER}/{file}", tuple(seeds)))
        waiting.clear()

    sure = Confidence()
    for model in models(path, prompts):
        made.total += len(model)
        mine = about(model.name)
        if not mine["dose"]:
            sure.add(mine["adapter"], model, prompts)
        if mine["seed"] is None:
            base = base or model
            kept.append(model)
            continue
        if waiting and about(waiting[0].name)["adapter"] != mine["adapter"]:
            flush()
        waiting.append(model)
        first = mine["seed"] == 0 and not mine["dose"] and roles.get(mine["adapter"], "domain") == "domain"
        if everything or (first and sum(map(len, kept)) + len(model) <= IN_PAGE):
            kept.append(model)
    flush()
    made.block = trials_block(kept, prompts, {m.name: about(m.name) for m in kept})
    for m in kept:
        seeds = made.inside.setdefault(about(m.name)["adapter"], [])
        seeds += [s for s in [about(m.name)["seed"]] if s is not None and s not in seeds]
    made.shown, made.unreadable = sum(map(len, kept)), prompts.unreadable
    made.confidence = sure.rows()
    made.methods = _methods(base or (kept[0] if kept else None), prompts)
    return made


def _parts(waiting: list[Model], most: int) -> list[list[Model]]:
    """Models in order, as many to a page as it takes."""
    parts: list[list[Model]] = [[]]
    for model in waiting:
        if parts[-1] and sum(map(len, parts[-1])) + len(model) > max(most, 1):
            parts.append([])
        parts[-1].append(model)
    return parts


def _methods(model: Model | None, prompts: Prompts) -> list[dict[str, Any]]:
    names = ("instrument", "item", "condition", "rotation", "text", "prefill", "choices", "gold")
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for k in dict.fromkeys(int(k) for part in (model.prompt if model else []) for k in part):
        entry = dict(zip(names, prompts.entries[k], strict=True))
        seen.setdefault((entry["instrument"], entry["condition"]), entry)
    return list(seen.values())
