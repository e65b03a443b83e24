"""Small random models of every family the engine claims, and of some that packed rows cannot carry."""

import torch
import transformers as tf

BASE = {
    "vocab_size": 128, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 256, "initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip
GQA = {"num_key_value_heads": 2}
SLIDING = {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16}
FAMILIES = {
    "Llama": ("Llama", {}),
    "Llama, grouped keys, tied, biases": ("Llama", GQA | {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}),
    "Qwen2": ("Qwen2", GQA),
    "Qwen2, window": ("Qwen2", GQA | {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
    "Qwen3": ("Qwen3", GQA | {"head_dim": 16}),
    "Mistral": ("Mistral", GQA | {"sliding_window": None}),
    "Mistral, window": ("Mistral", GQA | {"sliding_window": 16}),
    "Gemma 2, soft caps, window": ("Gemma2", GQA | SLIDING),
    "Gemma 3, window": ("Gemma3:Gemma3Text", GQA | SLIDING),
    "GPT-NeoX": ("GPTNeoX", {"rotary_pct": 0.25}),
    "GPT-NeoX, serial": ("GPTNeoX", {"use_parallel_residual": False}),
    "Phi-3": ("Phi3", GQA),
    "Olmo2": ("Olmo2", GQA),
}
STRANGE = {
    "Llama, dynamic rope": (
        "Llama",
        {"max_position_embeddings": 64, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}},
    ),
    "Mamba": ("Mamba", {}),
    "Falcon": ("Falcon", {}),
    "Bloom": ("Bloom", {}),
    "Gpt-oss, sinks": ("GptOss", GQA | {"head_dim": 16, "num_local_experts": 4, "sliding_window": 16}),
}


def make(family, extra):
    head, _, config = family.partition(":")
    torch.manual_seed(0)
    return getattr(tf, head + "ForCausalLM")(getattr(tf, (config or head) + "Config")(**BASE | extra)).eval()
