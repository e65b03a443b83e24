"""The state of one training between two optimizer steps, on disk: a process that was stopped resumes as if it had not been.

One safetensors file: adapter weights, AdamW's moments, random states, the loss curve so far, and adapters saved on the way (doses).
The header holds a digest over all of it; a file that does not match, or belongs to another training, is not used.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from holdfast import locks
from holdfast.store import canonical, no_room

FORMAT = 2
_KEY = "holdfast"
_COUNTS = ("tokens", "computed", "loss_tokens", "pass_tokens")


@dataclass(slots=True)
class State:
    """After `step` optimizer steps. `weights` and `kept[step]`: adapter tensors by parameter name; `moments`: AdamW's, by parameter and name.

    `loss`: nats per loss token and `rates`: learning rate, of every finished step; `pass_tokens`: size of a pass where memory ran short.
    """

    step: int
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]
    random: dict[str, Tensor]
    loss: list[float]
    rates: list[float]
    tokens: int
    computed: int
    loss_tokens: int
    pass_tokens: int
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshots:
    """Where one training keeps its state, and when: every `minutes` (0: after every step; None: only before it exits early).

    `cell`: the training's identity; `leaving`: whether this process has been told to exit.
    """

    path: Path
    cell: str
    minutes: float | None = None
    say: Callable[[str], None] = lambda _: None
    leaving: Callable[[], bool] = lambda: False
    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time to write the state."""
        return self.minutes is not None and time.monotonic() - self._last >= 60 * self.minutes

    def write(self, state: State, named: Mapping[str, nn.Parameter], optimizer: Optimizer) -> bool:
        """Replace the kept state by that after the last finished step: later passes have changed gradients and random states only.

        A full disk is reported and does not stop the training; False then.
        """
        from safetensors.torch import save_file

        self._last = time.monotonic()
        if not state.step:
            return False
        state.weights = {name: p.detach() for name, p in named.items()}
        state.moments = {name: dict(optimizer.state[p]) for name, p in named.items()}
        tensors = {name: t.detach().cpu().contiguous() for name, t in _flat(state).items()}
        about = {"format": FORMAT, "cell": self.cell, **{n: getattr(state, n) for n in ("step", *_COUNTS)}}
        about["sha256"] = _digest(tensors, about)
        try:
            with locks.draft(self.path.parent) as draft:
                save_file(tensors, draft, {_KEY: canonical(about)})
                with draft.open("rb") as stream:
                    os.fsync(stream.fileno())
                os.replace(draft, self.path)
        except Exception as error:  # safetensors has its own error for a full disk
            why = no_room(error, self.path.parent)
            if why is None:
                raise
            self.say(f"the training's checkpoint could not be written ({why}); an interruption would now restart the training")
            return False
        return True

    def read(self, shapes: dict[str, torch.Size], keep: Collection[int] = ()) -> State | None:
        """The kept state of this training; None if there is none, or none to be trusted (reported).

        `shapes`: of the adapter's weights; `keep`: steps whose adapters are saved on the way.
        """
        if not self.path.is_file():
            return None
        try:
            state = _read(self.path, self.cell, shapes, keep)
        except Exception as error:  # any error that a damaged or hostile file raises
            why = str(error) if type(error) is ValueError else type(error).__name__
            self.say(f"{self.path.name}: not a checkpoint of this training ({why}); the adapter is trained from its start")
            self.path.unlink(missing_ok=True)
            return None
        self.say(f"training resumes after step {state.step}")
        return state


def _flat(state: State) -> dict[str, Tensor]:
    return {
        **{f"weight/{n}": t for n, t in state.weights.items()},
        **{f"moment/{moment}/{n}": t for n, tensors in state.moments.items() for moment, t in tensors.items()},
        **{f"random/{n}": t for n, t in state.random.items()},
        **{f"kept/{step}/{n}": t for step, tensors in state.kept.items() for n, t in tensors.items()},
        "loss": torch.tensor(state.loss, dtype=torch.float64),
        "rates": torch.tensor(state.rates, dtype=torch.float64),
    }


def _read(path: Path, cell: str, shapes: dict[str, torch.Size], keep: Collection[int]) -> State:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        about: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
        if about.get("format") != FORMAT or about.get("cell") != cell:
            raise ValueError("another training's")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a method, not a mapping)
    if _digest(tensors, {k: v for k, v in about.items() if k != "sha256"}) != about["sha256"]:
        raise ValueError("its digest does not match")
    state = State(about["step"], {}, {}, {}, tensors["loss"].tolist(), tensors["rates"].tolist(), *(about[n] for n in _COUNTS))  # fmt: skip
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        first, _, of = rest.partition("/")
        if part in ("weight", "random"):
            (state.weights if part == "weight" else state.random)[rest] = tensor
        elif part == "moment":
            state.moments.setdefault(of, {})[first] = tensor
        elif part == "kept":
            state.kept.setdefault(int(first), {})[of] = tensor
    moments = {n: {k: t.shape for k, t in own.items()} for n, own in state.moments.items()}
    wanted = {n: {"step": torch.Size([]), "exp_avg": shape, "exp_avg_sq": shape} for n, shape in shapes.items()}
    if moments != wanted or any({n: t.shape for n, t in own.items()} != shapes for own in (state.weights, *state.kept.values())):
        raise ValueError("its weights have other names or shapes")
    if not len(state.loss) == len(state.rates) == state.step > 0 or {*state.kept} != {k for k in keep if k <= state.step}:
        raise ValueError("it is not whole")
    return state


def set_weights(named: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    """Copy values into the parameters of the same names."""
    with torch.no_grad():
        for name, p in named.items():
            p.copy_(values[name])


def restore(state: State, named: Mapping[str, nn.Parameter], optimizer: Optimizer) -> None:
    """Weights, moments and random states as they were. Copied, because a file's tensors are not aligned as torch's own are."""
    set_weights(named, state.weights)
    for name, p in named.items():
        there = {"step": p.device if p.is_cuda else "cpu"}  # where AdamW keeps its count
        optimizer.state[p] = {k: torch.empty_like(v, device=there.get(k, p.device)).copy_(v) for k, v in state.moments[name].items()}
    torch.set_rng_state(state.random["cpu"].clone())
    if "cuda" in state.random:
        torch.cuda.set_rng_state(state.random["cuda"].clone(), next(iter(named.values())).device)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """States of the generators that dropout draws from."""
    return {"cpu": torch.get_rng_state(), **({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})}


def _digest(tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    whole = hashlib.sha256(canonical(about).encode())
    for name in sorted(tensors):
        t = tensors[name]
        whole.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        whole.update(t.contiguous().reshape(-1).view(torch.uint8).numpy().data if t.numel() else b"")
    return whole.hexdigest()
