"""Training: PEFT's format, the base untouched, packed rows equal to padded calls."""

import copy

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from holdfast.config import TrainConfig
from holdfast.engine import memory, packed
from holdfast.engine.fit import Fit
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.errors import DataError, ModelError
from holdfast.models.adapters import adapted
from holdfast.records import Example, Message
from holdfast.training import batches, lora
from holdfast.training.batches import Encoded
from holdfast.training.rows import TrainingRow, draws_numbers, group_examples, padded_loss, row_loss

CONFIG = TrainConfig(r=4, lora_alpha=8, learning_rate=1e-2, num_train_epochs=3, per_device_train_batch_size=4, warmup_ratio=0)


def examples():
    say = lambda q, a: Example(messages=(Message("user", q), Message("assistant", a)))  # noqa: E731
    return [
        say("what is one ?", "two"),
        say("what is two ? A B", "the answer is three"),
        say("what is three ?", "four ."),
        say("no ?", "yes"),
        Example(plain=True, messages=(Message("user", "one two three"),), completion="four five"),
    ]


def test_loss_falls_on_the_reply_and_its_end_token_only(chat):
    ids, first = chat.encode_example(examples()[0])
    assert chat.tokenizer.decode(ids[first:]) == "two </s>"
    assert chat.tokenizer.decode(chat.encode_example(examples()[0], train_eos=False)[0][first:]) == "two"
    plain, first = chat.encode_example(examples()[4])
    assert chat.tokenizer.decode(plain[first:]) == "four five"


def test_packed_rows_and_padded_calls_give_the_same_gradient(llama, chat):
    encoded = batches.encode(examples(), chat, CONFIG).examples
    grads = []
    packed_loss = lambda model, rows, device: row_loss(model, TrainingRow.of(rows, device))  # noqa: E731
    for loss in (packed_loss, padded_loss):
        model = lora.with_adapter(llama, CONFIG, 0)
        torch.manual_seed(1)
        for name, p in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(p)
        loss(model, encoded, torch.device("cpu")).backward()
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
        model.unload()
    assert grads[0].keys() == grads[1].keys() and grads[0]
    for name in grads[0]:
        torch.testing.assert_close(grads[0][name], grads[1][name], atol=1e-4, rtol=1e-4)


def test_a_start_that_rows_share_is_computed_once_unless_a_pass_draws_numbers(llama, chat, tmp_path):
    encoded = batches.encode(examples(), chat, CONFIG).examples
    whole, train = 5 * [encoded[0]], lambda config, out: lora.train(llama, whole, config, seed=0, max_steps=1, out=tmp_path / out)
    assert CONFIG.per_device_train_batch_size == 4
    shared, drawn = train(CONFIG, "a"), train(CONFIG.model_copy(update={"lora_dropout": 0.1}), "b")
    assert shared.num_tokens == drawn.num_tokens == 4 * len(encoded[0].ids)
    assert (shared.num_computed, drawn.num_computed) == (len(encoded[0].ids) - 1, 4 * (len(encoded[0].ids) - 1))
    assert not draws_numbers(llama)
    llama.config.attention_dropout, before = 0.1, llama.config.attention_dropout
    try:
        assert draws_numbers(llama)
    finally:
        llama.config.attention_dropout = before


def test_a_saved_adapter_in_plain_peft_gives_the_same_log_likelihoods(llama, chat, tmp_path):
    before = {k: v.clone() for k, v in llama.state_dict().items()}
    encoded = batches.encode(examples(), chat, CONFIG).examples
    record = lora.train(llama, encoded, CONFIG, seed=0, max_steps=batches.num_steps(5, CONFIG), out=tmp_path / "a")
    assert record.packed and record.loss[-1] < record.loss[0]
    assert all(torch.equal(before[k], v) for k, v in llama.state_dict().items())
    request = ScoreRequest((1, 4, 10, 11), ((12, 13), (14,)))
    with adapted(llama, tmp_path / "a") as model:
        ours = LocalEngine(model, chat).score([request])[0]
    reference = PeftModel.from_pretrained(llama, str(tmp_path / "a")).eval()
    for continuation, value in zip(request.continuations, ours, strict=True):
        with torch.inference_mode():
            logprobs = reference(input_ids=torch.tensor([[*request.context, *continuation]])).logits[0].log_softmax(-1)
        want = sum(float(logprobs[3 + k, t]) for k, t in enumerate(continuation))
        assert value == pytest.approx(want, abs=1e-5 * len(continuation))


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("target", [("lm_head",), ("embed_tokens",), ("q_proj", "lm_head", "embed_tokens"), "all-linear"])
def test_an_adapter_trained_on_the_head_or_the_embedding_is_pefts_own(llama, chat, tmp_path, target, tied):
    if tied:
        llama.config.tie_word_embeddings = True
        llama.lm_head.weight = llama.model.embed_tokens.weight
    config = CONFIG.model_copy(update={"target_modules": target})
    encoded = batches.encode(examples(), chat, config).examples
    lora.train(llama, encoded, config, seed=0, max_steps=4, out=tmp_path / "a")
    assert not any("base_layer" in name for name in load_file(tmp_path / "a" / "adapter_model.safetensors"))  # no copy of the vocabulary
    ids = torch.tensor([[1, 4, 10, 11, 12]])
    with torch.inference_mode():
        own = llama(ids).logits.log_softmax(-1)
        with adapted(llama, tmp_path / "a") as model:
            ours = model(ids).logits.log_softmax(-1)
        reference = PeftModel.from_pretrained(copy.deepcopy(llama), str(tmp_path / "a")).eval()
        assert (ours - reference(ids).logits.log_softmax(-1)).abs().max() < 1e-4
    assert (ours - own).abs().max() > 1e-4 and torch.equal(llama(ids).logits.log_softmax(-1), own)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(llama, chat, tmp_path):
    encoded = batches.encode(examples(), chat, CONFIG).examples
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        lora.train(llama, encoded, CONFIG, seed=seed, max_steps=3, out=tmp_path / name)
    weights = [(tmp_path / n / "adapter_model.safetensors").read_bytes() for n in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_an_identity_adapter_equals_the_base_exactly(llama, chat, tmp_path):
    lora.identity(llama, CONFIG, 0, tmp_path / "i")
    request = ScoreRequest((1, 4, 10, 11), ((12, 13), (14,)))
    with adapted(llama, tmp_path / "i") as model:
        assert LocalEngine(model, chat).score([request]) == LocalEngine(llama, chat).score([request])


def test_an_adapter_that_changes_nothing_is_an_error(llama, chat, tmp_path):
    encoded = batches.encode(examples(), chat, CONFIG).examples
    with pytest.raises(ModelError, match="changes nothing"):
        lora.train(llama, encoded, CONFIG, seed=0, max_steps=0, out=tmp_path / "n")


def test_rows_lost_to_truncation_are_counted(chat):
    encoding = batches.encode(examples(), chat, CONFIG.model_copy(update={"max_length": 8}))
    assert encoding.num_dropped + len(encoding.examples) == 5 and encoding.num_truncated > 0
    with pytest.raises(DataError, match="max_length"):
        batches.encode(examples(), chat, CONFIG.model_copy(update={"max_length": 2}))


def test_every_epoch_visits_every_example_once_in_a_seeded_order():
    steps = batches.step_order(10, CONFIG, seed=3, max_steps=6)
    assert sorted(i for step in steps[:3] for i in step) == list(range(10)) == sorted(i for step in steps[3:] for i in step)
    assert steps == batches.step_order(10, CONFIG, seed=3, max_steps=6) != batches.step_order(10, CONFIG, seed=4, max_steps=6)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("use_packed", [True, False])
def test_activations_computed_again_give_the_same_adapter(llama, chat, tmp_path, dropout, use_packed):
    config = CONFIG.model_copy(update={"lora_dropout": dropout})
    encoded = batches.encode(examples(), chat, config).examples
    fit = Fit(None if use_packed else "switched off", False)
    calls, losses = {}, {}
    layer = llama.model.layers[0]
    for checkpointing in (False, True):
        count = []
        hook = layer.mlp.register_forward_pre_hook(lambda *_, count=count: count.append(1))
        losses[checkpointing] = lora.train(
            llama, encoded, config, seed=1, max_steps=4, out=tmp_path / str(checkpointing), fit=fit, checkpointing=checkpointing
        ).loss
        hook.remove()
        calls[checkpointing] = len(count)
    assert calls[True] == 2 * calls[False] > 0
    assert losses[True] == pytest.approx(losses[False], rel=1e-6)
    first, second = (load_file(tmp_path / f"{c}" / "adapter_model.safetensors") for c in (False, True))
    assert first.keys() == second.keys() and all(torch.allclose(first[k], second[k], atol=1e-6) for k in first)
    assert not llama.is_activation_checkpointing and llama.config._attn_implementation != packed.ATTENTION


def test_a_pass_of_recomputed_activations_holds_more_tokens(llama):
    budget = memory.Needs.of(llama).weights + memory._LIBRARIES + 2**20
    kept, again = (memory.bounds(llama, 10**9, budget, checkpointing=c).pass_tokens for c in (False, True))
    assert again > kept


@pytest.mark.parametrize("padded", [False, True])
def test_a_pass_holds_as_many_tokens_as_it_may_and_every_example_is_in_one(padded):
    batch = [Encoded(tuple(range(3, 3 + n)), 1) for n in (9, 2, 5, 5, 30, 7, 2)]
    rows = group_examples(batch, 20, padded)
    assert sorted(len(e.ids) for row in rows for e in row) == [2, 2, 5, 5, 7, 9, 30]
    size = lambda row: len(row) * max(len(e.ids) for e in row) if padded else sum(len(e.ids) for e in row)  # noqa: E731
    assert all(size(row) <= 20 or len(row) == 1 for row in rows)
    assert all(size([*a, b[0]]) > 20 for a, b in zip(rows, rows[1:], strict=False))  # none could have taken one more
