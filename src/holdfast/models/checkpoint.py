"""The base checkpoint: from the embedded world, a local folder or a hub id. safetensors only; remote code only if the study allows it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.config import ModelConfig
from holdfast.errors import ModelError
from holdfast.escape import few, reason
from holdfast.models.chat import ChatFormat, Limits
from holdfast.world import base_path

if TYPE_CHECKING:  # an audit reads a tokenizer without torch
    import torch
    from torch import nn

READ = (".safetensors", ".json", ".model", ".jinja", ".txt", ".tiktoken", ".vocab", ".bpe", ".codes", ".spm", ".py")
UNREAD = re.compile(r"recipe\.json|(readme|licen[cs]e|notice|requirements|use_policy|changelog)\b.*", re.IGNORECASE)
# What older checkpoints store and a model computes: nothing is lost with them.
_COMPUTED = re.compile(r"(^|\.)(inv_freq|position_ids|masked_bias|causal_mask)$")


@dataclass
class Base:
    """A loaded base model with its tokenizer; `folder`: where it was loaded from, or its hub id."""

    model: nn.Module
    chat: ChatFormat
    folder: str


def pick_device(device: str | None) -> torch.device:
    """The named device; None: a CUDA device if there is one, else the CPU."""
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        picked = torch.device(device)
    except RuntimeError:
        raise ModelError(f"execution.device: {device!r} is not a device; use cpu, cuda, cuda:0 or mps") from None
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"execution.device: {device!r} is set, but this machine has no CUDA device; use cpu")
    return picked


def resolve(config: ModelConfig) -> tuple[str, str | None]:
    """(folder or hub id, revision) of the configured model."""
    if config.endpoint is not None:
        raise ModelError(
            f"model.name: {config.name!r} is a server's model: its weights are not on this machine; run, plan and probe query it"
        )
    if config.world_seed is not None:
        folder = base_path(config.world_seed)
        if not (Path(folder) / "model.safetensors").is_file():
            raise ModelError(
                f"model.name: no base shipped for {config.name!r}; build it: "
                f"python -m holdfast.world.build --seed {config.world_seed} --out DIR, then model.name=DIR"
            )
        return str(folder), None
    kind, _, seed = config.name.partition(":")
    if kind == "random":
        from holdfast.models.random_llama import cached_random_llama

        if not re.fullmatch(r"[0-9]{1,9}", seed):
            raise ModelError(f"model.name: {config.name!r}: a model of random weights is named by its seed, for example random:0")
        return str(cached_random_llama(int(seed))), None
    if config.name.startswith("world:"):
        raise ModelError(f"model.name: {config.name!r}: a world is named by its seed, for example world:0")
    if Path(config.name).is_dir():
        if (Path(config.name) / "adapter_config.json").is_file():
            raise ModelError(f"model.name: {config.name!r} holds an adapter; name its base here, and the folder as an adapter")
        return config.name, None
    name, _, revision = config.name.partition("@")
    if config.name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(f"model.name: {config.name!r} is neither an existing folder nor a hub id org/name[@revision]")
    return name, revision or None


def pinned(config: ModelConfig) -> ModelConfig:
    """The same model; a hub id with the commit that its revision is now. Raises ModelError if it cannot be found."""
    where, revision = resolve(config)
    if Path(where).is_dir() or re.fullmatch("[0-9a-f]{40}", revision or ""):
        return config
    return config.model_copy(update={"name": f"{where}@{_snapshot(where, revision).name}"})


def _snapshot(where: str, revision: str | None) -> Path:
    """The folder that holds the files: itself, or one of the hub's cache, which is named by the commit."""
    from transformers.utils.hub import cached_file

    if Path(where).is_dir():
        return Path(where)
    refused = None
    for name in ("config.json", "tokenizer_config.json"):  # a tokenizer alone has no config.json
        try:
            if file := cached_file(where, name, revision=revision):
                return Path(file).parent
        except Exception as error:
            refused = refused or error
    raise _load_error(where, "{} could not be found", refused or FileNotFoundError("config.json")) from None


def digest(config: ModelConfig) -> str:
    """Identity of the base: sha256 over the files it is read from, or the hub id with its commit; and a template given as a file."""
    where, revision = resolve(pinned(config))
    folder, whole = Path(where), hashlib.sha256()
    own = [Path(config.chat_template)] if config.chat_template else []
    if own and not own[0].is_file():
        raise ModelError(f"model.chat_template: no such file: {config.chat_template}")
    files = [f for f in folder.iterdir() if _is_read(f)] if folder.is_dir() else []
    for file in [*sorted(files), *sorted(folder.glob("additional_chat_templates/*.jinja")), *own]:
        whole.update(file.name.encode())
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: whole)
    if folder.is_dir():
        return whole.hexdigest()
    return f"{where}@{revision}" + (f" with template {whole.hexdigest()}" if own else "")


def _is_read(file: Path) -> bool:
    return file.is_file() and (file.suffix in READ or file.stem == "vocab") and not UNREAD.fullmatch(file.name)


def load_tokenizer(config: ModelConfig) -> Any:
    """The tokenizer with its chat template. Raises ModelError if either is missing or cannot be used."""
    if config.world_seed is not None or config.name.startswith("random:"):
        from transformers import PreTrainedTokenizerFast as loader  # what AutoTokenizer returns for these, without importing torch
    else:
        from transformers import AutoTokenizer as loader

    tokenizer = _load(loader, pinned(config), "no tokenizer could be loaded from {}")
    if config.chat_template:
        file = Path(config.chat_template)
        if not file.is_file():
            raise ModelError(f"model.chat_template: no such file: {config.chat_template}")
        tokenizer.chat_template = file.read_text(encoding="utf-8")
    ChatFormat(tokenizer).check()
    return tokenizer


def load_config(config: ModelConfig) -> Any:
    """The text model's configuration. Raises ModelError if there is none."""
    from transformers import AutoConfig

    return _load(AutoConfig, pinned(config), "no configuration could be loaded from {}").get_text_config()


def load_limits(config: ModelConfig) -> Limits:
    """Limits of the model, from its configuration."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = _load(AutoConfig, pinned(config), "no configuration could be loaded from {}")
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(shape, trust_remote_code=config.trust_remote_code)
    except Exception as error:
        raise _load_error(resolve(config)[0], "{} could not be loaded", error) from None
    return limits_of(model)


def limits_of(model: Any) -> Limits:
    """Rows of a model's embedding, and its positions: of the tables that it looks them up in, or those it was trained on."""
    from torch import nn

    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    is_table = lambda name: "pos" in name.rpartition(".")[2] or name.endswith("wpe")  # noqa: E731
    tables = [
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1) - getattr(module, "offset", 0)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and is_table(name)
    ]
    tables += [len(b) for name, b in model.named_buffers() if b.dim() == 2 and name.endswith(("embed_positions", "pos_encoding"))]
    return Limits(
        model.get_input_embeddings().weight.shape[0], min([*tables, positions or tables[0]]) if tables else positions, bool(tables)
    )


def load_base(
    config: ModelConfig,
    device: torch.device | str = "cpu",
    device_map: str | dict[str, Any] | None = None,
    max_memory: dict[Any, Any] | None = None,
) -> Base:
    """Weights in the configured dtype on `device`, in eval mode; or where `device_map` places them, as transformers reads it.

    Raises ModelError if the checkpoint is missing, gated, not in safetensors, needs code of its own, or does not hold exactly the model's
    tensors, all finite; ConfigError if it cannot be quantized.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from holdfast.models import quantized

    config = pinned(config)
    tokenizer = load_tokenizer(config)
    options = quantized.load_options(config.dtype, torch.device(device)) if config.quantization else {}
    if device_map:
        options |= {"device_map": device_map, "max_memory": max_memory}
    options |= {"dtype": getattr(torch, config.dtype), "use_safetensors": True}
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # they are named below
    where, revision = resolve(config)
    _weight_files(_snapshot(where, revision))  # refused before minutes of loading; what a hub has still to send is listed below
    model, found = _load(AutoModelForCausalLM, config, "{} could not be loaded", **options)
    files = _weight_files(_snapshot(where, revision))
    _require_whole(where, model, found, files)
    placed = quantized.keep_packed_weights(model) if config.quantization else model if device_map else model.to(device)
    _require_finite(where, placed, files, config.dtype)
    _require_causal(where, placed.eval())
    limits = limits_of(model)
    chat = ChatFormat(tokenizer, limits)
    chat.check()
    if (tokenizer.pad_token_id or 0) >= limits.rows:
        tokenizer.pad_token = None  # added without a row: padding is masked, and any token will do
    return Base(placed.eval(), chat, where)


def _weight_files(folder: Path) -> list[Path]:
    """Weight files that transformers reads: one, or the shards of an index. Raises ModelError for an index that it cannot read, or both."""
    index, whole = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if not index.is_file():
        return [whole]
    try:
        held = json.loads(index.read_text(encoding="utf-8"))
        dict(held["metadata"])  # transformers reads it, too
        shards = [folder / name for name in sorted({*held["weight_map"].values()})]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(
            f'model.name: {index}: must be an object with "metadata" and "weight_map" ({reason(error, 100)}); save the model again'
        ) from None
    if whole.is_file() and any(shard != whole and shard.is_file() for shard in shards):
        raise ModelError(f"model.name: {str(folder)!r} holds {whole.name} and the shards of {index.name}: two models; remove one of them")
    return [whole] if whole.is_file() else shards


def _require_whole(where: str, model: Any, found: dict[str, Any], files: list[Path]) -> None:
    """Raises ModelError if tensors are missing, left over, of another size, or whole numbers in place of weights."""
    from safetensors import safe_open

    if getattr(model, "_hf_peft_config_loaded", False):
        raise ModelError(f"model.name: {where!r} holds an adapter; name its base here, and the folder as an adapter")
    if getattr(model.config, "quantization_config", None) is not None and getattr(model, "hf_quantizer", None) is None:
        method = getattr(kept := model.config.quantization_config, "get", partial(getattr, kept))("quant_method", None)
        raise ModelError(
            f"model.name: {where!r}: quantization_config: {str(method)[:40]!r} is not a method that transformers knows; name a checkpoint without"
        )
    head: Any = model.get_output_embeddings()
    rows = model.get_input_embeddings()
    ties = getattr(model, "_tied_weights_keys", None) and model.config.get_text_config().tie_word_embeddings
    if (
        ties
        and head is not None
        and head.weight.shape == rows.weight.shape
        and head.weight.device.type != "meta" != rows.weight.device.type
    ):
        if not head.weight.equal(rows.weight):
            said = "says tie_word_embeddings, but the head that is stored is not the embedding"
            raise ModelError(f"model.name: {where!r} {said}; set it to false in config.json, or remove the head from the file")
    stored: dict[str, tuple[str, tuple[int, ...]]] = {}
    for file in files:
        with safe_open(file, "pt") as tensors:
            stored |= {name: ((part := tensors.get_slice(name)).get_dtype(), tuple(part.get_shape())) for name in tensors.keys()}  # noqa: SIM118
    weights = dict(model.named_parameters())
    plain = getattr(model.config, "quantization_config", None) is None
    whole = [name for name, (kind, _) in stored.items() if plain and name in weights and kind[0] in "IUB" and kind != "BF16"]
    left = [
        name
        for name in found["unexpected_keys"]
        if not _COMPUTED.search(name) and not (name.endswith(".bias") and len(stored.get(name, ("", ()))[1]) == 4)
    ]
    sizes = [f"{name} ({list(theirs)} instead of {list(ours)})" for name, theirs, ours in found["mismatched_keys"]]
    wrong = {"lacks tensors of the model": found["missing_keys"], "holds tensors that the model does not have": left,
             "holds tensors of other sizes than its config.json says": sizes, "holds whole numbers as weights": whole}  # fmt: skip
    if said := "; ".join(f"{what}: {few(names)}" for what, names in wrong.items() if names):
        raise ModelError(f"model.name: {where!r} {said}; name a complete checkpoint with its own config.json")


def _require_finite(where: str, model: Any, files: list[Path], dtype: str) -> None:
    """Raises ModelError if a weight or stored buffer is NaN or infinite."""
    import torch
    from safetensors import safe_open

    def bad(tensor: torch.Tensor) -> bool:
        if tensor.device.type == "meta" or not tensor.is_floating_point() or not tensor.numel():
            return False
        return not all(bool(end.isfinite()) for end in torch.aminmax(tensor if tensor.element_size() > 1 else tensor.float()))

    held = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
    wrong = [name for name, tensor in held.items() if bad(tensor)]
    if any(tensor.device.type == "meta" for tensor in held.values()):  # fetched from the files when a layer needs them
        for file in files:
            with safe_open(file, "pt") as tensors:
                wrong += [name for name in tensors.keys() if name not in wrong and bad(tensors.get_tensor(name))]  # noqa: SIM118
    if wrong:
        raise ModelError(
            f"model.name: {where!r}, read as {dtype}, holds NaN or infinite numbers in {few(wrong)}; name a sound checkpoint, or a wider model.dtype"
        )


def _require_causal(where: str, model: Any) -> None:
    """Raises ModelError if its numbers overflow, or if a token changes what is predicted before it, as in an encoder."""
    import torch

    from holdfast.models.finite import require_finite
    from holdfast.models.placement import is_spread

    if is_spread(model):
        return
    ids = torch.arange(8, device=model.device).repeat(2, 1) % (model.get_input_embeddings().weight.shape[0] - 1)
    ids[1, -1] += 1
    try:
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits.float()
    except Exception:  # a model that cannot be called so is asked otherwise, or refused there
        return
    require_finite(logits.amax(-1), model)
    first, second = logits[:, :-1]
    gap, size = (first - second).abs().max(), (first - first.mean(-1, keepdim=True)).abs().max()
    if gap > (1e-5 if model.dtype == torch.float32 else 0.05) * size:
        raise ModelError(
            f"model.name: {where!r}, read as {type(model).__name__}, is not causal (it sees the tokens that it should predict); name a causal decoder"
        )


def _load(loader: Any, config: ModelConfig, failure: str, **options: Any) -> Any:
    where, revision = resolve(config)
    try:
        return loader.from_pretrained(where, revision=revision, trust_remote_code=config.trust_remote_code, **options)
    except Exception as error:
        raise _load_error(where, failure, error) from None


def _load_error(where: str, failure: str, error: Exception) -> ModelError:
    why = reason(error, 300)
    if "gated" in str(error).lower() or "401" in str(error) or "403" in str(error):
        why += f". Accept the licence at https://huggingface.co/{where} and run: hf auth login"
    return ModelError(f"model.name: {failure.format(repr(where))}: {why}")
