"""A base in 4 bits: refused in one line where it cannot be had, exact in what it computes, trained beside and recorded."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from peft import PeftModel
from transformers import LlamaConfig, LlamaForCausalLM

from holdfast.backends.local import LocalBackend
from holdfast.config import ModelConfig, TrainConfig, load_study
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.errors import ConfigError
from holdfast.models import quantized
from holdfast.models.adapters import adapted, fingerprint
from holdfast.models.checkpoint import load_base
from holdfast.planning import on_device
from holdfast.sources.materials import Materials
from holdfast.store import Store
from holdfast.training import lora
from holdfast.training.batches import Encoded

CONFIG = TrainConfig(r=4, lora_alpha=8, learning_rate=1e-2, num_train_epochs=3, per_device_train_batch_size=2, warmup_ratio=0)
EXAMPLES = [
    Encoded((1, 4, 10, 11, 12, 2), 3),
    Encoded((1, 4, 13, 14, 15, 16, 2), 4),
    Encoded((1, 4, 9, 8, 2), 2),
    Encoded((1, 4, 17, 18, 19, 2), 3),
]
REQUEST = ScoreRequest((1, 4, 10, 11), ((12, 13), (14,)))


@pytest.fixture
def library():
    return pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")


@pytest.fixture
def folder(tmp_path, chat):
    """A checkpoint 64 wide: one block a row."""
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(chat.tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                    max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False, initializer_range=0.2)
    ).save_pretrained(tmp_path / "base")  # fmt: skip
    chat.tokenizer.save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


@pytest.fixture
def base(library, folder):
    return load_base(ModelConfig(name=folder, quantization="nf4"))


def test_without_the_library_it_is_refused_in_one_line(monkeypatch, checkpoint_folder):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(
        ConfigError, match=r"^model.quantization: 'nf4' needs bitsandbytes .*: pip install 'holdfast\[qlora\]', or set"
    ) as found:
        load_base(ModelConfig(name=checkpoint_folder, quantization="nf4"))
    assert "\n" not in str(found.value)


def test_what_cannot_be_meant_is_refused(library, checkpoint_folder):
    with pytest.raises(ConfigError, match="has 32 inputs, on a processor they must be a multiple of 64"):
        load_base(ModelConfig(name=checkpoint_folder, quantization="nf4"))
    with pytest.raises(ConfigError, match="no 4-bit weights on mps; use execution.device=cuda or cpu"):
        quantized.load_options("float32", torch.device("mps"))
    with pytest.raises(ConfigError, match="model.quantization"):
        load_study("embedded", ["model.quantization=int3"])


def test_a_model_behind_a_server_is_not_quantized_from_here():
    with pytest.raises(ConfigError, match="model.quantization: is the server's own"):
        load_study("embedded", ["model.name=endpoint:http://127.0.0.1:9/v1", "model.quantization=nf4"])


def test_the_quantized_base_computes_what_its_dequantized_weights_say(library, base, chat):
    from bitsandbytes.functional import dequantize_4bit

    linears = {n: m for n, m in base.model.named_modules() if isinstance(m, library.nn.Linear4bit)}
    assert len(linears) == 14 and "lm_head" not in linears and all(m.weight.dtype == torch.uint8 for m in linears.values())
    plain = load_base(ModelConfig(name=base.folder)).model
    with torch.no_grad():
        for name, module in plain.named_modules():
            if name in linears:
                weight = linears[name].weight
                assert 0 < (module.weight - dequantize_4bit(weight.data, weight.quant_state)).abs().max() < 0.2 * module.weight.abs().max()
                module.weight.copy_(dequantize_4bit(weight.data, weight.quant_state))
    (ours,), (theirs,) = (LocalEngine(m, chat).score([REQUEST]) for m in (base.model, plain))
    assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.slow
def test_an_adapter_is_trained_beside_the_quantized_base_and_means_the_same_in_plain_peft(base, chat, tmp_path):
    before, untouched = fingerprint(base.model), LocalEngine(base.model, chat).score([REQUEST])
    for name in "ab":
        record = lora.train(base.model, EXAMPLES, CONFIG, seed=0, max_steps=12, out=tmp_path / name)
    assert record.loss[-1] < record.loss[0] and fingerprint(base.model) == before
    assert (tmp_path / "a" / "adapter_model.safetensors").read_bytes() == (tmp_path / "b" / "adapter_model.safetensors").read_bytes()
    with adapted(base.model, tmp_path / "a") as model:
        ours = LocalEngine(model, chat).score([REQUEST])[0]
    assert LocalEngine(base.model, chat).score([REQUEST]) == untouched and ours != pytest.approx(untouched[0], abs=1e-3)
    reference = PeftModel.from_pretrained(copy.deepcopy(base.model), str(tmp_path / "a")).eval()
    for continuation, value in zip(REQUEST.continuations, ours, strict=True):
        with torch.inference_mode():
            logprobs = reference(input_ids=torch.tensor([[*REQUEST.context, *continuation]])).logits[0].log_softmax(-1)
        assert value == pytest.approx(sum(float(logprobs[3 + k, t]) for k, t in enumerate(continuation)), abs=1e-4)


def test_it_is_part_of_what_a_cell_is(library, tmp_path):
    plain, fewer = (LocalBackend(load_study("embedded", settings), Store(tmp_path)) for settings in ([], ["model.quantization=nf4"]))
    assert "quantization" not in plain.adapters.identity("maths", 0)
    assert fewer.adapters.identity("maths", 0)["quantization"].startswith("nf4, bitsandbytes ")
    assert plain.store.name("adapter", plain.adapters.identity("maths", 0)) != fewer.store.name(
        "adapter", fewer.adapters.identity("maths", 0)
    )


def test_a_7b_model_is_planned_in_4_bits():
    found = {}
    for name, settings in (("plain", []), ("nf4", ["model.quantization=nf4"])):
        study = load_study("llama2-7b", settings)
        found[name] = on_device(study, Materials(study), 80)
    # 6,476,005,376 weights in linears at 4 bits, 1/64 byte and 1/4096 byte each; two embeddings and the norms in bfloat16
    assert found["nf4"]["memory, GiB"]["weights"] == pytest.approx(
        (6_476_005_376 * (0.5 + 1 / 64 + 1 / 4096) + 2 * 262_410_240) / 2**30, abs=0.01
    )
    assert "nf4" in found["nf4"]["model"]
    for same in ("parameters", "trainable parameters", "PFLOP"):
        assert found["nf4"][same] == found["plain"][same]
    assert found["nf4"]["trainable parameters"] == 39_976_960
