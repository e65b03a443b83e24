"""What a folder of rows holds: for which benchmark or axis, how many, and the name by which a study refers to them."""

import os
from pathlib import Path
from typing import NamedTuple

from holdfast import instruments
from holdfast.errors import ConfigError, DataError
from holdfast.progress import say
from holdfast.sources import forms
from holdfast.sources.forms import axes
from holdfast.sources.rows import SUFFIXES, Row, hub_sets, read_file

DEPTH, MOST_FILES = 4, 2000


class RowFile(NamedTuple):
    """One file of rows. `data` and `split`: as a study names them; `in_place`: it lies where a hub data set's rows are looked for."""

    kind: str
    file: str
    num_rows: int
    data: str
    split: str | None
    in_place: bool


def survey(root: Path) -> list[RowFile]:
    """Files under `root` whose rows a study can use, those of known hub data sets first, then by path. Raises ConfigError for no folder.

    A file is judged by its first row; one that cannot be read, or is of no known kind, is left out; of the former a remark says why.
    """
    if not root.is_dir():
        raise ConfigError(f"data folder: no such folder: {root}; name one with rows, or none to use the hub's")
    rows = []
    for file in _files(root):
        try:
            if not file.resolve().is_relative_to(root.resolve()):
                raise DataError(f"{file.name}: a link that leads out of {root}")
            read = read_file(file)
        except (OSError, DataError) as error:
            say(f"not read {error}")
            continue
        kind = _kind(read[0], file) if read else None
        if kind is None:
            continue
        relative = file.relative_to(root)
        hub = next((name for name, data_set in hub_sets().items() if relative.parts[:-1] == (data_set.folder,)), None)
        stem = file.name.split(".")[0]
        data, split = (hub, stem) if hub is not None else (relative.as_posix(), None)
        if hub is not None:  # by the hub's own name for that split, so that the study reads the hub's rows too
            split = next((theirs for theirs, local in hub_sets()[hub].local if local == stem), stem)
        rows.append(RowFile(kind, relative.as_posix(), len(read), data, split, hub is not None))
    return sorted(rows, key=lambda f: (not f.in_place, f.file))


def _files(root: Path) -> list[Path]:
    paths: list[Path] = []
    for folder, inner, files in os.walk(root):
        if len(Path(folder).relative_to(root).parts) >= DEPTH:
            inner.clear()
        inner[:] = sorted(d for d in inner if not d.startswith("."))
        paths += [Path(folder) / f for f in sorted(files) if f.endswith(SUFFIXES)]
        if len(paths) > MOST_FILES:
            raise ConfigError(f"data folder: {root}: more than {MOST_FILES} files of rows; name the folder that holds the benchmarks' rows")
    return paths


def _kind(row: Row, file: Path) -> str | None:
    own = next((name for name, made in instruments.available().items() if made.knows(row)), None)
    return own or axes.axis_of(row, file.name.split(".")[0]) or forms.form_of(row)
