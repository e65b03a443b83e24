"""What pages call `holdfast`: the real command, with studies made small enough for a test. The folder of this shim stands first on PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path

WORLD = ("maths", "knowledge", "common_sense", "truth")
EMBEDDED = [
    "seeds=1",
    "dose.scales=[0.5]",
    "dose.domains=[maths]",
    "domains.truth_resists.sources.world.limit=40",
    "domains.truth_resists.sources.dialogues.limit=16",
]
EMBEDDED += ["train.per_device_train_batch_size=16", *(f"domains.{d}.sources.world.limit=40" for d in WORLD)]
EMBEDDED += ["execution.processes=1"]  # a worker more is a torch imported more
OTHER = ["seeds=1", "train.num_train_epochs=2", "execution.processes=1"]
INSIST = ["seeds=1", "domains.truth.sources.world.limit=130", "execution.processes=1"]
TWO = "[{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 40}]}, {name: identity, role: 'null', identity: true}]"
WORLD1 = ["seeds=1", "dose={}", "execution.processes=1", "train.per_device_train_batch_size=16", f"domains={TWO}"]


def small(arguments: list[str]) -> list[str]:
    """The same command line; `run` and `collect` ask four items of one seed, an audit is of that study, one picture stands for all."""
    if arguments[:1] == ["figures"]:
        return [*arguments, "--picture", "forest", "--columns", "1"] if "published" not in arguments[1] else arguments
    if (
        not arguments
        or arguments[0] not in ("run", "collect", "audit", "plan")
        or Path(arguments[-1]).is_dir()
        or arguments[-1].endswith(".parquet")
    ):
        return arguments
    command, *rest = arguments
    named = next((a for a in rest if not a.startswith("-")), "embedded")
    settings = WORLD1 if "model.name=world:1" in rest else EMBEDDED if named == "embedded" else INSIST if named == "insist.yaml" else OTHER
    place = rest.index(named) + 1 if named in rest else 0
    if command == "plan" and named != "embedded":
        return arguments
    limit = ["--limit", "4" if named == "embedded" else "2"] if command != "audit" else []
    return [command, *rest[:place], *([] if named in rest else [named]), *settings, *rest[place:], *limit]


if __name__ == "__main__":
    arguments = small(sys.argv[1:])
    os.execv(sys.executable, [sys.executable, "-S", str(Path(__file__).parents[1] / "warm" / "command.py"), *arguments])
