"""The engine's invariants: equal to plain calls, whatever shares a batch."""

import random

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdfast.engine import packed
from holdfast.engine.fit import check_fit
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.records import Message, Prompt


def plain(model, request):
    out = []
    for continuation in request.continuations:
        ids = torch.tensor([[*request.context, *continuation]])
        with torch.inference_mode():
            logprobs = model(input_ids=ids).logits[0].float().log_softmax(-1)
        at = len(request.context)
        out.append(sum(float(logprobs[at - 1 + k, token]) for k, token in enumerate(continuation)))
    return out


def draw(rng, count):
    token = lambda low, high: tuple(rng.randrange(3, 28) for _ in range(rng.randint(low, high)))  # noqa: E731
    return [ScoreRequest((1, *token(1, 12)), tuple(token(1, 4) for _ in range(rng.randint(1, 5)))) for _ in range(count)]


def test_packed_scores_equal_one_plain_call_per_continuation(llama, chat):
    requests = draw(random.Random(0), 30)
    engine = LocalEngine(llama, chat)
    assert engine.fit.why_not is None
    for request, found in zip(requests, engine.score(requests), strict=True):
        assert found == pytest.approx(plain(llama, request), abs=1e-5)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), budget=st.integers(16, 400))
@example(seed=1331, budget=16)
def test_scores_do_not_depend_on_batch_size_or_order(llama, chat, seed, budget):
    rng = random.Random(seed)
    requests = draw(rng, 12)
    shuffled = rng.sample(range(12), 12)
    whole = LocalEngine(llama, chat, 4096).score(requests)
    other = LocalEngine(llama, chat, budget).score([requests[i] for i in shuffled])
    for place, i in enumerate(shuffled):  # 1e-5 a token: at most 6.2e-6 in 30,000 such continuations
        for found, want, ids in zip(other[place], whole[i], requests[i].continuations, strict=True):
            assert found == pytest.approx(want, abs=1e-5 * len(ids))


def test_a_model_that_packed_rows_do_not_fit_is_scored_by_plain_calls(llama, chat):
    requests = draw(random.Random(1), 6)
    assert LocalEngine(llama, chat, packing=False).score(requests) == [
        pytest.approx(v, abs=1e-5) for v in LocalEngine(llama, chat).score(requests)
    ]


def test_dynamic_rope_is_named_as_unfit(llama):
    llama.config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    assert "rotary" in (check_fit(llama).why_not or "")


def test_packed_attention_is_switched_back_after_use(llama):
    before = llama.config._attn_implementation
    with packed.using(llama):
        assert llama.config._attn_implementation == packed.ATTENTION
    assert llama.config._attn_implementation == before


def test_prompts_have_exactly_one_bos_even_if_the_user_writes_one(chat):
    ids = chat.encode([chat.text([Message("user", "what is one")]), "<s> <s> what is"])
    assert [sequence.count(1) for sequence in ids] == [1, 1]
    assert all(sequence[0] == 1 for sequence in ids)


def test_a_prompt_without_choices_is_generated_and_one_with_choices_scored(llama, chat):
    asked = [
        Prompt(condition="neutral", messages=(Message("user", "what is one ?"),), choices=(" A", " B")),
        Prompt(condition="neutral", messages=(Message("user", "what is two ?"),), max_new_tokens=4),
    ]
    scored, written = LocalEngine(llama, chat).answer(asked)
    assert len(scored.logliks) == 2 and scored.text is None and scored.num_tokens == (1, 1)
    assert written.text is not None and written.num_new_tokens <= 4


def test_the_next_token_is_the_models_own_in_packed_rows_and_plain(llama, chat):
    prompts = [Prompt(condition="neutral", messages=(Message("user", text),)) for text in ("one two three", "what is the answer ?", "ten")]
    packed, plain = (LocalEngine(llama, chat, 16, packing=on).next_logprobs(prompts) for on in (True, False))
    assert packed.shape == (3, llama.config.vocab_size)
    assert torch.allclose(packed, plain, atol=1e-5) and torch.allclose(packed.exp().sum(-1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("packing", [True, False])
def test_next_tokens_watched_while_scores_are_read_are_those_after_the_contexts(llama, chat, packing):
    asks = ["what is one", "what is two", "what is one", "is three"]
    prompts = [Prompt(condition="c", messages=(Message("user", t),), choices=(" A", " B C")) for t in asks]
    engine = LocalEngine(llama, chat, 40, packing=packing)
    plain = engine.answer(prompts)
    assert engine.watched is None
    assert engine.answer(prompts, watch=[3, 0, 2]) == plain
    want = LocalEngine(llama, chat, packing=False).next_logprobs([prompts[i] for i in (3, 0, 2)])
    assert engine.watched.shape == want.shape and torch.allclose(engine.watched, want, atol=1e-5)
    assert torch.allclose(engine.next_logprobs(prompts), LocalEngine(llama, chat).next_logprobs(prompts), atol=1e-5)
