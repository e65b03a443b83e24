"""A real server on loopback that speaks OpenAI's chat completions and breaks where a test tells it to."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from holdfast.judges.settings import judge_settings


def block(prompt: str, name: str) -> str:
    """The text between the marker lines of one block."""
    return re.search(rf"^<<{name} (\w+)>>\n(.*?)\n<<END {name} \1>>$", prompt, re.S | re.M)[2]


def tag(prompt: str) -> str:
    return re.search(r"the word VERDICT, then (\w+), then", prompt)[1]


def praise(prompt: str) -> str:
    """A judge that reads: the comment with more `fine` less `weak` is the more positive one."""
    a, b = (block(prompt, name).count("fine") - block(prompt, name).count("weak") for name in "AB")
    return f"VERDICT {tag(prompt)}: {'A' if a > b else 'B' if b > a else 'TIE'}"


def contains(prompt: str) -> str:
    """A judge that reads: does the gold answer or an alias stand in the reply?"""
    accepted = [block(prompt, "GOLD"), *filter(None, block(prompt, "ALIASES").split("\n"))]
    reply = block(prompt, "REPLY").lower()
    right = any(answer.lower() in reply for answer in accepted)
    return f"VERDICT {tag(prompt)}: {'CORRECT' if right else 'INCORRECT'}"


class Server(ThreadingHTTPServer):
    """`mind(prompt)` is the reply; `fault(number, prompt)` names what goes wrong with a request, or None.

    `arrived`: (time, prompt, headers, body) of each request; `answered`: how often each prompt got its whole reply.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, mind):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mind, self.fault, self.lock = mind, lambda number, prompt: None, threading.Lock()
        self.arrived, self.answered, self.release = [], Counter(), threading.Event()
        self.in_flight = self.most_in_flight = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        """A client that gave up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        server = self.server
        with server.lock:
            number = len(server.arrived)
            server.arrived.append((time.monotonic(), prompt, dict(self.headers), body))
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            fault = server.fault(number, prompt)
            (getattr(self, f"_{fault}") if isinstance(fault, str) else self._status if fault else self._reply)(prompt, fault)
        finally:
            with server.lock:
                server.in_flight -= 1

    def _reply(self, prompt, _=None):
        text = self.server.mind(prompt)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        with self.server.lock:
            self.server.answered[prompt] += 1
        self._send(200, {"object": "chat.completion", "model": "served", "choices": [choice],
                         "usage": {"prompt_tokens": 9, "completion_tokens": 3}})  # fmt: skip

    def _status(self, prompt, fault):
        status, message, headers = (*fault, {})[:3]
        self._send(status, {"error": {"message": message}}, headers)

    def _hang(self, *_):
        self.server.release.wait(30)
        self.close_connection = True

    def _drip(self, *_):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.server.release.wait(0.02):
            self.wfile.write(b" ")
        self.close_connection = True

    def _truncated_json(self, *_):
        self._raw(b'{"choices": [{"message": {"content": "VERD')

    def _cut_body(self, *_):
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def _reset(self, *_):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _no_choice(self, *_):
        self._raw(b'{"choices": []}')

    def _send(self, status, value, headers=()):
        self._raw(json.dumps(value).encode(), status, dict(headers))

    def _raw(self, data, status=200, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server():
    found = Server(praise)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.release.set()
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def settings(server):
    def make(**more):
        return judge_settings(**{"base_url": server.url, "model": "tiny", "backoff_seconds": 0.01, "timeout_seconds": 5, **more})

    return make
