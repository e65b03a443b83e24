"""Where a run's transcripts are shown: in the report itself, and, above `IN_PAGE` trials, in a folder of pages next to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from holdfast.report.blocks import trials_block
from holdfast.report.transcripts import Confidence, DistinctPrompt, Model, Prompts, models

IN_PAGE = 100_000  # trials
BESIDE = 200_000  # of one page in the folder
FOLDER = "transcripts"
WritePage = Callable[[str, Markup, str, list[str]], None]


@dataclass(slots=True)
class Library:
    """`block`: the trials in the report; `inside`: adapter -> its seeds there (none for the base); `pages`: adapter -> its pages next to
    the report (address from there, seeds); `methods`: one prompt per instrument and condition; `confidence`: how sure each model was and how often it was right;
    `total`, `shown`: trials in the file and in the report; `unreadable`: lines.
    """

    block: Markup | None = None
    inside: dict[str, list[int]] = field(default_factory=dict)
    pages: dict[str, list[tuple[str, list[int | None]]]] = field(default_factory=dict)
    methods: list[DistinctPrompt] = field(default_factory=list)
    confidence: list[dict[str, str | float | None]] = field(default_factory=list)
    total: int = 0
    shown: int = 0
    unreadable: int = 0

    def href(self, adapter: str, instrument: str) -> str | None:
        """A link to an adapter's answers to an instrument; None where the run has no transcripts of it."""
        view = f"#t?adapter={quote(adapter, safe='')}&instrument={quote(instrument, safe='')}"
        if adapter in self.inside:
            return view
        return f"{self.pages[adapter][0][0]}{view}" if adapter in self.pages else None

    def links(self) -> dict[str, Any]:
        """For the page's script: where an adapter's seeds are."""
        return {
            a: {"inside": self.inside.get(a), "parts": [{"page": page, "seeds": seeds} for page, seeds in self.pages.get(a, [])]}
            for a in dict.fromkeys([*self.inside, *self.pages])
        }


def collect(path: Path | None, total: int | None, roles: Mapping[str, str], write: WritePage) -> Library:
    """Read the file once. `total`: its trials, if known; `roles`: of the adapters; `write(file name, block, adapter, all its files)` makes a page."""
    found, prompts, confidence = Library(), Prompts(), Confidence()
    if path is None or not path.is_file():
        return found
    everything = total is not None and total <= IN_PAGE
    kept: list[Model] = []
    base: Model | None = None
    adapter: list[Model] = []  # the models of one adapter, until the next one begins
    for model in models(path, prompts):
        found.total += len(model)
        confidence.add(model, prompts)
        if model.id.seed is None:
            base = base or model
            kept.append(model)
            continue
        if adapter and adapter[0].id.adapter != model.id.adapter:
            _write_pages(found, adapter, base, prompts, write)
            adapter = []
        if not everything:
            adapter.append(model)
        first = model.id.seed == 0 and not model.id.dose and roles.get(model.id.adapter, "domain") == "domain"
        if everything or (first and sum(map(len, kept)) + len(model) <= IN_PAGE):
            kept.append(model)
    if adapter:
        _write_pages(found, adapter, base, prompts, write)
    found.block = trials_block(kept, prompts)
    for m in kept:
        seeds = found.inside.setdefault(m.id.adapter, [])
        if m.id.seed is not None and m.id.seed not in seeds:
            seeds.append(m.id.seed)
    found.shown, found.unreadable, found.confidence = sum(map(len, kept)), prompts.unreadable, confidence.rows()
    methods: dict[tuple[str, str], DistinctPrompt] = {}  # the first prompt of every instrument and condition
    for k in dict.fromkeys(int(k) for model in ([base] if base else kept[:1]) for part in model.prompt for k in part):
        methods.setdefault((prompts.entries[k].instrument, prompts.entries[k].condition), prompts.entries[k])
    found.methods = list(methods.values())
    return found


def _write_pages(library: Library, adapter: list[Model], base: Model | None, prompts: Prompts, write: WritePage) -> None:
    """An adapter's models in order, as many per page as fit next to the base."""
    parts: list[list[Model]] = [[]]
    for model in adapter:
        if parts[-1] and sum(map(len, parts[-1])) + len(model) > max(BESIDE - (len(base) if base else 0), 1):
            parts.append([])
        parts[-1].append(model)
    name = adapter[0].id.adapter
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]
    files = [f"{stem}-{k + 1}.html" if k else f"{stem}.html" for k in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        write(file, trials_block([*([base] if base else []), *part], prompts), name, files)
        library.pages.setdefault(name, []).append((f"{FOLDER}/{file}", list(dict.fromkeys(m.id.seed for m in part))))
