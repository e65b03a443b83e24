"""A finished run, damaged, for `report`, `tables`, `figures`, `compare`, `analyze`, `audit` and `collect`.

Without its manifest, so that what is read has to be seen to be damaged; files beneath a manifest are those of `sealed.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.malformed_cases.common import BYTES, Case


def folders(run: Path) -> Iterator[Case]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def case(command: str, name: str, change: Callable[[Path], None], must: bool = True) -> Case:
        def make(folder: Path) -> list[str]:
            copy = folder / "copy"
            shutil.copytree(run, copy, ignore=shutil.ignore_patterns("cells", "adapters", "manifest.json"))
            change(copy)
            return [command, str(copy)]

        return Case("folders", f"{command} {name}", make, must, remark="cannot be checked: no manifest.json")

    table = pq.read_table(run / "trials.parquet")
    tables = {
        f"no {c}": table.drop_columns([c])
        for c in ("model", "instrument", "item_id", "condition", "outcome", "domain", "seed", "cluster_id", "score", "refused")
    }
    tables |= {
        f"{c} is text": table.set_column(table.column_names.index(c), c, pa.array(["x"] * table.num_rows))
        for c in ("seed", "score", "refused", "margin", "dose")
    }
    tables |= {
        f"{c} is a number": table.set_column(table.column_names.index(c), c, pa.array([1] * table.num_rows))
        for c in ("model", "instrument", "item_id", "outcome", "cluster_id", "condition")
    }
    tables |= {
        f"{c} is null": table.set_column(table.column_names.index(c), c, pa.nulls(table.num_rows))
        for c in ("model", "instrument", "item_id", "outcome", "cluster_id", "condition", "seed")
    }
    tables |= {
        "no rows": table.slice(0, 0),
        "no columns": pa.table({}),
        "other columns": pa.table({"a": [1]}),
        "base alone": table.filter(pa.compute.equal(table["domain"], "base")),
        "no base": table.filter(pa.compute.not_equal(table["domain"], "base")),
        "unknown instrument": table.set_column(table.column_names.index("instrument"), "instrument", pa.array(["q"] * table.num_rows)),
    }
    for name, changed in tables.items():
        for command in ("analyze", "audit"):
            yield case(command, f"table: {name}", lambda p, t=changed: pq.write_table(t, p / "trials.parquet"), must=False)
    readers = {
        "findings.json": ("report", "audit", "tables"),
        "audit.json": ("report", "analyze", "tables"),
        "trials.parquet": ("analyze", "audit"),
        "study.yaml": ("analyze", "audit"),
        "transcripts.jsonl.gz": ("report",),
        "environment.json": ("report",),
    }
    for name, data in BYTES.items():
        for file, commands in readers.items():
            for command in commands:
                # What can be read of cut transcripts is shown; UTF-16 is JSON's own; an audit of a study that cannot be read reads its trials.
                must = (
                    file != "transcripts.jsonl.gz"
                    and (file, name) != ("environment.json", "utf-16")
                    and (command, file) != ("audit", "findings.json")
                )
                yield case(command, f"{file}: {name}", lambda p, n=file, d=data: (p / n).write_bytes(d) and None, must)
    for command in ("report", "analyze", "audit", "figures", "tables"):
        for argument in ("nosuch", ".", "/dev/null", "a\x00b", "x" * 5000):
            yield Case("folders", f"{command} {argument[:20]!r}", lambda f, c=command, a=argument: [c, a])
    findings = json.loads((run / "findings.json").read_bytes())
    for key in findings:
        for value in (KeyError, None, 3, "x", []):
            changed = {k: v for k, v in findings.items() if k != key} if value is KeyError else {**findings, key: value}
            yield case(
                "report",
                f"findings.{key} = {value}",
                lambda p, c=changed: (p / "findings.json").write_text(json.dumps(c)) and None,
                must=False,
            )
    for key in findings["adapters"][0]:
        changed = {**findings, "adapters": [{k: v for k, v in a.items() if k != key} for a in findings["adapters"]]}
        yield case(
            "report",
            f"findings.adapters: no {key}",
            lambda p, c=changed: (p / "findings.json").write_text(json.dumps(c)) and None,
            must=False,
        )
    for value in ([1], [{}], [{"check": 1}], {}, "x", 3):
        yield case(
            "report", f"audit.json = {value}", lambda p, v=value: (p / "audit.json").write_text(json.dumps(v)) and None, must=value != {}
        )
        yield case(
            "analyze", f"audit.json = {value}", lambda p, v=value: (p / "audit.json").write_text(json.dumps(v)) and None, must=value != {}
        )

    def collecting(name: str, change: Callable[[Path], None], must: bool = True) -> Case:
        def make(folder: Path) -> list[str]:
            shutil.copytree(run, folder / "copy")
            change(folder / "copy")
            return ["collect", str(folder / "copy" / "study.yaml"), "-o", str(folder / "copy"), "--offline"]

        return Case("folders", f"collect {name}", make, must)

    yield collecting("no cells", lambda p: shutil.rmtree(p / "cells"))
    yield collecting("cells is a file", lambda p: (shutil.rmtree(p / "cells"), (p / "cells").write_text("x")) and None)
    for name, data in BYTES.items():
        yield collecting(f"study.yaml: {name}", lambda p, d=data: (p / "study.yaml").write_bytes(d) and None)
