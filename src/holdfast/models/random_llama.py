"""A small Llama with random weights in the hub's format, to run the whole pipeline on real rows; it scores at chance.

Named `random:SEED` in a study, it is written once to the user's cache; `python -m holdfast.models.random_llama DIR` writes it anywhere.
The tokenizer is byte-level, so that it covers every text.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def write_random_llama(folder: Path, seed: int = 0, hidden_size: int = 64, num_layers: int = 2) -> Path:
    """Save the checkpoint and its tokenizer under `folder`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, []))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", additional_special_tokens=special[3:]
    )
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=hidden_size, intermediate_size=2 * hidden_size, num_hidden_layers=num_layers,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=8192, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def cached_random_llama(seed: int) -> Path:
    """The model's folder in the user's cache, written if missing, in one step even if several processes write at once."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast" / f"random-llama-{seed}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            write_random_llama(draft, seed)
            draft.rename(place)
        except OSError:
            if not place.is_dir():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place


if __name__ == "__main__":
    print(write_random_llama(Path(sys.argv[1])))
