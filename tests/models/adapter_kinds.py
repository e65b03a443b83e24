"""Adapters of every kind that PEFT makes, on toy models, with PEFT's own forward as their reference."""

import copy
import warnings

import peft
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from holdfast.engine.local import ScoreRequest

REQUESTS = [
    ScoreRequest((1, 5, 9, 4), ((7, 8), (6,))),
    ScoreRequest((1, 5, 9, 11, 3), ((3,), (12,))),
    ScoreRequest((1, 20, 9, 11, 3, 6, 7), ((3, 9, 9), (12,))),
]
QV = ["q_proj", "v_proj"]


def lora(target=QV, **fields):
    return peft.LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": target, "task_type": "CAUSAL_LM", **fields})


def other(kind, target=QV, **fields):
    return getattr(peft, kind + "Config")(target_modules=target, task_type="CAUSAL_LM", **fields)


CARRIED = {
    "LoRA": lambda: lora(),
    "LoRA, no task": lambda: lora(task_type=None),
    "LoRA on the head": lambda: lora(["q_proj", "lm_head"]),
    "LoRA on the embedding": lambda: lora(["q_proj", "embed_tokens"]),
    "LoRA on both": lambda: lora(["embed_tokens", "lm_head"]),
    "LoRA on both, kept tied": lambda: lora(["embed_tokens", "lm_head"], ensure_weight_tying=True),
    "LoRA on all linear layers": lambda: lora("all-linear"),
    "LoRA by a pattern": lambda: lora(r".*layers\.0\..*(up|down)_proj"),
    "LoRA on some layers": lambda: lora(layers_to_transform=[1]),
    "LoRA but for some modules": lambda: lora("all-linear", exclude_modules=["q_proj"]),
    "LoRA on parameters": lambda: lora(["v_proj"], target_parameters=["q_proj.weight"]),
    "ranks and alphas by module": lambda: lora(rank_pattern={"q_proj": 2, "layers.1.self_attn.v_proj": 3}, alpha_pattern={"v_proj": 5}),
    "rsLoRA": lambda: lora(use_rslora=True),
    "alpha that is no whole number": lambda: lora(lora_alpha=2.5),
    "DoRA": lambda: lora(use_dora=True),
    "DoRA on the head": lambda: lora(["q_proj", "lm_head"], use_dora=True),
    "DoRA on the embedding": lambda: lora(["q_proj", "embed_tokens"], use_dora=True),
    "biases of LoRA": lambda: lora(lora_bias=True),
    "biases of LoRA and of its layers": lambda: lora(bias="lora_only", lora_bias=True),
    "all biases": lambda: lora(bias="all"),
    "biases of its layers": lambda: lora(bias="lora_only"),
    "the head saved": lambda: lora(modules_to_save=["lm_head"]),
    "the embedding saved": lambda: lora(modules_to_save=["embed_tokens"]),
    "both saved": lambda: lora(modules_to_save=["embed_tokens", "lm_head"]),
    "the embedding saved, kept tied": lambda: lora(modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    "a norm saved": lambda: lora(modules_to_save=["norm"]),
    "some tokens": lambda: lora(trainable_token_indices=[3, 9, 12]),
    "some tokens by module": lambda: lora(trainable_token_indices={"embed_tokens": [3, 9, 12]}),
    "tokens alone": lambda: other("TrainableTokens", ["embed_tokens"], token_indices=[3, 9, 12]),
    "VeRA": lambda: other("Vera", ["q_proj", "o_proj"], r=4),
    "VeRA, projections not saved": lambda: other("Vera", ["q_proj", "o_proj"], r=4, save_projection=False),
    "IA3": lambda: other("IA3", ["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "LoHa": lambda: other("LoHa", r=4, alpha=8),
    "LoKr": lambda: other("LoKr", r=4, alpha=8),
    "LoKr on the head": lambda: other("LoKr", ["lm_head"], r=4, alpha=8),
    "OFT": lambda: other("OFT", r=0, oft_block_size=8),
    "BOFT": lambda: other("BOFT", boft_block_size=4),
    "HRA": lambda: other("HRA", r=4),
    "HRA, orthogonal": lambda: other("HRA", r=4, apply_GS=True),
    "norms": lambda: other("LNTuning", ["input_layernorm", "norm"]),
    "FourierFT": lambda: other("FourierFT", n_frequency=50),
    "RandLoRA": lambda: other("RandLora", ["q_proj", "o_proj"], r=4),
    "AdaLoRA": lambda: other("AdaLora", init_r=6, target_r=4, total_step=10, tinit=1, tfinal=1, lora_alpha=8),
}
REFUSED = {
    "activated LoRA": (lambda: lora(alora_invocation_tokens=[9]), "alora_invocation_tokens"),
    "PiSSA": (lambda: lora(init_lora_weights="pissa"), "init_lora_weights"),
    "OLoRA": (lambda: lora(init_lora_weights="olora"), "init_lora_weights"),
    "repeated layers": (lambda: lora(layer_replication=[[0, 1], [0, 2]]), "layer_replication"),
    "prompt tuning": (lambda: peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), "virtual tokens"),
    "prefix tuning": (lambda: peft.PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), "virtual tokens"),
    "p-tuning": (lambda: peft.PromptEncoderConfig(num_virtual_tokens=3, encoder_hidden_size=8, task_type="CAUSAL_LM"), "virtual tokens"),
    "VB-LoRA": (lambda: other("VBLoRA", ["q_proj"], r=4, num_vectors=8, vector_length=8), "does not carry"),
    "MiSS": (lambda: other("Miss", ["q_proj"], r=4), "does not carry"),
    "Poly": (lambda: other("Poly", r=4), "does not carry"),
    "a classifier's": (lambda: lora(task_type="SEQ_CLS"), "task_type"),
}


def toy(tied, dtype=torch.float32):
    torch.manual_seed(0)
    return (
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=31,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=0,
                tie_word_embeddings=tied,
                initializer_range=0.3,
                attention_bias=True,
            )  # fmt: skip
        )
        .eval()
        .to(dtype)
    )


def write(config, base, folder, std=0.2):
    """An adapter whose every trained value is away from its start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(copy.deepcopy(base), config() if callable(config) else config)
        draw = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for p in model.parameters():
                if p.requires_grad:
                    p.add_(std * torch.randn(p.shape, generator=draw).to(p.dtype))
        model.save_pretrained(folder)
    return folder


def pefts_own(base, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peft.PeftModel.from_pretrained(copy.deepcopy(base), folder).eval()


@torch.inference_mode()
def logliks(model, requests=REQUESTS):
    """One sequence at a time."""
    out = []
    for r in requests:
        for c in r.continuations:
            found = model(input_ids=torch.tensor([r.context + c]), use_cache=False).logits[0].float().log_softmax(-1)
            out.append(sum(float(found[len(r.context) - 1 + i, token]) for i, token in enumerate(c)))
    return out


def gap(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
