"""A server that breaks in every way: no answer is lost, none is counted twice, none is scored when it failed, no key gets out."""

import hashlib
import json
import threading
import time
from collections import Counter

import numpy as np
import pytest
from server import PASSING, Handler, random_faults

from holdfast.backends.endpoint import open_transport, own_chat
from holdfast.config import ServerConfig
from holdfast.endpoints import protocol
from holdfast.endpoints.asking import Asker, Request
from holdfast.endpoints.capabilities import Capabilities, examine
from holdfast.endpoints.engine import EndpointEngine, most_certain
from holdfast.endpoints.replies import ReplyLog
from holdfast.endpoints.transport import Failure, Transport
from holdfast.errors import ModelError, ResourceError
from holdfast.sources.materials import Materials

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = "sk-very-secret-0123456789"


def requests(count, words=6):
    """Distinct ones, each of one token to score after words of the world."""
    bodies = [protocol.completion("base", [1, 2, *np.random.default_rng(i).integers(5, 400, words).tolist(), 3, 48], 1, logprobs=1, echo=True)
              for i in range(count)]  # fmt: skip
    return [Request(protocol.COMPLETIONS, b, ["echo", 1], lambda r: protocol.read_echo(r, 1)) for b in bodies]


def transport(server, **settings):
    return Transport(
        server.url, ServerConfig(**{"backoff_seconds": 0.01, "timeout_seconds": 5, "max_failures": 1000, **settings}), max_bytes=1 << 20
    )


def name(body):
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def test_every_passing_fault_at_size_loses_nothing_and_counts_nothing_twice(server, tmp_path):
    asked = requests(400)
    seen = Counter()

    def fault(number, route, body):
        seen[name(body)] += 1
        return PASSING[number % len(PASSING)] if seen[name(body)] == 1 and number % 2 else None

    server.fault = fault
    with transport(server) as wire:
        asker = Asker(wire, ReplyLog(tmp_path), "here")
        found, told = [], []
        found = asker.ask_all(asked, told.append)
    assert not [f for f in found if isinstance(f, Failure)] and sorted(told) == list(range(400)) and asker.counts == {"asked": 400}
    assert server.answered == {name(r.body): 1 for r in asked} and len(server.arrived) > 550 and server.most_in_flight <= 8
    assert set(server.faults) == {f if isinstance(f, str) else str(f[0]) for f in PASSING}
    server.fault = lambda *_: None
    with transport(server) as wire:
        again = Asker(wire, ReplyLog(tmp_path), "here")
        before = len(server.arrived)
        assert again.ask_all(asked) == found and again.counts == {"kept": 400} and len(server.arrived) == before
        anew = again.ask_all(asked[:5], repeat="identity/seed0")
        assert anew == found[:5] and again.counts == {"kept": 400, "asked": 5}


@pytest.mark.parametrize(("fault", "attempts"), [
    *((f, 3) for f in PASSING if f != "positive"), ("hang", 3), ("drip", 3), ("huge", 1), ((400, "no"), 1), ((422, "no"), 1), ((302, "there", {"Location": "http://x/"}), 1),
])  # fmt: skip
def test_a_fault_that_stays_is_a_missing_answer_and_is_asked_again_later(server, tmp_path, fault, attempts):
    asked = requests(3)
    broken = name(asked[1].body)
    server.fault = lambda number, route, body: fault if name(body) == broken else None
    start = time.monotonic()
    with transport(server, attempts=3, timeout_seconds=0.4) as wire:
        asker = Asker(wire, ReplyLog(tmp_path), "here")
        found = asker.ask_all(asked)
    assert time.monotonic() - start < 5
    assert isinstance(found[1], Failure) and not isinstance(found[0], Failure) and not isinstance(found[2], Failure)
    assert asker.counts == {"asked": 2, "failed": 1} and sum(name(b) == broken for *_, b in server.arrived) == attempts
    server.fault = lambda *_: None
    with transport(server) as wire:
        mended = Asker(wire, ReplyLog(tmp_path), "here")
        assert not isinstance(mended.ask_all(asked)[1], Failure) and mended.counts == {"kept": 2, "asked": 1}


def test_a_log_probability_above_0_that_stays_ends_the_run_in_one_line(server, tmp_path):
    """Once may be noise on the line; at every attempt it is what the server says."""
    asked = requests(30)
    broken = name(asked[7].body)
    server.fault = lambda number, route, body: "positive" if name(body) == broken else None
    with (
        transport(server, attempts=3) as wire,
        pytest.raises(ModelError, match=r"token_logprobs\[0\]: 3.0: a log-probability is at most 0") as caught,
    ):
        Asker(wire, ReplyLog(tmp_path), "here").ask_all(asked)
    assert "\n" not in str(caught.value) and sum(name(b) == broken for *_, b in server.arrived) == 3


def test_answers_that_are_surer_together_than_certain_refuse_the_server(server, study, monkeypatch):
    """Each number could be; that all four endings have 0.9 cannot."""

    def sure(handler, route, body):
        reply = handler._true(route, body)
        given = reply["choices"][0]["logprobs"]
        given["token_logprobs"] = [None, *(-0.001 * i for i in range(1, len(given["tokens"])))]
        handler._json({**reply, "choices": [{**reply["choices"][0], "logprobs": {**given, "top_logprobs": None}}]})

    monkeypatch.setattr(Handler, "_sure", sure, raising=False)
    prompts = [p for mine in Materials(study()).asked("mmlu").prompts for p in mine]
    can = Capabilities(base="base", models=("base",), completions=True, token_ids=True, echo=True, scoring="echo")
    server.fault = lambda number, route, body: "sure"
    with (
        open_transport(study()) as wire,
        pytest.raises(ModelError, match="answers to one prompt have probabilities that sum to .*, more than 1"),
    ):
        EndpointEngine(Asker(wire, ReplyLog(None), "x"), "base", can, own_chat(study())).answer(prompts)


@pytest.mark.parametrize(("choices", "logliks", "total"), [
    ((" A", " B"), (-0.5, -1.0), 0.9744), ((" 1", " 10"), (-0.1, -0.2), 0.9048), (("a", "a"), (-0.1, -0.1), 0.9048), (("x", "xy", "z"), (-1.0, -1.1, -0.5), 0.9744),
])  # fmt: skip
def test_only_answers_that_exclude_each_other_are_summed(choices, logliks, total):
    assert most_certain(choices, logliks) == pytest.approx(total, abs=1e-4)


def test_a_body_is_bounded_by_what_was_asked(server, monkeypatch):
    monkeypatch.setattr("holdfast.endpoints.transport._LEAST_BYTES", 1000)
    server.fault = lambda number, route, body: "huge"
    with transport(server, attempts=3) as wire:
        found = wire.post("/completions", {"model": "base", "prompt": "a"}, lambda r: r)
    assert found.message == f"a body of more than {1000 + 1024 * 32} bytes" and len(server.arrived) == 1


def test_a_redirect_is_not_followed_and_takes_no_key_along(server, monkeypatch):
    monkeypatch.setenv("SERVER_KEY", KEY)
    for status in (301, 302, 303, 307, 308):
        server.fault = lambda number, route, body, status=status: (
            (status, "there", {"Location": f"{server.url}/elsewhere?key={KEY}"}) if "elsewhere" not in route else None
        )
        with transport(server, api_key_env="SERVER_KEY") as wire:
            found = wire.post("/completions", {"model": "base", "prompt": "a"}, lambda r: r)
        assert f"HTTP {status}: redirects are not followed" in found.message and KEY not in found.message and not found.passing
    assert len(server.arrived) == 5


def test_a_second_reply_on_a_connection_is_nobodys(server):
    server.fault = lambda number, route, body: "twice" if number % 3 == 0 else None
    asked = requests(60)
    with transport(server, concurrency=2) as wire:
        faulty = Asker(wire, ReplyLog(None), "here").ask_all(asked)
    server.fault = lambda *_: None
    with transport(server) as wire:
        assert Asker(wire, ReplyLog(None), "here").ask_all(asked) == faulty


def test_a_reply_to_somebody_elses_prompt_is_not_believed(server, study, organism):
    """Stale replies are caught by their count of tokens and, where texts are sent, by the text they echo."""
    prompts = [p for mine in Materials(study()).asked("mmlu").prompts for p in mine]
    chat = own_chat(study())
    for ids in (True, False):
        can = Capabilities(
            base="base", models=("base",), completions=True, token_ids=ids, echo=True, text_bos=False, echoes=True, scoring="echo"
        )
        with open_transport(study()) as wire:
            true = EndpointEngine(Asker(wire, ReplyLog(None), "x"), "base", can, chat).answer(prompts)
        server.previous["/completions"] = {**server.previous["/completions"], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
        server.previous["/completions"]["choices"][0]["logprobs"] = {"tokens": ["a", "b", "c", "d"], "token_logprobs": [None, -1, -1, -1]}
        server.fault = lambda number, route, body: "stale" if number % 2 else None
        with open_transport(study(asking={"concurrency": 1})) as wire:
            found = EndpointEngine(Asker(wire, ReplyLog(None), "x"), "base", can, chat).answer(prompts)
        server.fault = lambda *_: None
        assert found == true


def test_a_storm_of_429_holds_every_thread_back_for_as_long_as_the_server_asks(server):
    storm = (429, "slow down", {"Retry-After": "1"})
    server.fault = lambda number, route, body: storm if number < 8 else None
    with transport(server) as wire:
        found = Asker(wire, ReplyLog(None), "here").ask_all(requests(30))
    times = sorted(t for t, *_ in server.arrived)
    assert max(b - a for a, b in zip(times, times[1:], strict=False)) > 0.7 and len(server.arrived) == 38
    assert not [f for f in found if isinstance(f, Failure)]


def test_a_dead_server_ends_the_run_in_one_line_and_keeps_what_was_read(server, tmp_path):
    server.fault = lambda number, route, body: "reset" if number >= 20 else None
    asked = requests(200)
    with (
        transport(server, attempts=2, max_failures=5) as wire,
        pytest.raises(ResourceError, match="gave no answer to 5 requests in a row") as caught,
    ):
        Asker(wire, ReplyLog(tmp_path), "here").ask_all(asked)
    assert "\n" not in str(caught.value) and len(server.arrived) <= 20 + 2 * (5 + 8 + 8) and 12 <= len(ReplyLog(tmp_path)) <= 20


def test_a_dead_server_is_asked_no_more_than_it_was_said(server, tmp_path):
    """One request at a time: nothing is in flight beside it, and every number is known."""
    server.fault = lambda number, route, body: "reset" if number >= 20 else None
    with (
        transport(server, attempts=2, max_failures=5, concurrency=1) as wire,
        pytest.raises(ResourceError, match="no answer to 5 requests in a row"),
    ):
        Asker(wire, ReplyLog(tmp_path), "here").ask_all(requests(200))
    assert len(server.arrived) == 20 + 2 * 5 and len(ReplyLog(tmp_path)) == 20


def test_an_attempt_is_not_spent_on_a_connection_that_is_being_closed(server):
    """A malformed reply closes its connection: others wait in the pool for one, and none of them is given that."""
    asked = requests(240)
    bad = {name(r.body) for r in asked[::2]}
    server.fault = lambda number, route, body: "empty" if name(body) in bad else None
    with transport(server, attempts=3) as wire:
        found = Asker(wire, ReplyLog(None), "here").ask_all(asked)
    came = Counter(name(body) for *_, body in server.arrived)
    assert {came[b] for b in bad} == {3} and {came[name(r.body)] for r in asked[1::2]} == {1}
    assert [isinstance(f, Failure) for f in found] == [name(r.body) in bad for r in asked]


def test_a_body_in_an_encoding_that_was_not_asked_for_is_no_reply(server):
    server.fault = lambda number, route, body: "encoded"
    with transport(server, attempts=2) as wire:
        (found,) = Asker(wire, ReplyLog(None), "here").ask_all(requests(1))
    assert found.kind == "malformed" and "encoded as gzip" in found.message and len(server.arrived) == 1
    assert server.arrived[0][2]["Accept-Encoding"] == "identity"


def test_a_refused_key_ends_the_run_in_one_line(server, study, monkeypatch):
    monkeypatch.setenv("SERVER_KEY", KEY)
    server.fault = lambda number, route, body: (401, f"bad key {KEY}\n") if body else None
    with open_transport(study(asking={"api_key_env": "SERVER_KEY"})) as wire, pytest.raises(ModelError, match="refuses the key") as caught:
        examine(wire, study().model, None)
    assert KEY not in str(caught.value) and "\n" not in str(caught.value) and "***" in str(caught.value)


def test_an_answer_that_failed_is_no_number(server, study):
    """20 % of requests fail for good: those answers are missing, the others are what they are without faults."""
    prompts = [p for kind in ("mmlu", "imitation", "gsm8k") for mine in Materials(study()).asked(kind).prompts for p in mine]
    chat = own_chat(study())
    can = Capabilities(base="base", models=("base",), completions=True, token_ids=True, echo=True, scoring="echo")

    def ask():
        with open_transport(study(asking={"attempts": 1, "max_failures": 1000})) as wire:
            return EndpointEngine(Asker(wire, ReplyLog(None), "x"), "base", can, chat).answer(prompts)

    true = ask()
    server.fault = random_faults(0.2, 1, tuple(f for f in PASSING if f != "positive"))
    found = ask()
    failed = [f for f in found if f.failed]
    assert 0.2 * len(found) < len(failed) < 0.9 * len(found)
    assert all(f.logliks == () and not f.text and "\n" not in f.failed for f in failed)
    assert all(f == t for f, t in zip(found, true, strict=True) if not f.failed)


def test_ending_in_the_middle_leaves_no_thread_and_no_hanging_request(server):
    server.fault = lambda number, route, body: "hang"
    before = set(threading.enumerate())
    wire = transport(server, timeout_seconds=20)
    worker = threading.Thread(target=lambda: wire.post("/completions", requests(1)[0].body, lambda r: r))
    worker.start()
    while not server.arrived:
        time.sleep(0.01)
    wire.close()
    worker.join(3)
    assert not worker.is_alive()
    assert {t for t in threading.enumerate() if t is not server.thread and "process_request" not in t.name} <= before
