"""A frozen base in 4-bit NormalFloat (NF4; Dettmers et al. 2023, QLoRA), by bitsandbytes: linears but the output embedding, scales quantised too."""

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
BLOCK, SCALES = 64, 256  # weights to a scale of one byte, scales to a number of four
BYTES = 0.5 + 1 / BLOCK + 4 / (BLOCK * SCALES)  # a weight


def identity(quantization: str | None) -> dict[str, str]:
    """What of it decides a cell's numbers, for the cell's identity; nothing for a base that is not quantised."""
    if quantization is None:
        return {}
    _library()
    return {"quantization": f"{quantization}, bitsandbytes {version('bitsandbytes')}"}


def loading(dtype: str, device: torch.device) -> dict[str, Any]:
    """Arguments for from_pretrained. Raises ConfigError if bitsandbytes is not installed or the device cannot."""
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


def steady(model: nn.Module) -> nn.Module:
    """On processors with bfloat16 products the library packs weights anew in the first call that takes no gradient, with rounded scales:
    the base would change under its adapters. Left out here. Raises ConfigError where a processor would read the weights wrongly.
    """
    for name, module in model.named_modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
            if (
                module.weight.device.type == "cpu" and module.in_features % BLOCK
            ):  # bitsandbytes 0.50 takes every row to begin a block there
                raise ConfigError(
                    f"model.quantization: 'nf4': {name} has {module.in_features} inputs, on a processor they must be a multiple of {BLOCK}; "
                    "use an accelerator or another model"
                )
    return model


def is_quantized(model: nn.Module) -> bool:
    return bool(getattr(model, "is_loaded_in_4bit", False))


def shrunk(model: nn.Module) -> nn.Module:
    """A model on torch's meta device, its linears as large as their 4-bit weights: for planning. Shapes are kept in in_features, out_features."""
    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not head:
            size = round(BYTES * module.weight.numel())
            module.weight = nn.Parameter(torch.empty(size, dtype=torch.uint8, device="meta"), requires_grad=False)
    return model


def _library() -> None:
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of a faster kernel elsewhere
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of what the library calls
            importlib.import_module("bitsandbytes")
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"model.quantization: 'nf4' needs bitsandbytes ({type(error).__name__}): pip install 'holdfast[qlora]', or set model.quantization=null"
        ) from None
