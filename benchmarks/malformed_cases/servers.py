"""Servers that lie, break and stall, in both forms of asking: completions that echo a prompt, and alternatives of the next token.

One server on loopback; the path of its address names the fault, and whether it comes while the server is examined or once a study is asked.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmarks.malformed_cases.common import Case, put

WORDS = "A B C D 1 2 3 4 5 yes no red blue green one two the a it dog".split()
Reply = dict[str, Any]
FORMS = ("echo", "top", "chat")  # how answers are scored: whole, by completions' next token, by chat's
PROBES = ("The capital of France is", "Hello", "What is the capital of France?")  # what prompts of an examination begin with


def chances(context: str) -> dict[str, float]:
    """A made model: log-probabilities of the next word, from the hash of what stands before it."""
    weights = [1 + byte for byte in hashlib.sha256(context.encode()).digest()[: len(WORDS)]]
    return {f" {w}": math.log(0.9 * x / sum(weights)) for w, x in zip(WORDS, weights, strict=True)}


def loglik(context: str, token: str) -> float:
    return chances(context).get(token, -12 - hashlib.sha256((context + token).encode()).digest()[0] / 256)


def best(top: dict[str, float]) -> tuple[str, float]:
    return max(top.items(), key=lambda p: p[1])


def completion(body: Reply) -> Reply:
    tokens = re.findall(r"\s*\S+|\s+$", body["prompt"])
    top = chances(body["prompt"])
    word, value = best(top)
    choice: Reply = {"index": 0, "text": word, "finish_reason": "length"}
    if body.get("logprobs"):
        listed = dict(sorted(top.items(), key=lambda p: -p[1])[: body["logprobs"]])
        choice["logprobs"] = {"tokens": [word], "token_logprobs": [value], "top_logprobs": [listed]}
        if body.get("echo"):
            values = [None, *(loglik("".join(tokens[:i]), tokens[i]) for i in range(1, len(tokens)))]
            tops = [None, *(dict([best(chances("".join(tokens[:i])))]) for i in range(1, len(tokens)))]
            choice["text"] = body["prompt"] + word
            choice["logprobs"] = {"tokens": [*tokens, word], "token_logprobs": [*values, value], "top_logprobs": [*tops, listed]}
    return {"model": body["model"], "choices": [choice], "usage": {"prompt_tokens": len(tokens), "completion_tokens": 1}}


def chat(body: Reply) -> Reply:
    top = chances(json.dumps(body["messages"]))
    word, value = best(top)
    choice: Reply = {"index": 0, "message": {"role": "assistant", "content": word.strip()}, "finish_reason": "length"}
    if body.get("logprobs"):
        entries = [{"token": t, "logprob": v} for t, v in sorted(top.items(), key=lambda p: -p[1])[: body["top_logprobs"]]]
        choice["logprobs"] = {"content": [{"token": word, "logprob": value, "top_logprobs": entries}]}
    return {"model": body["model"], "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}


# --- what is wrong with a reply -------------------------------------------------------------------------------------------


def scores(change: Callable[[int, float], Any]) -> Callable[[Reply], Reply]:
    """`change(i, value)` of every log-probability; in a chat `i` counts the alternatives."""

    def edit(reply: Reply) -> Reply:
        for choice in reply["choices"]:
            given = choice.get("logprobs") or {}
            for entry in given.get("content", []):
                entry["logprob"] = change(0, entry["logprob"])
                for i, other in enumerate(entry["top_logprobs"]):
                    other["logprob"] = change(i, other["logprob"])
            if "tokens" in given:
                given["token_logprobs"] = [v if v is None else change(i, v) for i, v in enumerate(given["token_logprobs"])]
                given["top_logprobs"] = [t and {k: change(i, v) for i, (k, v) in enumerate(t.items())} for t in given["top_logprobs"]]
        return reply

    return edit


def each(edit: Callable[[Reply], Any]) -> Callable[[Reply], Reply]:
    """`edit` of every choice, in place."""

    def change(reply: Reply) -> Reply:
        for choice in reply["choices"]:
            edit(choice)
        return reply

    return change


def logprobs(edit: Callable[[Reply], Any]) -> Callable[[Reply], Reply]:
    return each(lambda choice: edit(choice["logprobs"]) if choice.get("logprobs") else None)


def listed(given: Reply, edit: Callable[[list[Reply]], list[Reply]]) -> None:
    """Of a chat's alternatives."""
    for entry in given.get("content", []):
        entry["top_logprobs"] = edit(entry["top_logprobs"])


def other_prompt(given: Reply) -> None:
    for i in range(1, len(given.get("tokens", [])) - 1):
        given["tokens"][i] = f" other{i}"


def canned(given: Reply) -> None:
    """The same alternatives whatever is asked."""
    top = chances("canned")
    listed(given, lambda entries: [{"token": t, "logprob": v} for t, v in top.items()])
    if "tokens" in given:
        given["top_logprobs"] = [top for _ in given["tokens"]]


def of_usage(**usage: Any) -> Callable[[Reply], Reply]:
    return lambda reply: {**reply, "usage": {**reply["usage"], **usage}}


BAD_VALUES: dict[str, Any] = {"nan": math.nan, "minus infinity": -math.inf, "a text": "-1.5", "null": None, "a list": [-1.5], "an object": {"v": -1}, "true": True,
                              "a huge negative": -(10**400)}  # fmt: skip
# Numbers that no model gives: the server is refused, whenever they come.
UNTRUE: dict[str, Callable[[Reply], Reply]] = {
    "above 0": scores(lambda i, v: 0.5), "a little above 0": scores(lambda i, v: 0.01), "far above 0": scores(lambda i, v: 1e9),
    "infinite": scores(lambda i, v: math.inf), "a huge integer": scores(lambda i, v: 10**400), "minus taken off": scores(lambda i, v: -v),
    "all 0": scores(lambda i, v: 0.0), "all -0.0": scores(lambda i, v: -0.0), "all 0, as integers": scores(lambda i, v: 0),
    "all -0.1": scores(lambda i, v: -0.1), "all false zeros": scores(lambda i, v: -1e-12), "another model": lambda reply: {**reply, "model": "tuned"},
}  # fmt: skip
UNTRUE_OF: dict[str, dict[str, Callable[[Reply], Reply]]] = {
    "echo": {
        "all -7": scores(lambda i, v: -7.0),
        "above the best": logprobs(
            lambda g: g.update(token_logprobs=[v and max(v, -0.001 * (i + 1)) for i, v in enumerate(g["token_logprobs"])])
        ),
    },
    "top": {"of another prompt": logprobs(canned), "probabilities, not logs, negated": scores(lambda i, v: -math.exp(v))},
    "chat": {
        "of another prompt": logprobs(canned),
        "one listed twice": logprobs(lambda g: listed(g, lambda entries: [entries[0], *entries])),
        "one listed twice, by id": logprobs(lambda g: listed(g, lambda entries: [{**e, "id": 7, "logprob": e["logprob"] - 3} for e in entries[:1] * 2])),
        "probabilities, not logs, negated": scores(lambda i, v: -math.exp(v)),
        "all -1": scores(lambda i, v: -1.0),
    },
}  # fmt: skip
# Replies that are not what was asked for: the form cannot be had, or the answer is missing.
MALFORMED: dict[str, Callable[[Reply], Any]] = {
    **{f"a log-probability is {name}": scores(lambda i, v, bad=bad: bad) for name, bad in BAD_VALUES.items()},
    "no logprobs": each(lambda c: c.pop("logprobs", None)), "logprobs null": each(lambda c: c.update(logprobs=None)),
    "logprobs empty": each(lambda c: c.update(logprobs={})), "logprobs a list": each(lambda c: c.update(logprobs=[])),
    "no choices": lambda r: {**r, "choices": []}, "choices null": lambda r: {**r, "choices": None}, "choices an object": lambda r: {**r, "choices": {}},
    "two choices": lambda r: {**r, "choices": r["choices"] * 2}, "a choice is text": lambda r: {**r, "choices": ["A"]},
    "three choices in reverse": lambda r: {**r, "choices": [{**r["choices"][0], "index": i} for i in (2, 1, 0)]},
    "index 1": each(lambda c: c.update(index=1)), "index a text": each(lambda c: c.update(index="first")), "index -1": each(lambda c: c.update(index=-1)),
    "an error and no choices": lambda r: {"error": {"message": "out of memory", "type": "x"}}, "an error of text": lambda r: {"error": "no"},
    "an error and null": lambda r: {**r, "choices": None, "error": {"message": "oh"}}, "an empty object": lambda r: {}, "null": lambda r: None,
    "a number": lambda r: 7, "a text": lambda r: "A", "a list": lambda r: [r], "nested in a list of data": lambda r: {"data": r},
    "a stream's piece": lambda r: {**r, "choices": [{"index": 0, "delta": {"content": "A"}, "finish_reason": None}]},
}  # fmt: skip
MALFORMED_OF: dict[str, dict[str, Callable[[Reply], Any]]] = {
    "echo": {
        "another prompt": logprobs(other_prompt), "no usage": lambda r: {k: v for k, v in r.items() if k != "usage"}, "usage null": lambda r: {**r, "usage": None},
        "usage of texts": of_usage(completion_tokens="1"), "negative usage": of_usage(completion_tokens=-1), "usage of all": of_usage(completion_tokens=10**6),
        "usage true": of_usage(completion_tokens=True), "usage of a float": of_usage(completion_tokens=1.5), "no new tokens": of_usage(completion_tokens=0),
        "a token less": logprobs(lambda g: g["tokens"].pop(1)), "a log-probability less": logprobs(lambda g: g["token_logprobs"].pop()),
        "no tokens": logprobs(lambda g: g.pop("tokens")), "no values": logprobs(lambda g: g.pop("token_logprobs")),
        "tokens are numbers": logprobs(lambda g: g.update(tokens=[3] * len(g["tokens"]))), "tokens null": logprobs(lambda g: g.update(tokens=None)),
        "tokens in reverse": logprobs(lambda g: g["tokens"].reverse()), "prompt not echoed": logprobs(lambda g: g.update({k: g[k][-1:] for k in g})),
        "tokens twice": logprobs(lambda g: g.update({k: g[k] * 2 for k in g})),
    },
    "top": {
        "no alternatives": logprobs(lambda g: g.pop("top_logprobs")), "alternatives empty": logprobs(lambda g: g.update(top_logprobs=[])),
        "alternatives null": logprobs(lambda g: g.update(top_logprobs=[None])), "alternatives a list": logprobs(lambda g: g.update(top_logprobs=[[-1.0]])),
        "one alternative": logprobs(lambda g: g.update(top_logprobs=[{" A": -0.5}])), "all impossible": scores(lambda i, v: -9999.0),
    },
    "chat": {
        "no content": logprobs(lambda g: g.pop("content")), "content empty": logprobs(lambda g: g.update(content=[])), "content null": logprobs(lambda g: g.update(content=None)),
        "no alternatives": logprobs(lambda g: listed(g, lambda e: [])), "one alternative": logprobs(lambda g: listed(g, lambda e: e[:1])),
        "alternatives of numbers": logprobs(lambda g: listed(g, lambda e: [{"token": 7, "logprob": -1.0}] * 2)), "all impossible": scores(lambda i, v: -9999.0),
        "alternatives without tokens": logprobs(lambda g: listed(g, lambda e: [{"logprob": -1.0}] * 2)),
        "message parts": each(lambda c: c.update(message={"role": "assistant", "content": [{"type": "text", "text": "A"}]}, logprobs=None)),
        "no message": each(lambda c: [c.pop("message"), c.pop("logprobs", None)]), "message null": each(lambda c: c.update(message=None, logprobs=None)),
    },
}  # fmt: skip
GOOD = b'{"model": "m", "choices": [{"index": 0, "text": " A", "message": {"content": "A"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}'
# Bodies with status 200 that are no JSON object.
BODIES: dict[str, bytes] = {
    "empty": b"", "spaces": b"  \r\n ", "truncated": b'{"choices": [{"text": "and th', "html": b"<!doctype html><title>502</title>", "a page of a login": b"<html>" * 500,
    "plain text": b"OK", "deep": b"[" * 100_000, "deep objects": b'{"a":' * 50_000, "not utf-8": b'{"choices": "\xff\xfe"}', "utf-16": '{"a": 1}'.encode("utf-16"),
    "two objects": b'{"choices": []}{"choices": []}', "lines of objects": b'{"a": 1}\n{"a": 2}\n', "an event stream": b'data: {"choices": []}\n\ndata: [DONE]\n\n',
    "single quotes": b"{'choices': []}", "a comma too many": b'{"choices": [],}', "a comment": b'{"choices": [] /* none */}', "binary": bytes(range(256)), "nul": b"\x00" * 64,
    "a number of 6000 digits": b"9" * 6000, "gzip without a header": gzip.compress(b"{}"), "a key twice": GOOD.replace(b'"model": "m"', b'"choices": [], "model": "m"'),
    "a lone bracket": b"]", "XML": b"<?xml version='1.0'?><error/>", "yaml": b"choices:\n- text: A\n", "a cut escape": b'{"a": "\\u00', "half a surrogate in no text": b"\\ud800",
}  # fmt: skip
ENCODED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(GOOD)), "deflate": ("deflate", zlib.compress(GOOD)), "br": ("br", b"\x0b\x02\x80{}\x03"), "zstd": ("zstd", b"\x28\xb5\x2f\xfd"),
    "a gzip bomb": ("gzip", gzip.compress(b" " * 20_000_000)), "GZIP": ("GZIP", gzip.compress(GOOD)), "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(GOOD))),
    "gzip that is none": ("gzip", GOOD), "an unknown one": ("rot13", GOOD), "x-gzip": ("x-gzip", gzip.compress(GOOD)), "identity, gzip": ("identity, gzip", gzip.compress(GOOD)),
}  # fmt: skip
STATUSES = (201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 422, 425, 429, 451,
            500, 501, 502, 503, 504, 507, 520, 529)  # fmt: skip
WAITS = (
    "1000000000",
    "-5",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "soon",
    "",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Mon, 99 Foo 20 00:00",
    "9" * 400,
)
ELSEWHERE = (
    "http://127.0.0.1:9/v1",
    "https://example.invalid/v1",
    "//example.invalid/",
    "file:///etc/passwd",
    "/v1/../x",
    "http://[::1",
    "",
    "gopher://x",
)
RAW: dict[str, bytes] = {
    "no status line": b"hello\r\n\r\n", "a status that is no number": b"HTTP/1.1 OK 200\r\n\r\n", "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n", "nothing": b"",
    "HTTP/9": b"HTTP/9.9 200 OK\r\n\r\n", "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000, "many headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 60_000,
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}", "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", "a length too long": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + GOOD,
    "a length too short": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + GOOD, "chunks that are none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "chunks cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{}",
    "a chunk of 2^64": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "chunked and gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a control character in a header": b"HTTP/1.1 200 OK\r\nX: \x00\x07\r\nContent-Length: 2\r\n\r\n{}", "informational for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, body: Reply | None) -> None:
        _, form, place, kind, fault, _, *route = map(unquote, self.path.split("/"))
        examined = body is None or str(body.get("prompt") or body["messages"][-1]["content"]).startswith(PROBES)
        asked = place == "probe" if examined else place == "asked"
        if body is not None and (route == ["chat", "completions"]) != (form == "chat"):
            self.send(b'{"error": {"message": "no such route"}}', 404)
        elif kind in ("status", "elsewhere", "wait", "body", "encoded", "raw", "endless") and asked and (body is not None or kind == "raw"):
            getattr(self, kind)(fault)
        else:
            reply: Any = {"data": [{"id": "m"}, {"id": "tuned"}]} if body is None else chat(body) if form == "chat" else completion(body)
            scored = body is not None and (body.get("echo") if form == "echo" else body.get("logprobs") and not body.get("echo"))
            if form != "echo" and body is not None and body.get("echo"):
                self.send(b'{"error": {"message": "no echo"}}', 400)
                return
            if kind == "edit" and asked and body is not None and (scored or fault == "another model"):
                reply = edits(form)[fault](reply)
            self.send(json.dumps(reply).encode())

    def send(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Type": "application/json", "Content_Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(data)

    def status(self, fault: str) -> None:
        self.send(GOOD, int(fault))

    def elsewhere(self, fault: str) -> None:
        status, _, place = fault.partition(" ")
        self.send(b"", int(status), Location=place)

    def wait(self, fault: str) -> None:
        status, _, after = fault.partition(" ")
        self.send(b'{"error": {"message": "slow down"}}', int(status), Retry_After=after)

    def body(self, fault: str) -> None:
        self.send(BODIES[fault])

    def encoded(self, fault: str) -> None:
        self.send(ENCODED[fault][1], Content_Encoding=ENCODED[fault][0])

    def raw(self, fault: str) -> None:
        self.wfile.write(RAW[fault])
        self.wfile.flush()
        self.close_connection = True

    def endless(self, fault: str) -> None:
        self.send_response(200)
        if fault == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = {"spaces": b" ", "brackets": b"[", "a text": b"a"}.get(fault, b"x") * (1 << 18)
        try:
            for _ in range(64):
                self.wfile.write(b"40000\r\n" + piece + b"\r\n" if fault == "chunks" else piece)
        except OSError:
            pass
        self.close_connection = True


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what the cases are about."""


@cache
def port() -> int:
    """Of the one server of this process."""
    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server.server_port


def edits(form: str) -> dict[str, Callable[[Reply], Any]]:
    return {**UNTRUE, **UNTRUE_OF[form], **MALFORMED, **MALFORMED_OF[form], **ACCEPTED_OF[form]}


# Odd and right: (what is done to the reply)
ACCEPTED_OF: dict[str, dict[str, Callable[[Reply], Any]]] = {
    "echo": {"other fields": lambda r: {**r, "id": "x" * 999, "created": -1}, "no index": each(lambda c: c.pop("index")), "as it is": lambda r: r,
             "error null": lambda r: {**r, "error": None}, "no model": lambda r: {k: v for k, v in r.items() if k != "model"},
             "an odd end": each(lambda c: c.update(finish_reason="who knows")), "an end that is a list": each(lambda c: c.update(finish_reason=[]))},
    "top": {"as it is": lambda r: r, "a token that no UTF-8 holds": logprobs(lambda g: g["top_logprobs"][0].update({"\ud800": -12.0})),
            "usage null": lambda r: {**r, "usage": None}, "no usage": lambda r: {k: v for k, v in r.items() if k != "usage"},
            "some impossible": logprobs(lambda g: g["top_logprobs"][0].update({"zz": -9999.0}))},
    "chat": {"as it is": lambda r: r, "usage of texts": of_usage(prompt_tokens="nine"), "no usage": lambda r: {k: v for k, v in r.items() if k != "usage"},
             "halves of characters": logprobs(lambda g: listed(g, lambda e: [*e, {"token": "\ufffd", "logprob": -12.0}, {"token": "\ufffd", "logprob": -12.5}])),
             "an odd end": each(lambda c: c.update(finish_reason="who knows"))},
}  # fmt: skip
SCORING = {"echo": "echo", "top": "next_token", "chat": "next_token"}
ROWS = {
    "hellaswag": [{"ctx": f"The dog sat {i}.", "ctx_a": f"The dog sat {i}.", "ctx_b": "", "activity_label": "Home", "endings": ["red one", "blue two", "green dog", "no"],
                   "label": "3"} for i in range(3)],
    "mmlu": [{"question": f"Which is {i}?", "subject": "x", "choices": ["red", "blue", "green", "dog"], "answer": i} for i in range(3)],
}  # fmt: skip
STUDY = """name: served
seeds: 1
model: {name: "endpoint:http://127.0.0.1:9/v1", served_model: m}
domains: []
data: {root: .}
instruments: [{kind: %s, data: rows.jsonl}]
execution: {endpoint: {attempts: 1, backoff_seconds: 0.01, timeout_seconds: 2, max_wait_seconds: 0.01, max_failures: 1000}}
"""


def right_of(form: str, missing: bool) -> Callable[[Path, str], str | None]:
    """All answers are there, or all are counted as missing and no number is made of them."""

    def right(_: Path, out: str) -> str | None:
        found = json.loads(out)["base"]
        numbers = {k: v for k, v in found.items() if k != "missing answers" and v is not None}
        if missing:
            return None if found["missing answers"] and not numbers else f"{numbers} from {found['missing answers']} missing answers"
        return f"{found['missing answers']} answers are missing" if found["missing answers"] else None

    return right


def not_believed(form: str) -> Callable[[Path, str], str | None]:
    """The form that the fault is in is not used."""

    def right(_: Path, out: str) -> str | None:
        can = json.loads(out)["endpoint"]
        used = can["chat_scoring" if form == "chat" else "scoring"]
        return f"scoring is {used}" if used == SCORING[form] else None

    return right


def server_case(form: str, place: str, kind: str, fault: str, must: bool = True, scoring: str | None = "", right: Any = None) -> Case:
    """`scoring`: the setting; by default the form itself, None: left to holdfast."""

    def make(folder: Path) -> list[str]:
        instrument = "hellaswag" if form == "echo" else "mmlu"
        safe = "".join(c if c.isascii() and c.isalnum() else f"%{b:02X}" for c in fault for b in c.encode()[:1])
        url = f"http://127.0.0.1:{port()}/{form}/{place}/{kind}/{safe}/v1"
        put(folder / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS[instrument]))
        study = put(folder / "s.yaml", STUDY % instrument)
        chosen = [f"model.scoring={SCORING[form] if scoring == '' else scoring}"] if scoring is not None else []
        measured = ["--limit", "2"] if place == "asked" else []
        adapter = ["--adapter", "tuned"] if fault == "another model" else []
        return ["probe", f"endpoint:{url}", *chosen, "--study", str(study), *measured, *adapter, "--json", "--quiet", "--offline"]

    return Case("servers", f"{form}, {place}, {kind}: {fault[:60]}{' (any scoring)' if scoring is None else ''}", make, must, right)


def servers() -> Iterator[Case]:
    for form in FORMS:
        for fault in (*UNTRUE, *UNTRUE_OF[form]):
            yield server_case(form, "probe", "edit", fault)
            if form != "echo" or fault != "another model":
                yield server_case(form, "probe", "edit", fault, scoring=None)
            if fault != "of another prompt" and form != "top":  # without a tokenizer, turns are asked by chat
                yield server_case(form, "asked", "edit", fault)
        for fault in (*MALFORMED, *MALFORMED_OF[form]):
            yield server_case(form, "probe", "edit", fault)
            yield server_case(form, "probe", "edit", fault, must=False, scoring=None, right=not_believed(form))
            if form != "top" and fault not in ("one alternative", "message parts", "no message", "message null"):
                yield server_case(form, "asked", "edit", fault, must=False, right=right_of(form, True))
        for fault in ACCEPTED_OF[form]:
            yield server_case(form, "probe", "edit", fault, must=False, right=None if form == "top" else right_of(form, False))
            if form != "top":
                yield server_case(form, "asked", "edit", fault, must=False, right=right_of(form, False))
        for fault in BODIES:
            yield server_case(form, "probe", "body", fault, scoring=None)
            if form != "top":
                yield server_case(form, "asked", "body", fault, must=False, right=right_of(form, True))
        for kind, faults in (
            ("encoded", ENCODED),
            ("raw", RAW),
            ("status", map(str, STATUSES)),
            ("endless", ("spaces", "brackets", "a text", "chunks")),
        ):
            for fault in faults:
                if form != "top":  # completions are those of echo
                    yield server_case(form, "probe", kind, fault, scoring=None)
                if form != "top" and fault not in ("401", "403", "404"):
                    yield server_case(form, "asked", kind, fault, must=False, right=right_of(form, True))
    for status in (301, 302, 307, 308):
        for place in ELSEWHERE:
            yield server_case("chat", "probe", "elsewhere", f"{status} {place}", scoring=None)
    for status in (429, 503):
        for after in WAITS:
            yield server_case("chat", "probe", "wait", f"{status} {after}", scoring=None)
            yield server_case("chat", "asked", "wait", f"{status} {after}", must=False, right=right_of("chat", True))
