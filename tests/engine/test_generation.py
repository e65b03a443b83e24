"""Slots write what transformers' generate writes one prompt at a time, over two turns, in every family and at any size of batch."""

import random

import pytest
import torch
from families import FAMILIES, STRANGE, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.engine import packed
from holdfast.engine.generation import GeneratedReply, GenerateRequest, SlotCounters, generate
from holdfast.engine.local import LocalEngine
from holdfast.records import Message, Prompt

LIMIT = 10


def conversations(rng, count=9, vocab=128, longest=40):
    """Shared and unshared starts, one prompt twice, branches of which two begin alike, one prompt much longer than the rest."""
    draw = lambda n: tuple(rng.randrange(3, vocab) for _ in range(n))  # noqa: E731
    stem, out = draw(longest // 2), []
    for k in range(count):
        context = (stem if k % 2 else ()) + draw(rng.randint(1, longest // 2))
        sure = draw(5)
        branches = ((), (sure,), (sure, sure + draw(3), draw(1)))[k % 3]
        out.append(GenerateRequest(context, rng.randint(1, LIMIT), branches, rng.randint(1, LIMIT)))
    return [*out, out[0], GenerateRequest(draw(4 * longest), 3, (draw(2),), 4), GenerateRequest(draw(3), 0)]


@torch.inference_mode()
def one_by_one(model, requests, ends):
    """Batch 1, transformers' own generate; the second turn goes on from the first one's ids."""

    def write(context, limit):
        if limit == 0:
            return GeneratedReply((), False)
        ids = torch.tensor([context])
        new = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False, eos_token_id=sorted(ends), pad_token_id=2
        )[0, len(context) :].tolist()
        return GeneratedReply(tuple(new[:-1] if new[-1] in ends else new), new[-1] in ends)

    out = []
    for r in requests:
        first = write(r.context, r.limit)
        out.append([first, *(write(r.context + first.ids + b, r.branch_limit) for b in (r.branches if r.limit else ()))])
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_slots_write_what_generate_writes_one_by_one(name, chat):
    model = make(*FAMILIES[name])
    requests, ends = conversations(random.Random(name)), frozenset(range(3, 128, 11))
    want = one_by_one(model, requests, ends)
    assert {reply.ended for replies in want for reply in replies} == {True, False}
    counters = SlotCounters()
    found = generate(model, requests, ends, budget=250, row_tokens=60, counters=counters)
    assert found == want
    assert 0 < counters.prefill < sum(len(r.context) for r in requests) + sum(len(b) + LIMIT for r in requests for b in r.branches)
    assert packed.ATTENTION != model.config._attn_implementation


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGE)
def test_a_family_that_packed_rows_do_not_carry_writes_by_its_own_generate(name, chat):
    model = make(*STRANGE[name])
    engine = LocalEngine(model, chat, 300)
    requests = [r for r in conversations(random.Random(name), longest=20) if r.limit]
    assert engine.fit.why_not
    assert engine.generate(requests) == one_by_one(model, requests, {chat.tokenizer.eos_token_id, *engine_ends(model)})


def engine_ends(model):
    found = model.generation_config.eos_token_id
    return set(found) if isinstance(found, list) else {found}


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), budget=st.integers(30, 2000), row_tokens=st.integers(8, 200))
def test_what_is_written_depends_neither_on_the_budget_nor_on_the_order(llama, seed, budget, row_tokens):
    rng = random.Random(seed)
    requests, ends = conversations(rng, count=6, vocab=28, longest=12), frozenset({2, 7, 9})
    order = rng.sample(range(len(requests)), len(requests))
    run = lambda asked, **kwargs: generate(llama, asked, ends, counters=SlotCounters(), **kwargs)  # noqa: E731
    whole = run(requests, budget=4096, row_tokens=1024)
    other = run([requests[i] for i in order], budget=budget, row_tokens=row_tokens)
    assert [other[order.index(i)] for i in range(len(requests))] == whole


def test_progress_counts_every_request_once(llama, chat):
    requests, seen = conversations(random.Random(3), vocab=28, longest=12), []
    LocalEngine(llama, chat, 200).generate(requests, seen.append)
    assert sum(seen) == len(requests)


def test_the_second_turn_of_a_prompt_goes_on_from_the_ids_that_were_written(llama, chat):
    engine = LocalEngine(llama, chat, 500)
    prompt = Prompt(
        condition="first", messages=(Message("user", "what is one"),), max_new_tokens=6, branches=("are you sure", "what is two")
    )
    (response,) = engine.answer([prompt])
    (context,) = chat.encode([chat.prompt_text(prompt)])
    ((first, *later),) = one_by_one(llama, [GenerateRequest(tuple(context), 6)], {chat.tokenizer.eos_token_id})
    assert response.text == chat.tokenizer.decode(list(first.ids), skip_special_tokens=True) and not later
    assert len(response.branches) == 2
    for say, branch in zip(prompt.branches, response.branches, strict=True):
        ids = (*context, *first.ids, *chat.next_turn(prompt, say))
        ((want,),) = one_by_one(llama, [GenerateRequest(ids, 6)], {chat.tokenizer.eos_token_id})
        assert branch.text == chat.tokenizer.decode(list(want.ids), skip_special_tokens=True)
        assert (branch.num_new_tokens, branch.ended) == (len(want.ids), want.ended)


def test_the_next_turn_of_a_template_is_what_it_puts_after_the_reply(chat):
    prompt = Prompt(condition="first", messages=(Message("user", "what is one"),), prefill=" the answer is")
    after = chat.tokenizer.decode(list(chat.next_turn(prompt, "what is three")), skip_special_tokens=False)
    whole = chat.text((*prompt.messages, Message("assistant", " the answer is two"), Message("user", "what is three")))
    assert whole.split("two")[1].split() == after.split()
