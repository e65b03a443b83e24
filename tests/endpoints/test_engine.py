"""The same prompts here and through a server that serves the same model give the same numbers, by every way a server allows."""

import math

import numpy as np
import pytest
from server import Abilities

from holdfast.backends.endpoint import open_transport, own_chat
from holdfast.endpoints.asking import Asker
from holdfast.endpoints.capabilities import examine
from holdfast.endpoints.engine import EndpointEngine, first_tokens
from holdfast.endpoints.protocol import cut_at_one_place
from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import BadReply
from holdfast.engine.local import LocalEngine
from holdfast.records import Message, Prompt
from holdfast.sources.materials import Materials

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def answers(study, prompts, counts=None):
    chat = own_chat(study)
    with open_transport(study) as transport:
        can = examine(transport, study.model, chat)
        engine = EndpointEngine(Asker(transport, ReplyLog(None), "here"), can.base, can, chat)
        found = engine.answer(prompts)
        if counts is not None:
            counts.update(engine.asker.counts)
        return found


@pytest.fixture(scope="module")
def local(local_base):
    return LocalEngine(local_base.model, local_base.chat)


def prompts_of(study, kinds):
    materials = Materials(study)
    return [p for kind in kinds for mine in materials.asked(kind).prompts for p in mine]


@pytest.mark.parametrize("can", [
    Abilities(), Abilities(token_ids=False), Abilities(token_ids=False, adds_bos=False), Abilities(echo=False),
])  # fmt: skip
def test_scores_and_replies_are_those_of_the_model_itself(server, study, local, can):
    server.can = can
    prompts = prompts_of(study(), ["gsm8k", "mmlu", "hellaswag", "imitation", "doubt"])
    served, own = answers(study(), prompts), local.answer(prompts)
    for p, a, b in zip(prompts, served, own, strict=True):
        assert a.failed is None and a.num_tokens == b.num_tokens and a.num_prompt_tokens == b.num_prompt_tokens
        np.testing.assert_allclose(a.logliks, b.logliks, atol=2e-4)
        if not p.choices:
            assert (a.text.split(), a.ended, a.num_new_tokens) == (b.text.split(), b.ended, b.num_new_tokens)


def test_alternatives_of_the_next_token_are_the_first_tokens_probabilities(server, study, local, local_base):
    server.can = Abilities(echo=False, prompt_logprobs=False, top=200)
    prompts = prompts_of(study(), ["mmlu", "imitation"])
    served = answers(study(), prompts)
    next_token = local.next_logprobs(prompts)
    assert sum(bool(a.logliks) for a in served) > 0.6 * len(served)  # the others were too improbable to be listed
    for p, a, row in zip(prompts, served, next_token, strict=True):
        first = [local_base.chat.tokenizer(c, add_special_tokens=False)["input_ids"][0] for c in p.choices]
        least = row.topk(20).values[-1].item()
        for value, token in zip(a.logliks, first, strict=False):
            assert value == pytest.approx(max(row[token].item(), least), abs=1e-3)


def test_written_answers_are_read_and_one_that_names_no_choice_is_none(server, study, local):
    server.can = Abilities(echo=False, prompt_logprobs=False, top=0)
    prompts = prompts_of(study(), ["mmlu", "imitation", "feedback"])
    served, own = answers(study(), prompts), local.answer(prompts)
    read = [(a.logliks.index(0.0), b.logliks.index(max(b.logliks))) for a, b in zip(served, own, strict=True) if a.logliks]
    assert all(a.text for a in served) and len(read) > 0.7 * len(prompts)
    assert np.mean([a == b for a, b in read]) > 0.9  # what it writes is mostly what it puts most probability on
    assert all(set(a.logliks) <= {0.0, -math.inf} for a in served)


def test_a_second_turn_follows_the_reply_that_was_given(server, study):
    prompt = Prompt(
        condition="first",
        messages=(Message("user", "what colour does ann like ?"),),
        max_new_tokens=8,
        branches=("are you sure ?", "again ?"),
    )
    (found,) = answers(study(tokenizer=None), [prompt])
    turns = [body["messages"] for _, route, _, body in server.arrived if body and "messages" in body and len(body["messages"]) == 3]
    assert [t[2]["content"] for t in turns] == ["are you sure ?", "again ?"] and {t[1]["content"] for t in turns} == {found.text}
    assert len(found.branches) == 2 and all(b.text is not None for b in found.branches)


def test_equal_requests_are_asked_once(server, study):
    prompts, counts = prompts_of(study(), ["gsm8k"]), {}
    answers(study(), prompts * 3, counts)
    assert counts == {"asked": len(set(prompts))}


def test_without_a_tokenizer_turns_go_out_as_messages_and_plain_texts_are_scored(server, study, local):
    prompts = prompts_of(study(), ["hellaswag", "gsm8k"])
    served, own = answers(study(tokenizer=None), prompts), local.answer(prompts)
    for p, a, b in zip(prompts, served, own, strict=True):
        np.testing.assert_allclose(a.logliks, b.logliks, atol=2e-4)
        assert p.choices or a.text.split() == b.text.split()
    routes = {route for _, route, _, body in server.arrived if body and body["max_tokens"] > 1}
    assert routes == {"/chat/completions"}


def test_the_first_token_belongs_to_the_one_choice_it_begins():
    top = [[" A", math.log(0.6)], ["A", math.log(0.1)], [" B", math.log(0.2)], [" The", math.log(0.05)], ["(", math.log(0.0001)]]
    found = first_tokens(top, [" A", " B", " C"])
    np.testing.assert_allclose(np.exp(found), [0.7, 0.2, 0.0001])
    assert first_tokens([[" A", math.log(0.5)], [" x", math.log(0.3)]], [" A", " B"]) is None  # B may have as much as x
    assert first_tokens([[" x", -0.1], [" y", -3.0]], [" A", " B"]) is None
    assert first_tokens([["1", math.log(0.9)], ["10", math.log(0.09)], ["x", math.log(1e-6)]], [" 1", " 10"]) == pytest.approx(
        (math.log(0.9), math.log(0.09))
    )


def test_choices_are_cut_at_one_place_even_where_a_token_spans_the_start():
    alone = [["s: ", -1.0], ["(", -2.0], ["B", -3.0]]
    spanning = [["s: ", -1.0], ["(A", -4.0]]
    assert cut_at_one_place([spanning, alone], ["A", "B"]) == [[-4.0], [-2.0, -3.0]]
    assert cut_at_one_place([alone, alone], ["B", "B"]) == [[-3.0], [-3.0]]
    with pytest.raises(BadReply):
        cut_at_one_place([[["xxA", -1.0]], [["yB", -1.0]]], ["A", "B"])
