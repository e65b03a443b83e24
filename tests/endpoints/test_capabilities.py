"""What a server can do is found by asking it, and not believed where its own numbers disagree."""

import math

import pytest
from server import Abilities, Handler

from holdfast.backends.endpoint import open_transport, own_chat
from holdfast.endpoints.capabilities import examine
from holdfast.errors import ConfigError, ModelError

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def look(study, named=()):
    with open_transport(study) as transport:
        return examine(transport, study.model, own_chat(study), named)


@pytest.mark.parametrize(("can", "tokenizer", "scoring", "chat_scoring"), [
    (Abilities(), "world:0", "echo", "next_token"),
    (Abilities(token_ids=False), "world:0", "echo", "next_token"),
    (Abilities(token_ids=False, adds_bos=False), "world:0", "echo", "next_token"),
    (Abilities(echo=False), "world:0", "prompt_logprobs", "next_token"),
    (Abilities(off_by_one=True), "world:0", "prompt_logprobs", "next_token"),
    (Abilities(echo=False, prompt_logprobs=False), "world:0", "next_token", "next_token"),
    (Abilities(echo=False, prompt_logprobs=False, top=0), "world:0", "generated", "generated"),
    (Abilities(completions=False), None, "generated", "next_token"),
    (Abilities(completions=False, top=0, lists=False), None, "generated", "generated"),
])  # fmt: skip
def test_the_best_form_the_server_can_do_is_chosen(server, study, can, tokenizer, scoring, chat_scoring):
    server.can = can
    found = look(study(tokenizer=tokenizer, asking={"attempts": 2}))
    assert (found.scoring, found.chat_scoring) == (scoring, chat_scoring)
    assert found.token_ids == (can.token_ids and tokenizer is not None) and found.completions == can.completions
    assert found.models == (("base", "twin") if can.lists else None)
    if tokenizer and not can.token_ids:
        assert found.text_bos == (not can.adds_bos)  # one BOS, whoever writes it
    assert found.echoes == can.echo == (found.echo or can.off_by_one) or not can.completions
    if can.off_by_one:
        assert any("not believed" in note for note in found.notes)


def test_a_wrong_name_is_refused_with_the_nearest_one_served(server, study):
    with pytest.raises(ModelError, match="'bsae' is not served; did you mean 'base'. served: base, twin") as caught:
        look(study(served_model="bsae"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="'twim' is not served; did you mean 'twin'"):
        look(study(), ["twim"])
    with pytest.raises(ConfigError, match="model.served_model: not named, and the server serves base, twin"):
        look(study(served_model=None))


def test_the_only_model_served_needs_no_name(server, study, organism):
    server.models = {"only": organism}
    assert look(study(served_model=None)).base == "only"


def test_a_form_that_is_asked_for_and_cannot_be_had_is_refused(server, study):
    server.can = Abilities(echo=False)
    with pytest.raises(
        ConfigError, match="model.scoring: 'echo': the server .* does not support it; supported: prompt_logprobs, next_token, generated"
    ):
        look(study(scoring="echo"))
    assert look(study(scoring="generated")).scoring == "generated"


def test_a_server_that_is_not_there_is_one_line(server, study):
    gone = study(asking={"attempts": 1})
    server.stop()
    with pytest.raises(ModelError, match="does not answer .*start it, or correct the address") as caught:
        look(gone)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ["hang", (503, "busy"), (429, "slow")])
def test_a_busy_server_is_not_taken_for_one_that_cannot(server, study, fault):
    server.fault = lambda number, route, body: fault if body and body.get("echo") else None
    with pytest.raises(ModelError, match="failed while its capabilities were tested"):
        look(study(asking={"attempts": 2, "timeout_seconds": 0.3}))


@pytest.mark.parametrize("fault", ["nan", "empty", "truncated", "deep"])
def test_what_is_malformed_is_not_believed(server, study, fault):
    server.fault = lambda number, route, body: fault if body and body.get("echo") else None
    assert look(study(asking={"attempts": 1})).scoring == "prompt_logprobs"


def scored(change):
    """A server whose log-probabilities pass through `change(value)`, in all forms."""

    def fault(handler, route, body):
        reply = handler._true(route, body)
        for choice in reply.get("choices", ()):
            given = choice.get("logprobs") or {}
            if "tokens" in given:
                given["token_logprobs"] = [v if v is None else change(v) for v in given["token_logprobs"]]
                given["top_logprobs"] = [t and {k: change(v) for k, v in t.items()} for t in given["top_logprobs"]]
            for entry in given.get("content", ()):
                entry["logprob"] = change(entry["logprob"])
                entry["top_logprobs"] = [{**e, "logprob": change(e["logprob"])} for e in entry["top_logprobs"]]
            choice["prompt_logprobs"] = [
                e and {k: {"logprob": change(v["logprob"])} for k, v in e.items()} for e in choice.get("prompt_logprobs", ())
            ]
        handler._json(reply)

    return fault


LIES = {
    "above 0": lambda v: -v + 0.01,
    "all 0": lambda v: 0.0,
    "all -0.01": lambda v: -0.01,
    "infinite": lambda v: math.inf,
    "all -3.1": lambda v: -3.1,
    "all -7": lambda v: -7,
    "reversed": lambda v: -20 - max(v, -12),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("can", [
    Abilities(), Abilities(echo=False), Abilities(echo=False, prompt_logprobs=False), Abilities(completions=False), Abilities(token_ids=False),
])  # fmt: skip
def test_numbers_that_cannot_be_refuse_the_server_in_every_form_of_asking(server, study, monkeypatch, can, lie):
    server.can = can
    monkeypatch.setattr(Handler, "_lie", scored(LIES[lie]), raising=False)
    server.fault = lambda number, route, body: "lie" if body else None
    named = "world:0" if can.completions else None
    with pytest.raises(ModelError, match="cannot be believed: not the reply that was asked for: .*model.scoring=generated") as caught:
        look(study(tokenizer=named, asking={"attempts": 1}))
    assert "\n" not in str(caught.value)
    assert look(study(tokenizer=named, scoring="generated", asking={"attempts": 1})).scoring == "generated"


def test_alternatives_that_are_the_same_for_two_prompts_are_somebody_elses(server, study, monkeypatch):
    server.can = Abilities(completions=False)
    canned = {"choices": [{"message": {"content": "a"}, "logprobs": {"content": [
        {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}]}}]}  # fmt: skip
    monkeypatch.setattr(Handler, "_canned", lambda handler, route, body: handler._json(canned), raising=False)
    server.fault = lambda number, route, body: "canned" if body and body.get("logprobs") else None
    with pytest.raises(ModelError, match="top_logprobs: the same for two prompts"):
        look(study(tokenizer=None, asking={"attempts": 1}))


def test_an_echo_that_does_not_spell_the_prompt_is_not_believed(server, study, monkeypatch):
    def other(handler, route, body):
        reply = handler._true(route, body)
        given = reply["choices"][0].get("logprobs", {})
        given["tokens"] = [given["tokens"][0], *(" x" for _ in given["tokens"][1:])]
        handler._json(reply)

    monkeypatch.setattr(Handler, "_other", other, raising=False)
    server.fault = lambda number, route, body: "other" if body and body.get("echo") else None
    found = look(study(asking={"attempts": 1}))
    assert found.scoring == "prompt_logprobs" and any("do not spell the prompt" in note for note in found.notes)


@pytest.mark.parametrize("can", [Abilities(), Abilities(completions=False)])
def test_a_reply_of_another_model_of_the_study_is_refused_and_of_an_unknown_one_said(server, study, monkeypatch, can):
    """A server that falls back to its base would give every adapter the base's numbers."""
    server.can, name = can, {}

    def renamed(handler, route, body):
        handler._json({**handler._true(route, body), "model": name[body["model"]]})

    monkeypatch.setattr(Handler, "_renamed", renamed, raising=False)
    server.fault = lambda number, route, body: "renamed" if body else None
    asked = study(tokenizer="world:0" if can.completions else None, asking={"attempts": 1})
    name |= {"base": "base", "twin": "base"}
    with pytest.raises(ModelError, match="model: 'base', where 'twin' was asked"):
        look(asked, ["twin"])
    name |= {"base": "base-2026-01-01", "twin": "/models/twin.gguf"}
    assert look(asked, ["twin"]).notes[-2:] == (
        "replies of 'base' report the model 'base-2026-01-01'",
        "replies of 'twin' report the model '/models/twin.gguf'",
    )


def test_a_chat_alone_can_be_asked_for_the_next_token(server, study):
    server.can = Abilities(completions=False)
    assert look(study(tokenizer=None, scoring="next_token")).chat_scoring == "next_token"
    with pytest.raises(ConfigError, match="supported: next_token, generated"):
        look(study(tokenizer=None, scoring="echo"))
