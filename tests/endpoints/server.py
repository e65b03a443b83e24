"""A real server of real models over loopback HTTP in OpenAI's format, with the abilities and the faults a test asks for.

In a test's own process (`Server`), or as one of its own: python tests/endpoints/server.py --model world:0 [--adapter NAME=FOLDER] [--faults .2]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from holdfast.config import ModelConfig
from holdfast.models.adapters import adapted
from holdfast.models.checkpoint import load_base


@dataclass(frozen=True)
class Abilities:
    """`top`: alternatives of the next token it gives at most; `adds_bos`: it puts one in front of texts, as vLLM and llama.cpp do."""

    echo: bool = True
    prompt_logprobs: bool = True
    token_ids: bool = True
    completions: bool = True
    chat: bool = True
    lists: bool = True
    top: int = 20
    adds_bos: bool = True
    off_by_one: bool = False


class Served:
    """One model: prompts in, log-probabilities and greedy replies out."""

    def __init__(self, model: Any, chat: Any):
        self.model, self.tokenizer = model.eval(), chat.tokenizer
        self.words = "WhitespaceSplit" in str(self.tokenizer.backend_tokenizer.pre_tokenizer)
        self.lock = threading.Lock()

    def token(self, token: int) -> str:
        text = self.tokenizer.convert_ids_to_tokens(token) if self.words else self.tokenizer.decode([token])
        return f" {text}" if self.words else text

    @torch.inference_mode()
    def logprobs(self, ids: list[int]) -> torch.Tensor:
        with self.lock:
            return self.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)

    def complete(self, ids: list[int], limit: int, echo: bool, top: int, shift: bool) -> dict[str, Any]:
        new: list[int] = []
        at = self.logprobs(ids)
        first, tops, values, finish = at[-1], [], [], "length"
        seen = [None, *(at[i, t].item() for i, t in enumerate(ids[1:]))] if echo else []
        for _ in range(limit):
            token = int(at[-1].argmax())
            if token == self.tokenizer.eos_token_id:
                finish = "stop"
                break
            new.append(token)
            values.append(at[-1, token].item())
            tops.append(at[-1])
            if len(new) < limit:
                at = self.logprobs([*ids, *new])
        if shift and len(seen) > 1:
            seen = [None, *seen[2:], seen[1]]
        alternatives = [self._top(row, top) for row in (tops or [first])] if top else []
        return {"text": "".join(map(self.token, new)), "finish": finish, "tokens": list(map(self.token, [*ids, *new] if echo else new)),
                "values": [*seen, *values], "top": [*([None] * len(seen)), *alternatives], "new": len(new)}  # fmt: skip

    def _top(self, row: torch.Tensor, count: int) -> dict[str, float]:
        best = row.topk(min(count, len(row)))
        return {self.token(int(t)): v for t, v in zip(best.indices, best.values.tolist(), strict=True)}


class Server(ThreadingHTTPServer):
    """`fault(number, route, body)` names what goes wrong with a request, or None. `answered`: whole true replies by request."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, models: dict[str, Served], can: Abilities | None = None, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.models, self.can, self.lock = models, can or Abilities(), threading.Lock()
        self.fault: Any = lambda number, route, body: None
        self.arrived: list[tuple[float, str, dict[str, str], Any]] = []
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.release = threading.Event()
        self.in_flight = self.most_in_flight = 0
        self.previous: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        """A client that gave up is part of the tests."""

    def start(self) -> Server:
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        self.release.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class Refused(Exception):
    def __init__(self, status: int, message: str):
        self.status, self.message = status, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._handle(None)

    def do_POST(self):
        self._handle(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _handle(self, body):
        server, route = self.server, self.path.removeprefix("/v1")
        with server.lock:
            number = len(server.arrived)
            server.arrived.append((time.monotonic(), route, dict(self.headers), body))
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            fault = server.fault(number, route, body)
            if fault:
                with server.lock:
                    server.faults[fault if isinstance(fault, str) else str(fault[0])] += 1
            if isinstance(fault, tuple):
                self._json({"error": {"message": fault[1]}}, fault[0], *fault[2:])
            elif fault:
                getattr(self, f"_{fault}")(route, body)
            else:
                self._json(self._true(route, body))
                if body is not None:
                    with server.lock:
                        server.answered[hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()] += 1
        except Refused as error:
            self._json({"error": {"message": error.message}}, error.status)
        finally:
            with server.lock:
                server.in_flight -= 1

    # --- true replies ---------------------------------------------------------------------------------------------------

    def _true(self, route, body):
        can = self.server.can
        if route == "/models" and body is None and can.lists:
            return {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]}
        if route == "/completions" and can.completions:
            reply = self._completion(body)
        elif route == "/chat/completions" and can.chat:
            reply = self._chat(body)
        else:
            raise Refused(404, f"Not Found: {route}")
        with self.server.lock:
            self.server.previous[route] = reply
        return reply

    def _model(self, body):
        if body["model"] not in self.server.models:
            raise Refused(404, f"The model `{body['model']}` does not exist.")
        return self.server.models[body["model"]]

    def _completion(self, body):
        can, served, prompt = self.server.can, self._model(body), body["prompt"]
        if isinstance(prompt, list):
            if not can.token_ids:
                raise Refused(422, "prompt: must be text")
            ids = prompt
        else:
            ids = served.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            ids = [served.tokenizer.bos_token_id] * can.adds_bos + ids
        if body.get("echo") and not can.echo:
            raise Refused(400, "echo is not supported")
        echo, top = bool(body.get("echo")), min(body.get("logprobs") or 0, can.top)
        made = served.complete(ids, body["max_tokens"], echo, top, can.off_by_one)
        text = ("".join(map(served.token, ids)) if echo else "") + made["text"]
        choice = {"index": 0, "text": text, "finish_reason": made["finish"]}
        if top:
            choice["logprobs"] = {"tokens": made["tokens"], "token_logprobs": made["values"], "top_logprobs": made["top"]}
        if body.get("prompt_logprobs") is not None and can.prompt_logprobs:
            at = served.logprobs(ids)
            choice["prompt_logprobs"] = [
                None, *({str(t): {"logprob": at[i, t].item(), "rank": 1, "decoded_token": served.token(t)}} for i, t in enumerate(ids[1:]))
            ]  # fmt: skip
        return {"object": "text_completion", "model": body["model"], "choices": [choice],
                "usage": {"prompt_tokens": len(ids), "completion_tokens": made["new"], "total_tokens": len(ids) + made["new"]}}  # fmt: skip

    def _chat(self, body):
        served = self._model(body)
        text = served.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
        ids = served.tokenizer(text, add_special_tokens=False)["input_ids"]
        top = min(body.get("top_logprobs") or 0, self.server.can.top) if body.get("logprobs") else 0
        made = served.complete(ids, body["max_tokens"], False, top, False)
        choice = {"index": 0, "message": {"role": "assistant", "content": made["text"]}, "finish_reason": made["finish"]}
        if top:
            entries = [{"token": t, "logprob": v} for t, v in made["top"][0].items()]
            choice["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}]}
        return {"object": "chat.completion", "model": body["model"], "choices": [choice],
                "usage": {"prompt_tokens": len(ids), "completion_tokens": made["new"]}}  # fmt: skip

    # --- faults ---------------------------------------------------------------------------------------------------------

    def _hang(self, *_):
        self.server.release.wait(30)
        self.close_connection = True

    def _drip(self, *_):
        """A header that never ends, a byte now and then."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.release.wait(0.02):
            self.wfile.write(b"a")
            self.wfile.flush()
        self.close_connection = True

    def _truncated(self, *_):
        self._raw(b'{"choices": [{"text": "and th')

    def _cut(self, *_):
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def _reset(self, *_):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _empty(self, *_):
        self._raw(b'{"choices": []}')

    def _encoded(self, *_):
        data = gzip.compress(b"{}")
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _deep(self, *_):
        self._raw(b"[" * 100_000)

    def _huge(self, *_):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            for _ in range(4096):
                self.wfile.write(b" " * (1 << 16))
        finally:
            self.close_connection = True

    def _changed(self, route, body, change):
        reply = json.loads(json.dumps(self._true(route, body)))
        for choice in reply.get("choices", ()):
            given = choice.setdefault("logprobs", {})
            given["token_logprobs"] = [change] * len(given.get("token_logprobs") or [])
            given["top_logprobs"] = [{"x": change}]
            if given.get("content"):
                given["content"][0]["top_logprobs"] = [{"token": "x", "logprob": change}]
            choice["prompt_logprobs"] = [{k: {"logprob": change} for k in e} if e else None for e in choice.get("prompt_logprobs", ())]
            choice["text"] = choice["message"] = None  # of a written reply nothing but the text is read
        self._json(reply)

    def _nan(self, route, body):
        self._changed(route, body, float("nan"))

    def _positive(self, route, body):
        self._changed(route, body, 3.0)

    def _stale(self, route, body):
        """What somebody asked before."""
        with self.server.lock:
            reply = self.server.previous.get(route)
        self._json(reply if reply is not None else {"choices": []})

    def _twice(self, route, body):
        self._json(self._true(route, body))
        self._json({"choices": [{"text": "late", "logprobs": None}]})

    def _json(self, value, status=200, headers=()):
        self._raw(json.dumps(value).encode(), status, dict(headers))

    def _raw(self, data, status=200, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


PASSING: tuple[Any, ...] = (
    "truncated", "cut", "reset", "empty", "nan", "positive", "deep", (500, "oh"), (503, "busy", {"Retry-After": "0"}),
    (429, "slow down", {"Retry-After": "0"}), (408, "late"),
)  # fmt: skip


def random_faults(share: float, seed: int, kinds: tuple[Any, ...] = PASSING) -> Any:
    """A fault for that share of the posts, drawn by the request's number."""

    def fault(number, route, body):
        rng = random.Random(f"{seed}/{number}")
        return rng.choice(kinds) if body is not None and rng.random() < share else None

    return fault


def load(model: str, adapters: dict[str, str] | None = None) -> dict[str, Served]:
    """`base`, and every adapter under its name, merged into a copy."""
    base = load_base(ModelConfig(name=model))
    found = {"base": Served(base.model, base.chat)}
    for name, folder in (adapters or {}).items():
        with adapted(base.model, folder, merge=True) as network:
            found[name] = Served(network, base.chat)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="world:0")
    parser.add_argument("--adapter", action="append", default=[])
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    server = Server(load(options.model, dict(a.split("=", 1) for a in options.adapter)), port=options.port)
    server.fault = random_faults(options.faults, options.seed)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
