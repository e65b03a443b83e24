"""Whether two studies are one: a run's folder belongs to a study, which may grow but not become another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from holdfast.config.model import ENDPOINT

# What a study may change in its folder, besides `seeds`, `dose`, `stats`, `data.root` and `execution`: how many rows, where a server stands,
# and what is only said of a domain.
_FREE = ("limit", "served", "tokens_per_pass", "tokenizer", "trust_remote_code", "role", "own_benchmark", "verifiable", "mitigates")
_BY_NAME = {"domains": "name", "instruments": "kind"}


def difference(there: Any, here: Any) -> str | None:
    """The first setting that makes two studies (trees of settings) different ones, with both values; None if there is none.

    Domains and instruments may come and go, but some domain has to stay.
    """
    if not isinstance(there, Mapping) or not isinstance(here, Mapping):
        return None
    for name in ("name", "model", "train", "item_seed"):
        for found in _differing(name, there.get(name), here.get(name)):
            return found
    for section, key in _BY_NAME.items():
        old, new = (_by_name(tree.get(section), key) for tree in (there, here))
        for name in sorted(old.keys() & new.keys()):
            for found in _differing(f"{section}.{name}", old[name], new[name]):
                return found
        if section == "domains" and old and new and not old.keys() & new.keys():
            return f"domains: {', '.join(old)} there, {', '.join(new)} here"
    return None


def _by_name(entries: Any, key: str) -> dict[str, Any]:
    return {str(e[key]): e for e in entries if isinstance(e, Mapping) and key in e} if isinstance(entries, list) else {}


def _differing(where: str, there: Any, here: Any) -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(here, Mapping) and not where.endswith(".options"):
        for key in there:
            if key in here and key not in _FREE:
                yield from _differing(f"{where}.{key}", there[key], here[key])
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for k, (a, b) in enumerate(zip(there, here, strict=True)):
            yield from _differing(f"{where}.{k}", a, b)
    elif there != here and not (where == "model.name" and _same_place(str(there), str(here))):
        yield f"{where}: {str(there)[:60]} there, {str(here)[:60]} here"


def _same_place(there: str, here: str) -> bool:
    """A server may move, and so may a folder; what it holds is in the names of the cells."""
    if there.startswith(ENDPOINT) and here.startswith(ENDPOINT):
        return True
    folders = all(name.startswith((".", "/", "~")) or Path(name).is_dir() for name in (there, here))
    return folders and Path(there).name == Path(here).name
