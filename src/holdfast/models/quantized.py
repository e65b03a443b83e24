"""A frozen base in 4-bit NormalFloat (NF4; Dettmers et al. 2023, QLoRA), by bitsandbytes: all linears except the output embedding, with
quantized scales."""

from __future__ import annotations

import importlib
import logging
import warnings
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from holdfast.errors import ConfigError

DEVICES = ("cpu", "cuda", "xpu")
BLOCK, SCALES = 64, 256  # weights per one-byte scale, scales per four-byte number
BYTES = 0.5 + 1 / BLOCK + 4 / (BLOCK * SCALES)  # per weight


def identity(quantization: str | None) -> dict[str, str]:
    """The part of a cell's identity that quantization decides; empty for a base that is not quantized."""
    if quantization is None:
        return {}
    _library()
    return {"quantization": f"{quantization}, bitsandbytes {version('bitsandbytes')}"}


def load_options(dtype: str, device: torch.device) -> dict[str, Any]:
    """Arguments of from_pretrained. Raises ConfigError if bitsandbytes is not installed or does not support the device."""
    from transformers import BitsAndBytesConfig

    _library()
    if device.type not in DEVICES:
        raise ConfigError(
            f"model.quantization: 'nf4': no 4-bit weights on {device.type}; use execution.device=cuda or cpu, or model.quantization=null"
        )
    wanted = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=getattr(torch, dtype)
    )
    return {"quantization_config": wanted, "device_map": {"": str(device)}}


def keep_packed_weights(model: nn.Module) -> nn.Module:
    """Switch off repacking: on processors with bfloat16 products the library packs weights again in the first call without gradients,
    with rounded scales, and the base would change under its adapters. Raises ConfigError where a processor would misread the weights.
    """
    module: Any
    for name, module in model.named_modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
            if module.weight.device.type == "cpu" and module.in_features % BLOCK:  # bitsandbytes 0.50 starts a block at every row
                raise ConfigError(
                    f"model.quantization: 'nf4': {name} has {module.in_features} inputs, on a processor they must be a multiple of {BLOCK}; "
                    "use an accelerator or another model"
                )
    return model


def is_quantized(model: nn.Module) -> bool:
    """Whether the model has 4-bit weights."""
    return bool(getattr(model, "is_loaded_in_4bit", False))


def shrink_meta(model: Any) -> nn.Module:
    """For planning: give the linears of a model on torch's meta device the size of 4-bit weights; in_features and out_features stay."""
    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not head:
            size = round(BYTES * module.weight.numel())
            module.weight = nn.Parameter(torch.empty(size, dtype=torch.uint8, device="meta"), requires_grad=False)
    return model


def _library() -> None:
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it notes a faster kernel elsewhere
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from torch, about the library's calls
            importlib.import_module("bitsandbytes")
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"model.quantization: 'nf4' needs bitsandbytes ({type(error).__name__}): pip install 'holdfast[qlora]', or set model.quantization=null"
        ) from None
