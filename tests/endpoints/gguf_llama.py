"""One small Llama of random weights twice: as a checkpoint in the hub's layout, and as the GGUF file that llama.cpp serves.

Tokens are bytes and one pair of them, so that both tokenizers cut every text alike.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '[' + m.role + ']' + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)
HEADS, LAYERS, WIDTH, INNER, CONTEXT = 4, 2, 64, 128, 1024


SPACE, LETTER = "\u0120", "A"
SIZE = 2 + 256 + 1


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 512))
    return [chr(b) if b in keep else chr(next(extra)) for b in range(256)]


def words() -> list[str]:
    return ["<s>", "</s>", *byte_alphabet(), SPACE + LETTER]


def tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    raw = Tokenizer(models.BPE({w: i for i, w in enumerate(words())}, [(SPACE, LETTER)]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", clean_up_tokenization_spaces=False)
    made.chat_template = TEMPLATE
    return made


def llama(seed: int) -> LlamaForCausalLM:
    """It hardly ever begins a character of several bytes: llama.cpp writes on until such a one is whole, and a model of random weights may begin another
    with every byte, so that one new token became ten.
    """
    torch.manual_seed(seed)
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=SIZE, hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            num_key_value_heads=HEADS, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=1, tie_word_embeddings=False,
            initializer_range=0.15, rms_norm_eps=1e-5,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        made.lm_head.weight[2 + 0xC0 : 2 + 0x100] = 0
    return made


def write(folder: Path, seed: int) -> tuple[Path, Path]:
    """(checkpoint folder, GGUF file)"""
    model, made = llama(seed), tokenizer()
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    file = folder.with_suffix(".gguf")
    _write_gguf(model, file)
    return folder, file


def _write_gguf(model: LlamaForCausalLM, file: Path) -> None:
    from gguf import GGUFWriter, TokenType

    out = GGUFWriter(str(file), "llama")
    out.add_name(file.stem)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(INNER)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(SIZE)
    out.add_file_type(0)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(words())
    out.add_token_types([TokenType.CONTROL, TokenType.CONTROL, *[TokenType.NORMAL] * (SIZE - 2)])
    out.add_token_merges([f"{SPACE} {LETTER}"])
    out.add_bos_token_id(0)
    out.add_eos_token_id(1)
    out.add_add_bos_token(True)
    out.add_chat_template(TEMPLATE)
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
             "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm"}  # fmt: skip
    for name, value in model.state_dict().items():
        stem = name.removesuffix(".weight")
        if stem.startswith("model.layers."):
            _, _, layer, rest = stem.split(".", 3)
            stem = f"blk.{layer}.{names[rest]}"
        else:
            stem = names[stem]
        tensor = value.float()
        if stem.endswith(("attn_q", "attn_k")):  # halves of a head's rotation lie side by side there
            tensor = tensor.view(HEADS, 2, WIDTH // HEADS // 2, WIDTH).swapaxes(1, 2).reshape(WIDTH, WIDTH)
        out.add_tensor(f"{stem}.weight", tensor.contiguous().numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
