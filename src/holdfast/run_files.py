"""The files a run leaves in its folder: each with its digest in manifest.json, which is checked by whoever reads the file.

study.yaml and timing.json are written before a run ends, so each carries its own digest as well. All others are made in a folder next to them and
put in place together: an unfinished run leaves the one that finished there as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast import locks
from holdfast.errors import ConfigError
from holdfast.progress import say
from holdfast.store import MANIFEST, canonical, digest, file_digest, manifest_text, read_manifest, write_atomic

NEXT = ".next"  # whole results, on their way to their places
SIGNATURE = "# sha256 of the lines above: "
_unchecked: set[Path] = set()  # folders of which it has been said


@dataclass(frozen=True, slots=True)
class RunManifest:
    """`files`: digests by path from the run's folder; `drawn`: digest of what its report was drawn from."""

    files: dict[str, str] = field(default_factory=dict)
    drawn: str = ""


def manifest_of(folder: Path) -> RunManifest | None:
    """A run's manifest; None if there is none. Raises ConfigError if it is damaged."""
    if (folder / NEXT).is_dir():
        with suppress(OSError), locks.alone(folder):
            put_in_place(folder)
    try:
        tree = read_manifest(folder, sealed=True)
        return RunManifest({str(name): str(want) for name, want in tree["files"].items()}, str(tree["drawn"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f"{folder / MANIFEST}: damaged: its digest does not match; run the study again (whole cells are reused)"
        ) from None


def seal(folder: Path, files: Mapping[str, str], drawn: str = "") -> None:
    """Write a run's manifest: the last of its files."""
    write_atomic(folder / MANIFEST, manifest_text({"files": dict(sorted(files.items())), "drawn": drawn}))


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder for a run's files and, last, their manifest. When the block ends well they replace those of `folder`, whatever ends the process then."""
    put_in_place(folder)
    with locks.draft(folder) as draft:
        draft.mkdir()
        yield draft
        draft.rename(folder / NEXT)
    put_in_place(folder)


def put_in_place(folder: Path) -> None:
    """Move what lies in `folder/.next` to its places, the manifest last; goes on where a process that was ended left off. Call it alone there."""
    whole = folder / NEXT
    if (whole / MANIFEST).is_file():
        for file in sorted(f for f in whole.rglob("*") if f.is_file() and f != whole / MANIFEST):
            target = folder / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
        os.replace(whole / MANIFEST, folder / MANIFEST)
    shutil.rmtree(whole, ignore_errors=True)


def is_unchanged(folder: Path, name: str, want: str) -> bool:
    """Whether a file is there with this digest."""
    return (folder / name).is_file() and file_digest(folder / name) == want


@contextmanager
def verify_files(folder: Path, *names: str, of_run: bool = True) -> Iterator[None]:
    """Files to be read in the block are as the run wrote them. Raises ConfigError, naming the first that is not.

    Where no manifest holds the digest of a file `of_run`, that is said once per folder, after it was read.
    """
    manifest = manifest_of(folder)
    known = manifest.files if manifest else {}
    for name in names:
        if name in known and not is_unchanged(folder, name, known[name]):
            what = "does not match its digest in manifest.json" if (folder / name).exists() else "is missing"
            raise ConfigError(f"{folder / name}: {what}; it was changed after the run, run the study again (whole cells are reused)")
    yield
    if of_run and any(name not in known and (folder / name).is_file() for name in names) and folder.absolute() not in _unchecked:
        _unchecked.add(folder.absolute())
        say(
            f"{folder}: its files cannot be checked: no {MANIFEST} holds their digests (an earlier version's run, an unfinished one, or a copy)"
        )


def sign(text: str) -> str:
    """A study's text with its digest in a last line."""
    return f"{text}{SIGNATURE}{digest(text.encode())}\n"


def is_signed(text: str) -> bool | None:
    """Whether a text is as it was signed; None if it was not."""
    above, mark, found = text.rpartition(SIGNATURE)
    return found == f"{digest(above.encode())}\n" if mark else None


def is_changed_record(file: Path, text: str) -> bool:
    """Whether a study file is a run's and no longer what the run wrote: by its last line, or, where that is lost, by the run's manifest."""
    if (whole := is_signed(text)) is not None:
        return not whole
    with suppress(ConfigError):
        manifest = manifest_of(file.parent)
        return manifest is not None and manifest.files.get(file.name, "") not in ("", digest(text.encode()))
    return False


def with_digest(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its own digest in it."""
    return {**record, "sha256": digest(json.loads(canonical(dict(record))))}


def without_digest(data: bytes) -> dict[str, Any]:
    """The record again. Raises ValueError if it is not one, or its digest does not match."""
    try:
        record = json.loads(data)
        want = record.pop("sha256")
        if not isinstance(record, dict) or digest(record) != want:
            raise ValueError("its digest does not match")
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
    return record
