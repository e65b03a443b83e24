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


MOE = GQA | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "num_local_experts": 4}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "n_inner": 48}
MLA = {"kv_lora_rank": 16, "q_lora_rank": None, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "head_dim": 8, "n_routed_experts": 4,
       "n_shared_experts": 1, "moe_intermediate_size": 24, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
       "num_key_value_heads": 4}  # fmt: skip
MAMBA = {"state_size": 8, "expand": 2, "time_step_rank": 4}
# Of every other causal language model that can be made small: by packed rows or by ordinary calls, as the engine finds.
OTHERS = {
    "Arcee": ("Arcee", GQA),
    "Bamba": ("Bamba", GQA | {"attn_layer_indices": [1], "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_expand": 2}),
    "BioGpt": ("BioGpt", {}),
    "Bitnet": ("BitNet", GQA),
    "Bloom, 2 heads": ("Bloom", {"n_head": 2, "n_layer": 2}),
    "CodeGen": ("CodeGen", GPT2 | {"rotary_dim": 8}),
    "Cohere": ("Cohere", GQA),
    "Cohere 2": ("Cohere2", GQA | {"sliding_window": 16}),
    "CTRL": ("CTRL:CTRL", {"n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4}),
    "DeepSeek 2": ("DeepseekV2", MLA),
    "DeepSeek 3": ("DeepseekV3", MLA | {"q_lora_rank": 16}),
    "Doge": ("Doge", GQA),
    "Ernie 4.5": ("Ernie4_5", GQA),
    "Exaone 4": ("Exaone4", GQA | {"sliding_window": 16}),
    "Falcon, grouped keys": ("Falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "Falcon, ALiBi": ("Falcon", {"alibi": True}),
    "Gemma": ("Gemma", GQA | {"head_dim": 16}),
    "GLM": ("Glm", GQA | {"head_dim": 16}),
    "GLM 4": ("Glm4", GQA | {"head_dim": 16}),
    "GPT-2": ("GPT2LMHeadModel:GPT2", GPT2),
    "GPT-BigCode": ("GPTBigCode", GPT2),
    "GPT-J": ("GPTJ", GPT2 | {"rotary_dim": 8}),
    "GPT-Neo, local": (
        "GPTNeo",
        {"num_hidden_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 16, "intermediate_size": 48},
    ),
    "GPT-NeoX Japanese": ("GPTNeoXJapanese", {"intermediate_multiple_size": 2}),
    "Granite": ("Granite", GQA | {"logits_scaling": 4.0, "attention_multiplier": 0.2, "embedding_multiplier": 3.0}),
    "Granite MoE": ("GraniteMoe", MOE),
    "Helium": ("Helium", GQA | {"head_dim": 8}),
    "Jamba": (
        "Jamba",
        MOE
        | {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "mamba_d_state": 8,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
    "JetMoe": ("JetMoe", {"num_key_value_heads": 2, "kv_channels": 8, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "Lfm2": ("Lfm2", GQA | {"layer_types": ["conv", "full_attention", "conv"]}),
    "Llama, linear rope": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}),
    "Llama, YaRN": (
        "Llama",
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}},
    ),
    "Llama, Llama 3's rope": (
        "Llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 1e4,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "Mamba 2": ("Mamba2", MAMBA | {"num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 16}),
    "MiniMax": ("MiniMax", MOE | {"layer_types": ["linear_attention", "full_attention", "linear_attention"], "block_size": 16}),
    "Mixtral": ("Mixtral", MOE),
    "MPT": ("Mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 256}),
    "Nemotron": ("Nemotron", GQA),
    "Olmo": ("Olmo", GQA),
    "Olmo 3": ("Olmo3", GQA | {"sliding_window": 16}),
    "OLMoE": ("Olmoe", MOE),
    "GPT": ("OpenAIGPTLMHeadModel:OpenAIGPT", GPT2),
    "OPT": ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "Persimmon": ("Persimmon", {}),
    "Phi": ("Phi", GQA),
    "Phi-3, long rope": (
        "Phi3",
        {
            "max_position_embeddings": 256,
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "short_factor": [1.0] * 4,
                "long_factor": [2.0] * 4,
                "original_max_position_embeddings": 64,
            },
        },
    ),
    "PhiMoE": ("Phimoe", MOE),
    "Qwen2-MoE": ("Qwen2Moe", MOE | {"shared_expert_intermediate_size": 24}),
    "Qwen3-MoE": ("Qwen3Moe", MOE | {"head_dim": 16}),
    "Recurrent Gemma": ("RecurrentGemma", GQA | {"lru_width": 32, "attention_window_size": 16, "block_types": ["recurrent", "attention"]}),
    "RWKV": ("Rwkv", {"attention_hidden_size": 32, "context_length": 256}),
    "Seed-OSS": ("SeedOss", GQA | {"head_dim": 16}),
    "SmolLM 3": ("SmolLM3", GQA | {"no_rope_layer_interval": 2}),
    "StableLM": ("StableLm", GQA),
    "Starcoder 2": ("Starcoder2", GQA | {"sliding_window": 16}),
    "XGLM": ("XGLM", {"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4}),
    "Zamba 2": (
        "Zamba2",
        GQA
        | {
            "mamba_d_state": 8,
            "mamba_expand": 2,
            "n_mamba_heads": 4,
            "mamba_ngroups": 1,
            "use_mamba_kernels": False,
            "layers_block_type": ["mamba", "hybrid", "mamba"],
            "num_mem_blocks": 1,
        },
    ),
}


def make(family, extra):
    head, _, config = family.partition(":")
    torch.manual_seed(0)
    whole = head if head.endswith("LMHeadModel") else head + ("LMHeadModel" if head == "CTRL" else "ForCausalLM")
    return getattr(tf, whole)(getattr(tf, (config or head) + "Config")(**BASE | extra)).eval()
