"""A server that sends the key back in every spelling and place: no file of the run and no line of the terminal holds it in any of them."""

import base64
import html
import json
import re
import urllib.parse

import pytest
from server import Abilities, Handler
from test_served_study import behind, here, refused, write

from holdfast.backends.endpoint import announce
from holdfast.config import Study, address
from holdfast.errors import ConfigError
from holdfast.judges.judging import judge_file
from holdfast.judges.settings import judge_settings
from test_redact import contents

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = "sk-Very-Secret-0123456789"
FORMS = {
    "plain": KEY, "spaced": " ".join(KEY), "over lines": "\n".join(KEY), "in two lines": f"{KEY[:9]}\n{KEY[9:]}", "with dots": ".".join(KEY),
    "capitals": KEY.upper(), "reversed": KEY[::-1], "base64": base64.b64encode(KEY.encode()).decode(), "hex": KEY.encode().hex(),
    "base64 of a header": base64.b64encode(f"Authorization: Bearer {KEY}".encode()).decode(), "percent": "".join(f"%{ord(c):02x}" for c in KEY),
    "percent, once more": urllib.parse.quote("".join(f"%{ord(c):02X}" for c in KEY)), "JSON": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "HTML": "".join(f"&#{ord(c)};" for c in KEY), "zero-width": "\u200b".join(KEY), "in colour": f"{KEY[:7]}\x1b[31m{KEY[7:]}", "in a repr": repr(list(KEY)),
}  # fmt: skip


def spelled(text):
    """Which forms of the key stand in a text, whatever else stands between its letters; written without the code under test."""
    for _ in range(3):
        text = urllib.parse.unquote(html.unescape(text))
        text = re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), re.sub("\x1b\\[[0-9;]*m|\\\\u001b\\[[0-9;]*m", "", text))
    flat = "".join(c for c in text.lower() if c.isascii() and c.isalnum())
    sure = {"plain": KEY, "reversed": KEY[::-1], "hex": KEY.encode().hex()} | {
        f"base64, {k}": base64.b64encode(b"x" * k + KEY.encode()).decode()[4:-4] for k in range(3)
    }
    return [name for name, form in sure.items() if "".join(c for c in form.lower() if c.isalnum()) in flat]


def test_the_search_finds_every_form():
    assert all(spelled(f"a {form} b") for form in FORMS.values()) and not spelled("a sk-Very and 0123456789 b")


@pytest.fixture
def telling(server, monkeypatch):
    """A server that tells the key in a form chosen by the request's number, in texts, errors, headers, names and fields."""
    forms, told = list(FORMS.values()), set()

    def tell(handler, route, body, number):
        form = forms[number % len(forms)]
        reply = handler._true(route, body)
        if body is None:
            reply["data"] += [{"id": f"model {f}"} for f in forms]
        for choice in reply.get("choices", ()):
            told.add(form)
            choice["finish_reason"] = "stop"
            if "message" in choice:
                choice["message"] = {"role": "assistant", "content": f"{form} {choice['message']['content']}", "reasoning_content": form}
            elif body is not None and not body.get("echo"):
                choice["text"] = f"{choice['text']} you sent {form}"
        line = "".join(c if c.isascii() and c.isprintable() else " " for c in form)
        handler._json({**reply, "id": form, form: form}, 200, {"Set-Cookie": f"key={line}", "X-Echo": f"Bearer {line}"})

    def fault(number, route, body):
        form = forms[number // 3 % len(forms)]
        if body is not None and number % 3 == 0:
            line = "".join(c if c.isascii() and c.isprintable() else " " for c in form)
            headers = {"Retry-After": "0", "WWW-Authenticate": f'Bearer realm="{line}"', "Location": f"http://127.0.0.1:9/?key={line}"}
            return (503, f"the key {form} is\tbusy", headers)
        monkeypatch.setattr(Handler, f"_tell{number}", lambda handler, route, body: tell(handler, route, body, number), raising=False)
        return f"tell{number}"

    server.fault = fault
    return server, told


def test_no_file_of_a_run_and_no_line_holds_a_key_that_the_server_sends_back(telling, tmp_path, monkeypatch, capsys):
    server, told = telling
    server.can = Abilities(echo=False, prompt_logprobs=False, top=0)
    monkeypatch.setenv("NAMED_BY_THE_STUDY", KEY)
    study = behind(server.url, domains=[])
    study["instruments"] = [{"kind": k, "style": "world", "limit": 5} for k in ("gsm8k", "imitation", "feedback", "doubt")]
    study["execution"]["endpoint"] |= {"api_key_env": "NAMED_BY_THE_STUDY", "attempts": 3, "concurrency": 1}
    _, said = here(study, tmp_path / "out")
    shown = capsys.readouterr()
    assert f"the key in $NAMED_BY_THE_STUDY to {server.url}" in shown.err
    assert told == set(FORMS.values()) and {h.get("Authorization") for _, _, h, _ in server.arrived} == {f"Bearer {KEY}"}
    texts = dict(contents(tmp_path / "out"))
    assert {"trials.parquet", "transcripts.jsonl.gz", "report.html", "findings.json", "endpoint.json"} <= texts.keys()
    found = {name: forms for name, data in texts.items() if (forms := spelled(data.decode("utf-8", "replace")))}
    assert not found and not spelled("\n".join(said) + shown.out + shown.err)
    assert "you sent ***" in texts["transcripts.jsonl.gz"].decode()


@pytest.mark.parametrize("form", FORMS)
def test_an_error_that_ends_a_run_is_one_line_without_the_key(server, tmp_path, monkeypatch, form):
    monkeypatch.setenv("NAMED_BY_THE_STUDY", KEY)
    server.fault = lambda number, route, body: (401, f"bad key {FORMS[form]}!") if body else None
    study = behind(server.url, domains=[])
    study["execution"]["endpoint"]["api_key_env"] = "NAMED_BY_THE_STUDY"
    said = refused("run", write(tmp_path, study), "-o", tmp_path / "out")
    assert "refuses the key" in said and not spelled(said) and "***" in said.splitlines()[-1]


def test_a_key_in_pieces_over_a_reply_is_no_reply(server, study, monkeypatch):
    """Tokens of one letter each: nothing of it could be hidden and the rest kept."""
    from holdfast.backends.endpoint import open_transport

    monkeypatch.setenv("NAMED_BY_THE_STUDY", KEY)
    monkeypatch.setattr(Handler, "_pieces", lambda handler, route, body: handler._json({"tokens": list(KEY)}), raising=False)
    server.fault = lambda number, route, body: "pieces"
    with open_transport(study(asking={"api_key_env": "NAMED_BY_THE_STUDY", "attempts": 1})) as wire:
        assert "it holds the key in pieces" in wire.post("/completions", {"model": "base"}, lambda r: r).message


# --- where a key may go -----------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setattr(address, "_confirmed", set())
    monkeypatch.delenv(address.ALLOWED, raising=False)
    for name in ("AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "HOLDFAST_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, KEY)


@pytest.mark.parametrize(("url", "variable", "sent"), [
    ("http://127.0.0.1:8000/v1", "AWS_SECRET_ACCESS_KEY", True), ("http://127.8.8.8/v1", "MY_KEY", True), ("http://[::1]:8000/v1", "MY_KEY", True),
    ("http://localhost/v1", "MY_KEY", True), ("https://api.openai.com/v1", "OPENAI_API_KEY", True), ("https://anything.example/v1", "HOLDFAST_API_KEY", True),
    ("https://api.openai.com/v1", "AWS_SECRET_ACCESS_KEY", False), ("https://openai.com.evil.example/v1", "OPENAI_API_KEY", False),
    ("https://evil.example/openai.com/v1", "OPENAI_API_KEY", False), ("https://10.0.0.1/v1", "OPENAI_API_KEY", False), ("https://host/v1", "MY_KEY", False),
    ("http://api.openai.com/v1", "OPENAI_API_KEY", False), ("http://gpu.example/v1", "HOLDFAST_API_KEY", False), ("http://localhost.evil.example/v1", "MY_KEY", False),
    ("http://0.0.0.0/v1", "HOLDFAST_API_KEY", False), ("https://gpu.example/v1", None, True), ("http://gpu.example/v1", None, True),
])  # fmt: skip
def test_a_study_says_what_goes_where_and_an_odd_key_goes_nowhere(keys, capsys, url, variable, sent):
    study = Study.model_validate({"model": {"name": f"endpoint:{url}"}, "domains": [], "execution": {"endpoint": {"api_key_env": variable}},
                                  "instruments": [{"kind": "mmlu", "style": "world"}, {"kind": "gsm8k", "style": "world"}]})  # fmt: skip
    if sent:
        announce(study)
        key = f" and the key in ${variable}" if variable else ""
        assert capsys.readouterr().err == f"sending prompts of 2 instruments{key} to {url}\n"
    else:
        with pytest.raises(ConfigError, match=rf"execution.endpoint.api_key_env: \${variable}: ") as caught:
            announce(study)
        assert "\n" not in str(caught.value) and KEY not in str(caught.value) and address.ALLOWED in str(caught.value)


@pytest.mark.parametrize(("allowed", "url", "sent"), [
    ("MY_KEY", "https://gpu.example/v1", True), ("MY_KEY", "http://gpu.example/v1", False), ("OTHER, MY_KEY@gpu.example", "http://gpu.example:8000/v1", True),
    ("MY_KEY@gpu.example", "https://gpu.example/v1", True), ("MY_KEY@gpu.example", "https://other.example/v1", False), ("MY", "https://gpu.example/v1", False),
])  # fmt: skip
def test_the_environment_allows_a_key_by_name_or_for_one_host(keys, monkeypatch, allowed, url, sent):
    monkeypatch.setenv(address.ALLOWED, allowed)
    if sent:
        address.check_key(url, "MY_KEY")
    else:
        with pytest.raises(ConfigError):
            address.check_key(url, "MY_KEY")


def test_a_key_that_is_named_on_the_command_line_is_the_users_own_word(keys, tmp_path):
    file = write(tmp_path, behind("https://gpu.example/v1", domains=[]))
    Study.load(str(file), "execution.endpoint.concurrency=2", "name=MY_KEY")
    with pytest.raises(ConfigError, match="a study file may send HOLDFAST_API_KEY or GPU_API_KEY to gpu.example, and no other key"):
        address.check_key("https://gpu.example/v1", "MY_KEY")
    Study.load(str(file), "execution.endpoint.api_key_env=MY_KEY")
    address.check_key("https://gpu.example/v1", "MY_KEY")
    with pytest.raises(ConfigError, match="unencrypted; use https, or allow it with"):
        address.check_key("http://gpu.example/v1", "MY_KEY")


def test_a_judges_key_is_not_sent_unencrypted_either(keys, tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": 1, "question": "q", "gold": "g", "reply": "r"}) + "\n")
    settings = judge_settings(base_url="http://judge.example/v1", model="m", api_key_env="MY_KEY")
    with pytest.raises(ConfigError, match=r"--api-key-env: \$MY_KEY: the key would go to http://judge.example/v1 unencrypted"):
        judge_file(rows, "short_answer", settings, labels=None, out=None, cache=tmp_path / "c", measured=lambda a: None)
