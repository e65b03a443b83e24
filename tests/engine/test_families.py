"""Packed rows equal one plain call per request in every family the engine claims, and what they cannot carry is named."""

import random

import pytest
import torch
from families import FAMILIES, OTHERS, STRANGE, make

from holdfast.engine import adapter, packed, paths
from holdfast.engine._scoring import ScoreRequest
from holdfast.engine.generation import GenerateRequest
from holdfast.engine.local import LocalEngine


def requests(seed=0):
    """Long and short shared starts, nested sharing, a request that is the start of another, a repeat, a stranger."""
    rng = random.Random(seed)
    draw = lambda n: tuple(rng.randrange(3, 128) for _ in range(n))  # noqa: E731
    out = []
    for size in (60, 20, 5):
        stem = draw(size)
        for _ in range(3):
            middle = draw(rng.randrange(2, 20))
            out += [ScoreRequest(stem + middle, (draw(rng.randrange(1, 5)), draw(1))) for _ in range(2)]
            out.append(ScoreRequest(stem + middle + draw(9), (draw(3),)))
        out += [ScoreRequest(stem, (draw(4), draw(1))), ScoreRequest(stem[:-3], (stem[-3:],))]
    return [*out, out[0], ScoreRequest(draw(1), (draw(1),)), ScoreRequest(draw(110), (draw(30),))]


@torch.inference_mode()
def plain(model, request):
    out = []
    for continuation in request.continuations:
        model(torch.tensor([[3]]), use_cache=False)  # a dynamic rotary embedding keeps the longest length it met until a short call
        ids = torch.tensor([request.context + continuation[:-1]])
        logits = model(ids, use_cache=False).logits[0, len(request.context) - 1 :]
        out.append(float(logits.float().log_softmax(-1)[range(len(continuation)), continuation].double().sum()))
    return out


def agrees(engine, model):
    asked = requests()
    for request, found in zip(asked, engine.score(asked), strict=True):
        for value, want, ids in zip(found, plain(model, request), request.continuations, strict=True):
            assert value == pytest.approx(want, abs=1e-5 * len(ids))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_packed_scores_of_a_family_equal_plain_calls(name, chat):
    model = make(*FAMILIES[name])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    engine = LocalEngine(model, chat, 150)
    assert engine.fit.why_not is None
    agrees(engine, model)
    assert engine.counters.computed < engine.counters.asked
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGE)
def test_a_family_that_packed_rows_do_not_carry_is_named_and_scored_by_plain_calls(name, chat):
    model = make(*STRANGE[name])
    engine = LocalEngine(model, chat, 150)
    assert engine.fit.why_not
    agrees(engine, model)


@pytest.mark.parametrize("name", [n if i % 4 == 0 else pytest.param(n, marks=pytest.mark.slow) for i, n in enumerate(sorted(OTHERS))])
def test_scores_and_greedy_text_of_any_other_family_equal_transformers_one_at_a_time(name, chat):
    model = make(*OTHERS[name])
    engine, asked = LocalEngine(model, chat, 150), [*requests()[::3], requests()[-1]]
    for request, found in zip(asked, engine.score(asked), strict=True):
        for value, want, ids in zip(found, plain(model, request), request.continuations, strict=True):
            assert value == pytest.approx(want, abs=1e-5 * len(ids)), engine.fit.why_not
    to_write = [GenerateRequest(r.context, 6) for r in asked[:6]]
    ends = {chat.tokenizer.eos_token_id, model.generation_config.eos_token_id}
    for request, (reply,) in zip(to_write, engine.generate(to_write), strict=True):
        ids = torch.tensor([request.context])
        options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": sorted(ends), "pad_token_id": 2}
        new = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :].tolist()
        stop = next((k for k, token in enumerate(new) if token in ends), None)
        assert (list(reply.ids), reply.ended) == (new[:stop], stop is not None)


@pytest.mark.slow
@pytest.mark.parametrize("few", [True, False], ids=["few rows read", "all rows read"])
@pytest.mark.parametrize("shared", [True, False], ids=["starts once", "end to end"])
@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "Phi-3"])
def test_the_gradient_of_packed_rows_in_one_product_equals_pefts_own_one_example_at_a_time(name, shared, few):
    from peft import LoraConfig, get_peft_model

    base = make(*FAMILIES[name])
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    torch.manual_seed(1)
    for key, p in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(p, std=0.1)
    rng = random.Random(0)
    stem = [rng.randrange(3, 128) for _ in range(6)]
    sequences = [stem[:common] + [rng.randrange(3, 128) for _ in range(n - common)] for n, common in ((30, 6), (5, 3), (21, 6), (30, 0))]
    if shared:
        sequences.append(list(sequences[0]))
    flat, rows = paths.lay_paths([tuple(s) for s in sequences], shared)
    assert (len(flat) < sum(map(len, sequences))) == shared
    pairs = sorted(  # few: the last layer works on these alone
        (int(row), s[k + 1])
        for s, mine in zip(sequences, rows, strict=True)
        for k, row in enumerate(mine[:-1])
        if not few or k >= len(s) - 4
    )
    where = sorted({row for row, _ in pairs})
    at, targets = torch.tensor([where.index(row) for row, _ in pairs]), torch.tensor([target for _, target in pairs])
    with adapter.fuse_lora(model) as count, packed.using(model) as lm:
        assert count > 0
        ((_, logits),) = packed.logits(lm, torch.from_numpy(flat), paths.Paths(rows), torch.tensor(where))
        assert len(logits) == len(where)
        torch.nn.functional.cross_entropy(logits[at], targets, reduction="sum").backward()
    ours = {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    for s in sequences:
        logits = model(input_ids=torch.tensor([s]), use_cache=False).logits[0, -4 if few else 0 : -1].float()
        torch.nn.functional.cross_entropy(logits, torch.tensor(s[-3 if few else 1 :]), reduction="sum").backward()
    assert ours.keys() == {k for k, p in model.named_parameters() if p.grad is not None}
    for key, p in model.named_parameters():
        if p.grad is not None:
            assert float((ours[key] - p.grad).norm()) <= 1e-5 * float(p.grad.norm()) + 1e-7, key
