"""Whatever a server sends, a reader gives plain values or refuses; answers that were written or are missing never become a made-up number."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.analysis.panel import panels
from holdfast.auditing.coverage import coverage
from holdfast.endpoints import protocol
from holdfast.endpoints.transport import _UNREADABLE
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE, WORLD_STYLE
from holdfast.instruments.written import read_choice, trials
from holdfast.records import Item, Message, Prompt, Response
from holdfast.store import canonical

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["x", "stop", -1.0, 1, float("nan"), 1e400, 10**400, -(10**400)])
)
names = st.sampled_from(["choices", "text", "message", "content", "logprobs", "tokens", "token_logprobs", "top_logprobs", "usage", "prompt_tokens",
                         "completion_tokens", "prompt_logprobs", "data", "id", "finish_reason", "7", "token", "logprob"])  # fmt: skip
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=40)
logprobs = st.fixed_dictionaries({"tokens": st.lists(st.text(max_size=3), max_size=4) | anything, "token_logprobs": st.lists(leaves, max_size=4),
                                  "top_logprobs": anything, "content": anything})  # fmt: skip
choice = st.fixed_dictionaries(
    {"text": leaves, "finish_reason": leaves, "logprobs": logprobs | anything, "prompt_logprobs": anything}, optional={"message": anything}
)
usage = st.fixed_dictionaries({"prompt_tokens": leaves, "completion_tokens": st.integers(0, 3) | leaves})
reply = st.fixed_dictionaries({"choices": st.lists(choice, max_size=2) | anything, "usage": usage | anything})
READERS = {
    "models": protocol.read_models, "written": protocol.read_written, "next": protocol.read_next,
    "echo": lambda r: protocol.read_echo(r, 1), "text": lambda r: protocol.read_echo_text(r, "x"),
    "ids": lambda r: protocol.read_prompt_logprobs(r, [3, 7], 1),
}  # fmt: skip


@pytest.mark.parametrize("new", [0, 1, 4, 8])
def test_an_echoed_prompt_ends_where_the_new_tokens_begin(new):
    """llama.cpp writes on to the end of a split character: more than the one token that was asked for."""
    tokens, values = ["a", " b", *["\ufffd"] * new], [None, -1.5, *[-3.0] * new]
    sent = {
        "choices": [{"logprobs": {"tokens": tokens, "token_logprobs": values}}],
        "usage": {"prompt_tokens": 2, "completion_tokens": new},
    }
    assert protocol.read_echo(sent, 1)["logprobs"] == [-1.5] and protocol.read_echo_text(sent, " b")["tokens"] == [[" b", -1.5]]


def test_of_a_server_that_writes_on_and_on_nothing_is_read():
    sent = {
        "choices": [{"logprobs": {"tokens": ["a"] * 11, "token_logprobs": [None, *[-1.0] * 10]}}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 9},
    }
    with pytest.raises(protocol.BadReply, match="where the prompt ends"):
        protocol.read_echo(sent, 1)


@settings(deadline=None, max_examples=300)
@given(reply | anything, st.sampled_from(sorted(READERS)))
def test_no_reply_gets_through_that_is_not_what_was_asked_for(sent, name):
    try:
        found = READERS[name](sent)
    except _UNREADABLE:
        return
    if name == "models":
        assert all(isinstance(n, str) and n for n in found)
        return
    json.loads(canonical(found))  # finite, plain, and writable as UTF-8
    canonical(found).encode()
    values = [*found.get("logprobs", []), *(v for _, v in found.get("tokens", [])), *(v for _, v in found.get("next", []))]
    assert all(math.isfinite(v) and v <= 0 for v in values)


def asked(**more):
    return Prompt(condition="neutral", messages=(Message("user", "q"),), **more)


@pytest.mark.parametrize(("choices", "prefill", "reply", "found"), [
    ((" A", " B"), "Answer:", " B", 1), ((" A", " B"), "Answer:", "B. two", 1), ((" A", " B"), "Answer:", "Answer: A", 0),
    ((" A", " B"), "", "The answer is (B).", 1), ((" A", " B"), "", "A cat is no answer", None), ((" A", " B"), "", "A or B", None),
    ((" A", " B"), "", "", None), (("A", "B"), " The answer is (", "B).", 1), ((" 1", " 2", " 3"), " Rating:", " 2", 1),
    ((" 1", " 2", " 3"), "", "I would give it a 3.", 2), ((" 1", " 2"), "", "7", None), ((" red A", " blue B"), " the answer is", " blue B", 1),
    ((" red", " dark red"), "", "dark red it is", 1), ((" red", " blue"), "", "it is blue", 1), ((" red", " blue"), "", "red, no, blue", 1),
    ((" red", " blue"), "", "it is reddish", None), ((" red", " blue"), "", "neither red nor blue", None),
])  # fmt: skip
def test_a_written_reply_names_one_choice_or_none(choices, prefill, reply, found):
    assert read_choice(asked(choices=choices, prefill=prefill), reply) == found


MMLU = Item(item_id="i", cluster_id="c", fields={"question": "q", "choices": ["a", "b", "c", "d"], "gold": 2})


def answered(instrument, responses):
    return list(zip(instrument.prompts(MMLU), responses, strict=True))


def scored(j, sure=3.0):
    return Response(logliks=tuple(0.0 if k == j else -sure for k in range(4)), num_tokens=(1,) * 4)


def written(j):
    return Response(
        text="ABCD"[j] if j is not None else "hm", logliks=tuple(0.0 if k == j else -math.inf for k in range(4)) if j is not None else ()
    )


def gold_places(instrument):
    return [p.gold for p in instrument.prompts(MMLU)]


def test_one_failed_rotation_leaves_the_item_without_a_score():
    mmlu = build("mmlu", CHAT_STYLE)
    whole = trials(mmlu, MMLU, answered(mmlu, [scored(g) for g in gold_places(mmlu)]))
    assert repr(whole) == repr(mmlu.trials(MMLU, answered(mmlu, [scored(g) for g in gold_places(mmlu)]))) and {t.score for t in whole} == {
        1.0
    }
    lost = trials(mmlu, MMLU, answered(mmlu, [*(scored(g) for g in gold_places(mmlu)[:3]), Response(failed="http: 500")]))
    assert len(lost) == 4 and all(t.outcome == "unparsed" and t.form == "mass" for t in lost)
    assert all(math.isnan(getattr(t, n)) for t in lost for n in ("score", "p_gold", "kappa", "margin", "loglik_gold"))


def test_written_answers_have_no_margin_and_no_kappa_and_an_unread_one_no_probability():
    mmlu = build("mmlu", CHAT_STYLE)
    g = gold_places(mmlu)
    found = trials(mmlu, MMLU, answered(mmlu, [written(g[0]), written(g[1]), written(None), written((g[3] + 1) % 4)]))
    assert [t.outcome for t in found] == ["correct", "correct", "unparsed", "other"] and {t.form for t in found} == {"generated"}
    assert [t.p_gold for t in found[:2]] == [1.0, 1.0] and math.isnan(found[2].p_gold) and found[3].p_gold == 0
    assert all(math.isnan(t.kappa) and math.isnan(t.margin) and math.isnan(t.loglik_gold) for t in found) and {t.score for t in found} == {
        1.0
    }
    unread = trials(mmlu, MMLU, answered(mmlu, [written(None)] * 4))
    assert {t.score for t in unread} == {0.0} and {t.outcome for t in unread} == {"unparsed"}


def test_a_failed_benchmark_reply_is_not_a_wrong_one():
    gsm8k = build("gsm8k", WORLD_STYLE)
    item = Item(item_id="g", cluster_id="g", fields={"question": "q", "answer": "4"})
    (prompt,) = gsm8k.prompts(item)
    (trial,) = trials(gsm8k, item, [(prompt, Response(failed="timeout", text=""))])
    assert trial.outcome == "unparsed" and trial.form == "generated" and math.isnan(trial.score)
    (trial,) = trials(gsm8k, item, [(prompt, Response(text="no idea"))])
    assert trial.outcome == "unparsed" and trial.score == 0


def table(rows):
    base = {"instrument": "mmlu", "condition": "neutral", "cluster_id": "c", "domain": "base", "seed": -1, "dose": 1.0, "path": "full",
            "p_suggested": math.nan, "margin": math.nan, "rating": math.nan, "score_norm": math.nan, "kl": math.nan, "num_new_tokens": 0,
            "refused": False, "form": "mass", "model": "base"}  # fmt: skip
    return pa.Table.from_pylist([{**base, **row} for row in rows])


def test_missing_answers_count_against_coverage():
    good = {"outcome": "correct", "p_gold": 0.9, "kappa": 1.0, "score": 1.0}
    gone = {"outcome": "unparsed", "p_gold": math.nan, "kappa": math.nan, "score": math.nan}
    rows = [{**(good if i < 9 else gone), "item_id": f"i{i}"} for i in range(10)]
    found, _ = panels(table(rows))
    assert found["mmlu"].coverage("base", "neutral", "mass") == pytest.approx(0.9)
    assert found["mmlu"].coverage("base", "neutral", "loglik") == pytest.approx(0.9)
    (cell,) = coverage(table(rows))
    assert cell.mean == pytest.approx(0.9)
    whole, _ = panels(table(rows[:9]))
    assert whole["mmlu"].coverage("base", "neutral", "mass") == 1 and np.isnan(whole["mmlu"].coverage("base", "neutral", "loglik"))
