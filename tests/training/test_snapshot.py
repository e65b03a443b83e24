"""A training that was ended goes on to the same bytes; what is kept of it is believed only if it is whole and its own."""

from __future__ import annotations

import random
import resource
import signal

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_lora import CONFIG, examples

from holdfast.engine.fit import Fit
from holdfast.errors import Interrupted
from holdfast.training import batches, lora
from holdfast.training.snapshot import Snapshots

STEPS = 9
DOSES = {2: "0.25", 4: "0.5"}


def bytes_under(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def train(llama, chat, out, snapshots=None, *, dropout=0.0, packed=True, steps=STEPS, checkpointing=False):
    config = CONFIG.model_copy(update={"lora_dropout": dropout, "tokens_per_pass": 24})  # several passes a step
    record = lora.train(
        llama, batches.encode(examples(), chat, config).examples, config, seed=3, max_steps=steps, out=out / "adapter", snapshots=snapshots,
        checkpoints={step: out / "checkpoints" / name for step, name in DOSES.items()}, fit=Fit(None if packed else "off", False),
        checkpointing=checkpointing,
    )  # fmt: skip
    return record, bytes_under(out)


class After:
    """True from the `count`-th pass on: the moment at which a process is told to leave."""

    def __init__(self, count):
        self.left = count

    def __call__(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(
    ("dropout", "packed", "checkpointing"), [(0.0, True, False), (0.3, True, False), (0.3, False, False), (0.3, True, True)]
)
def test_a_training_ended_at_random_passes_goes_on_to_the_same_bytes(llama, chat, tmp_path, dropout, packed, checkpointing):
    options = {"dropout": dropout, "packed": packed, "checkpointing": checkpointing}
    whole, expected = train(llama, chat, tmp_path / "whole", **options)
    draw, said, interruptions = random.Random(f"{options}"), [], 0
    for turn in range(4):
        kept = tmp_path / f"{turn}.safetensors"
        while True:
            folder = tmp_path / f"{turn}-{interruptions}"
            torch.manual_seed(draw.randrange(1000))  # what a new process starts with
            try:
                record, found = train(
                    llama, chat, folder, Snapshots(kept, "mine", draw.choice([None, 0]), said.append, After(draw.randint(1, 14))), **options
                )
            except Interrupted:
                interruptions += 1
                continue
            break
        assert record == whole and found == expected
    assert interruptions >= 4 and sum("resumes after step" in line for line in said) >= 3


def test_a_process_killed_between_two_states_loses_the_steps_since_the_last(llama, chat, tmp_path):
    _, expected = train(llama, chat, tmp_path / "whole")
    kept, said = tmp_path / "kept.safetensors", []

    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    steps = After(5)
    with pytest.raises(Killed):
        train(llama, chat, tmp_path / "killed", Snapshots(kept, "mine", 0, leaving=lambda: steps() and kill()))
    assert kept.is_file()
    _, found = train(llama, chat, tmp_path / "again", Snapshots(kept, "mine", None, said.append))
    assert found == expected and said and "resumes after step" in said[0]


def damages():
    def cut(data):
        return data[: len(data) // 2]

    def flip(data):
        return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]

    return {"cut short": cut, "a bit turned": flip, "empty": lambda _: b"", "not safetensors": lambda _: b"\x80\x04pickle" * 99}


@pytest.mark.parametrize("damage", [*damages(), "another cell's", "no header", "another rank", "no moments", "a dose missing"])
def test_a_damaged_or_foreign_state_is_said_and_not_used(llama, chat, tmp_path, damage):
    _, expected = train(llama, chat, tmp_path / "whole")
    kept, said = tmp_path / "kept.safetensors", []
    with pytest.raises(Interrupted):
        train(llama, chat, tmp_path / "ended", Snapshots(kept, "mine", None, leaving=After(12)))
    if damage in damages():
        kept.write_bytes(damages()[damage](kept.read_bytes()))
    else:
        tensors = load_file(kept)
        snapshots = Snapshots(kept, "other" if damage == "another cell's" else "mine", 0)
        if damage == "no header":
            save_file(tensors, kept)
        else:  # as a hostile writer would, digest and all
            state = Snapshots(kept, "mine").read({n[7:]: t.shape for n, t in tensors.items() if n.startswith("weight/")}, DOSES)
            named = {n: torch.nn.Parameter(t[..., :-1].contiguous() if damage == "another rank" else t) for n, t in state.weights.items()}
            optimizer = torch.optim.AdamW(list(named.values()))
            for n, p in named.items():
                optimizer.state[p] = {} if damage == "no moments" else state.moments[n]
            if damage == "a dose missing":
                state.kept.popitem()
            assert snapshots.write(state, named, optimizer)
    _, found = train(llama, chat, tmp_path / "again", Snapshots(kept, "mine", None, said.append))
    assert found == expected
    assert len(said) == 1 and "not a checkpoint of this training" in said[0] and "trained from its start" in said[0]


class Limited(Snapshots):
    """Writes where no file may grow beyond 1000 bytes: what a full disk does, without one."""

    def write(self, *arguments):
        old, before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            return super().write(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, old)


def test_a_disk_that_takes_no_more_is_said_and_ends_nothing(llama, chat, tmp_path):
    _, expected = train(llama, chat, tmp_path / "whole")
    said = []
    (tmp_path / "disk").mkdir()
    _, found = train(llama, chat, tmp_path / "out", Limited(tmp_path / "disk" / "kept.safetensors", "mine", 0, said.append))
    assert found == expected and said and all("could not be written (File too large)" in line for line in said)
    assert list((tmp_path / "disk").iterdir()) == []
