"""Adapters in PEFT's own format: on and off a base that is never changed.

Attached as PEFT attaches them, and asked in that form: PEFT's forward is the reference. Only plain LoRA on a small float32 base is merged
instead, on a copy (1.1 times as fast to score at 2 million parameters, the same at 100 million: benchmarks/peers), and never into a weight
that another module shares.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from holdfast.errors import ModelError
from holdfast.escape import reason
from holdfast.models import adapter_files, placement
from holdfast.models.adapter_files import AdapterFiles
from holdfast.models.finite import Overflowed, require_finite
from holdfast.models.quantized import is_quantized

_MERGE_BELOW = 200_000_000
_SHAPE = re.compile(r"size mismatch for (\S+): .*?torch\.Size\((\[.*?\])\).*?torch\.Size\((\[.*?\])\)")


def fingerprint(model: nn.Module) -> tuple[int, ...]:
    """The sum of each parameter's bits as whole numbers: a change of any one weight shows. Takes seconds for billions of weights.

    Weights that are stored elsewhere and fetched (device_map) are left out: a change of those would not last.
    """
    views = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    with torch.no_grad():
        bits = [p.detach().contiguous().view(views[p.element_size()]) for p in model.parameters() if p.device.type != "meta"]
        return tuple(int(part.sum(dtype=torch.int64)) for part in bits)


@contextmanager
def adapted(
    base: nn.Module, folder: str | Path, scale: float = 1.0, merge: bool | None = None, say: Callable[[str], object] = lambda _: None
) -> Iterator[nn.Module]:
    """The adapted model, its update times `scale`. `merge`: where that is exact; None: if it is cheaper for a base of this size, too.

    `say` receives remarks about an adapter that is usable but odd.
    Raises ModelError if the adapter does not fit, cannot be run, or gives numbers that are not finite, there or in the block; or if the base
    is not bit for bit what it was when the block ends.
    """
    from peft.tuners.lora import LoraLayer

    files = adapter_files.read(folder)
    if scale != 1.0 and not files.plain:
        raise ModelError(
            f"adapter: {folder}: only the update of plain LoRA can be scaled; this one is {files.config.peft_type} or changes more"
        )
    for note in files.notes(str(getattr(base, "name_or_path", ""))):
        say(note)
    exact = files.plain and not placement.is_spread(base) and not is_quantized(base) and next(base.parameters()).dtype.itemsize >= 4
    merge = exact and (sum(p.numel() for p in base.parameters()) < _MERGE_BELOW if merge is None else merge)
    before = fingerprint(base)
    held = copy.deepcopy(base) if merge else base
    with nullcontext() if merge else _as_it_was(base):
        model = _attach(held, files)
        for module in model.modules() if scale != 1.0 else ():
            if isinstance(module, LoraLayer):
                cast(Any, module).scale_layer(scale)
        try:
            yield _try_call((model.merge_and_unload() if merge and _mergeable(model) else model).eval(), folder)
        except Overflowed as error:
            raise Overflowed(f"adapter: {folder}: with it, {error}") from None
    if fingerprint(base) != before:
        raise ModelError(f"adapter: {folder}: the base's weights changed while it was attached; the measurement is not of this base")


def _try_call(model: Any, folder: str | Path) -> Any:
    """The model, after a first call on a few tokens."""
    ids = torch.arange(min(8, model.get_input_embeddings().weight.shape[0]), device=placement.entry_device(model))
    try:
        with torch.inference_mode():
            logits = model(input_ids=ids[None], use_cache=False).logits
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ModelError(f"adapter: {folder}: cannot be run on this base: {reason(error)}; {adapter_files.MERGE_FIRST}") from None
    require_finite(logits.amax(-1), model)
    return model


def _attach(base: nn.Module, files: AdapterFiles) -> Any:
    """A PeftModel around the base itself with every tensor of the file in its place. Raises ModelError."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    own = {id(t) for t in (*base.parameters(), *base.buffers())}
    config, strange, lacking = copy.deepcopy(files.config), [], False
    config.inference_mode = True
    expected: set[str] = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say of a mismatch is an error here
            with placement.placeholder_weights(base):
                model: Any = get_peft_model(cast(Any, base), config)
            placement.place_lora(model)
            expected = set(get_peft_model_state_dict(model, save_embedding_layers=False))
            _keep_own(model, files, own)
            result = set_peft_model_state_dict(model, files.tensors)
            strange = result.unexpected_keys
            theirs = dict((*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)))
            lacking = not expected <= files.tensors.keys() and any(k in theirs and id(theirs[k]) not in own for k in result.missing_keys)
    except Exception as error:
        if shapes := _SHAPE.findall(" ".join(str(error).split())):
            name, found, here = shapes[0]
            more = f" (and {len(shapes) - 1} more)" if len(shapes) > 1 else ""
            grown = "embed" in name or "lm_head" in name
            fix = (
                "give the base as many tokens (resize_token_embeddings), save it and"
                if grown
                else "take the adapter's own adapter_config.json, or"
            )
            raise ModelError(
                f"adapter: {files.folder} does not fit this base: {name.replace('.default', '')}{more} is {found} in the file and {here} "
                f"here; {fix} name the base it was trained on as model.name"
            ) from None
        if isinstance(error, KeyError) and expected:
            raise adapter_files.refuse_names(files.folder, files.tensors, expected) from None
        fields = [f for f in adapter_files.TOKEN_FIELDS if getattr(config, f, None)]
        where = f" ({fields[0]} names a token that it lacks)" if fields and isinstance(error, IndexError) else ""
        raise ModelError(f"adapter: {files.folder} does not fit this base{where}: {reason(error)}") from None
    if strange or lacking:
        raise adapter_files.refuse_names(files.folder, files.tensors, expected)
    return model


def _keep_own(model: Any, files: AdapterFiles, own: set[int]) -> None:
    """Give the base's own weights that the file replaces (biases, embeddings) a tensor of their own, so that the base keeps its values."""
    for name in files.tensors:
        place, _, last = name.rpartition(".")
        try:
            module = model.get_submodule(place)
        except AttributeError:
            continue
        weight = module._parameters.get(last)
        if weight is not None and id(weight) in own:
            if weight.device.type == "meta":
                raise ValueError(f"it replaces {name}, which is fetched from memory or disk; set execution.device_map=null")
            with torch.no_grad():
                fresh = nn.Parameter(weight.clone(), requires_grad=False)
            for other in [m for m in model.modules() if any(p is weight for p in m._parameters.values())]:  # tied stays tied
                other._parameters.update({n: fresh for n, p in other._parameters.items() if p is weight})


@contextmanager
def _as_it_was(base: nn.Module) -> Iterator[None]:
    """Put a base's modules and weights back in their places, whatever an adapter did to them."""
    names = ("_modules", "_parameters", "_buffers", "_forward_hooks", "_forward_pre_hooks")
    held = [(module, {name: dict(getattr(module, name)) for name in names}) for module in base.modules()]
    had = set(vars(base))
    try:
        yield
    finally:
        for module, parts in held:
            for name, part in parts.items():
                mine = getattr(module, name)
                mine.clear()
                mine.update(part)
        for name in set(vars(base)) - had:
            delattr(base, name)


def _mergeable(model: Any) -> bool:
    """Is adding the update to the weights exact: plain linear layers, none of whose weights another module uses?"""
    from peft.tuners.lora import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer
    from transformers.pytorch_utils import Conv1D

    uses = Counter(p.data_ptr() for _, p in model.named_parameters(remove_duplicate=False))
    layers: list[Any] = [m for m in model.modules() if isinstance(m, BaseTunerLayer)]
    plain = all(type(m) is Linear and type(m.base_layer) in (nn.Linear, Conv1D) for m in layers)
    return plain and all(uses[m.base_layer.weight.data_ptr()] == 1 and not any(m.lora_bias.values()) for m in layers)
