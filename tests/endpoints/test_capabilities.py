"""What a server can do is found by asking it, and not believed where its own numbers disagree."""

import pytest
from server import Abilities

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
    with pytest.raises(ConfigError, match="model.scoring: 'echo': the server .* cannot; it can: prompt_logprobs, next_token, generated"):
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
    with pytest.raises(ModelError, match="failed while it was asked what it can do"):
        look(study(asking={"attempts": 2, "timeout_seconds": 0.3}))


@pytest.mark.parametrize("fault", ["nan", "positive", "empty", "truncated", "deep"])
def test_what_is_malformed_is_not_believed(server, study, fault):
    server.fault = lambda number, route, body: fault if body and body.get("echo") else None
    assert look(study(asking={"attempts": 1})).scoring == "prompt_logprobs"
