"""No secret reaches a file of a run or a line of the terminal; what is data stays as it is."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.redact import HIDDEN, hide, redacted, redacted_tree, reveals_secret, secrets
from holdfast.world import base_path
from warm import HOLDFAST

# Put together here, so that no file of the repository looks as if it held one.
HF, OPENAI, PASSWORD, SIGNATURE = "hf_" + "Abc123" * 6, "sk-" + "proj-" + "x9" * 12, "correct-horse-7", "Xq8" * 9
PLANTED = (HF, OPENAI, PASSWORD, SIGNATURE)
ENVIRONMENT = {"HF_TOKEN": HF, "OPENAI_API_KEY": OPENAI, "STORE_PASSWORD": PASSWORD}


@pytest.mark.parametrize(("text", "want"), [
    (f"https://ann:{SIGNATURE}@host:8000/v1/rows", f"https://{HIDDEN}@host:8000/v1/rows"),
    (f"s3://{SIGNATURE}@bucket/rows.jsonl", f"s3://{HIDDEN}@bucket/rows.jsonl"),
    (f"https://host/rows.jsonl?X-Amz-Signature={SIGNATURE}&a=1 is gone", f"https://host/rows.jsonl?{HIDDEN} is gone"),
    (f"/data/{HF}/base", f"/data/{HIDDEN}/base"),
    ("http://ann:p@ss/w0rd@host:3128/x and https://host:8000/@a", f"http://{HIDDEN}@host:3128/x and https://host:8000/@a"),
    (f"https://host/a#{SIGNATURE}", f"https://host/a?{HIDDEN}"), ("Basic YW5uOnNlc2FtZQ==", f"Basic {HIDDEN}"),
    (f"Authorization: Bearer {SIGNATURE}", f"Authorization: Bearer {HIDDEN}"),
    (f"api_key={SIGNATURE}, next", f"api_key={HIDDEN}, next"),
    (f"the password is {PASSWORD}.", f"the password is {HIDDEN}."),
])  # fmt: skip
def test_every_form_of_a_secret_is_replaced(text, want):
    assert redacted(text, ENVIRONMENT) == want == redacted(want, ENVIRONMENT)


@pytest.mark.parametrize("text", [
    "meta-llama/Llama-2-7b-chat-hf@main", "world:0", "/data/rows.jsonl", "https://huggingface.co/org/name: accept the licence", "validation[:600]",
    "train.learning_rate=0.0002", "tokens: 4096", "a token is a piece of text", "user@host", "sk-learn", "basic mathematics", "the bearer understands",
    "what is 2 + 2 ? the answer is 4",
])  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert (
        redacted(text, {"TOKENIZERS_PARALLELISM": "false-ish-1", "HF_TOKEN": "main", "PATH": "/data/rows.jsonl", "SOME_KEY": "learning"})
        == text
    )


def test_only_variables_named_like_secrets_count():
    names = [
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "DB_PASSWORD",
        "WANDB_API_KEY",
        "X_APIKEY",
        "PGPASSWORD2",
    ]
    names += [
        "OPENAI_API_KEY_2",
        "GITHUB_PAT",
        "NPM_AUTH",
        "MYSQL_PWD",
        "SSHPASS",
        "DEPLOY_PASS",
        "GCP_CREDENTIALS",
        "api_key",
        "PROXY_PASSWD",
        "KEY",
        "ANTHROPIC_API_KEY_PROD",
        "AZURE_OPENAI_KEY_WEST",
        "TOKEN_BACKUP",
        "SECRET_VALUE",
        "OPENAIKEY",
        "AccessKey",
        "Api-Key",
        "AUTHORIZATION",
        "HF_JWT",
        "CREDS",
        *"DB_PASSWORD_PROD OPENAI_SECRET_PROD GITHUB_PAT_CLASSIC DBPASS DB_PW BASIC_AUTH_PW SMTP_PASSW CREDENTIALS_JSON SLACK_WEBHOOK".split(),
        *"MAILPW REDISPWD WEBHOOK_URL DB_PASS_STAGING TOKEN_URL SIGNING_KEY_URL".split(),
    ]
    environ = {name: f"value-{i}-of-it" for i, name in enumerate(names)}
    others = ["PWD", "OLDPWD", "HOME", "PATH", "SHELL", "USER", "LOGNAME", "KEYBOARD", "MONKEY", "TURKEY", "TOKENIZERS_PARALLELISM", "SSH_AUTH_SOCK", "XAUTHORITY",
              "OPENAI_KEY_FILE", "TOKEN_PATH", "PASSAGE", "COMPASS", "AUTHOR", "PATTERN", "GIT_ASKPASS", "KEYS_ALLOWED", "KEY_PATH", "TOKEN_LIMIT",
              "PASSENGER", "PATTERNS", "BYPASS", "OLD_PWD", "SSH_ASKPASS", "AUTH_URL", "AUTHOR_NAME", "COMPASS_2", "WEBHOOKED"]  # fmt: skip
    assert {*secrets(environ | {name: f"not-a-secret-{name}-1" for name in others})} == set(environ.values())


@pytest.mark.parametrize(("name", "value", "found"), [
    ("DATABASE_URL", f"postgresql://app:{PASSWORD}@db:5432/x", {PASSWORD, f"app:{PASSWORD}", }), 
    ("X", "mysql+pymysql://u:p%40ssw0rd-1@h/d", {"p%40ssw0rd-1", "p@ssw0rd-1", "u:p%40ssw0rd-1"}),
    ("HTTPS_PROXY", "http://ann:pa/ss-word1@proxy:3128", {"pa/ss-word1", "ann:pa/ss-word1"}), ("HF_ENDPOINT", "https://token-of-1234@hub", {"token-of-1234"}),
    ("DSN", "Server=db;User=ann;Password=hunter2hunter2;", {"hunter2hunter2"}), ("PIP_INDEX_URL", "https://pypi.org/simple", set()), ("GIT", "ssh://git@github.com/a/b", set()),
    ("A_KEY", "short", set()), ("A_KEY", "true", set()), ("A_KEY", "learning", set()), ("A_KEY", "Assistant", set()), ("A_KEY", "12345678", set()), ("A_KEY", "0.00025000", set()),
    ("A_KEY", "xxxxxxxxxxxx", set()), ("A_KEY", "correcthorsebatterystaple", {"correcthorsebatterystaple"}), ("A_KEY", "lettersOnlyMixed", {"lettersOnlyMixed"}),
    ("SERVICE_URL", "https://h/p?api_key=Abcd-1234-efgh", {"Abcd-1234-efgh"}), ("U", "https://h/p?a=1&sig=Ab%2B1234567&sv=2024-01-01", {"Ab%2B1234567", "Ab+1234567"}),
    ("HOOK", "see https://h/p#access_token=Abcd-1234-efgh", {"Abcd-1234-efgh"}), ("U", "https://h/?token=Abcd1234,efgh", {"Abcd1234,efgh", "Abcd1234"}),
    ("BUS", "Endpoint=sb://h/;SharedAccessKeyName=RootManageKey;SharedAccessKey=Abc1/23+45678=", {"Abc1/23+45678="}),
    ("STORE", "DefaultEndpointsProtocol=https;AccountName=storeaccount1;AccountKey=Zm9vYmFy12==;EndpointSuffix=core.windows.net", {"Zm9vYmFy12=="}),
    ("DSN", "host=db user=ann password=hunter2hunter2 dbname=x", {"hunter2hunter2"}), ("DSN", "Server=db;Pwd='hunter2hunter2';", {"hunter2hunter2"}),
    ("DSN", "postgresql://db/x?user=ann&password=hunter2hunter2", {"hunter2hunter2"}), ("CONF", '{"auths": {"h": {"auth": "YW5uOnNlc2FtZQ=="}}}', {"YW5uOnNlc2FtZQ=="}),
    ("HEADERS", "Authorization: Bearer Abcd-1234-efgh", {"Abcd-1234-efgh"}), ("HEADERS", "api-key=Abcd-1234-efgh,x=1", {"Abcd-1234-efgh,x=1", "Abcd-1234-efgh"}),
    ("S3", "https://b/k?X-Amz-Signature=abcdef0123456789&X-Amz-Date=20240101T000000Z", {"abcdef0123456789"}), ("HOME", "/home/ann-12345", set()),
    ("PWD", "/work/token=Abcd-1234", set()), ("LS_COLORS", "*.key=01;31:*.pem=00;36", set()), ("U", "https://h/p?page=12345678&q=Abcd-1234-efgh", set()),
    ("A_KEY", "1234567890123456", {"1234567890123456"}), ("API_KEYS", "first-key-0001,second-key-0002", {"first-key-0001", "second-key-0002", "first-key-0001,second-key-0002"}),
    ("X_AUTH", "Bearer abcd-efgh-1234", {"Bearer abcd-efgh-1234", "abcd-efgh-1234"}), ("SSH_KEY", "/dev/null", set()), ("A_KEY", "/nowhere/wJalrXUtn", {"/nowhere/wJalrXUtn"}),
])  # fmt: skip
def test_the_set_of_secrets_is_exact(name, value, found):
    assert {*secrets({name: value})} == found


def test_the_saved_token_of_the_hub_is_a_secret(tmp_path):
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "token").write_text("hub-token-0001\n")
    (tmp_path / "token").write_text("other-token-0002")
    assert secrets({"HOME": str(tmp_path)}) == ("hub-token-0001",) and secrets({"HF_HOME": str(tmp_path)}) == ("other-token-0002",)
    assert secrets({"HF_TOKEN_PATH": str(tmp_path / "token")}) == ("other-token-0002",) and secrets({"HOME": "/nowhere"}) == ()


def test_a_run_below_the_folder_one_stands_in_keeps_its_paths():
    """A study whose paths were taken for a password could not be run from its own study.yaml."""
    here = {"PWD": "/work/project-1/data", "OLDPWD": "/work/project-1", "HOME": "/home/ann-12345", "PATH": "/usr/local/bin:/usr/bin"}
    assert redacted("/work/project-1/data/rows.jsonl /home/ann-12345/base", here) == "/work/project-1/data/rows.jsonl /home/ann-12345/base"


@given(
    st.sampled_from(PLANTED[:2]), st.text(alphabet=" \n\t.,-_:;/\u200b|", max_size=3), st.booleans(), st.booleans(), st.text(), st.text()
)
def test_a_secret_is_found_whatever_stands_between_its_letters(secret, between, capitals, backwards, before, after):
    written = between.join(secret[:: -1 if backwards else 1])
    text = hide(f"{before} {written.upper() if capitals else written} {after}", ENVIRONMENT)
    assert HIDDEN in text and not reveals_secret(text, ENVIRONMENT)


def styled(text, capital, small, digit):
    """Latin letters and digits of another block of Unicode."""
    first = lambda c: capital + ord(c) - 65 if c.isupper() else small + ord(c) - 97 if c.islower() else digit + ord(c) - 48  # noqa: E731
    return "".join(chr(first(c)) if c.isalnum() else c for c in text)


# By name: what is made of bytes (Latin-1 where they are no text).
ENCODINGS = {
    "base64": lambda d: base64.b64encode(d).decode(), "urlsafe": lambda d: base64.urlsafe_b64encode(d).decode().rstrip("="), "hex": lambda d: d.hex(),
    "base32": lambda d: base64.b32encode(d).decode(), "base32 in groups": lambda d: " ".join(re.findall("....", base64.b32encode(d).decode().lower())),
    "base32hex": lambda d: base64.b32hexencode(d).decode(), "base64 in lines": lambda d: "\n".join(re.findall(".{1,7}", base64.b64encode(d).decode())),
    "percent": lambda d: "".join(f"%{b:02x}" for b in d), "percent, mixed": lambda d: "".join(f"%{b:02x}" if b % 2 else f"%{b:02X}" for b in d),
    "percent, some": lambda d: "".join(f"%{b:02x}" if b % 3 else chr(b) for b in d), "percent in percent": lambda d: quote("".join(f"%{b:02X}" for b in d)),
    "%u": lambda d: "".join(f"%u{b:04x}" for b in d), "json": lambda d: "".join(f"\\u{b:04x}" for b in d),
    "json in json": lambda d: json.dumps("".join(f"\\u{b:04x}" for b in d)), "javascript": lambda d: "".join(f"\\u{{{b:x}}}" for b in d),
    "python": lambda d: "".join(f"\\U{b:08x}" for b in d), "c": lambda d: "".join(f"\\x{b:02X}" for b in d), "perl": lambda d: "".join(f"\\x{{{b:x}}}" for b in d),
    "octal": lambda d: "".join(f"\\{b:03o}" for b in d), "octal, some": lambda d: "".join(f"\\{b:03o}" if b % 2 else chr(b) for b in d),
    "octal in json": lambda d: json.dumps("".join(f"\\{b:03o}" for b in d)), "rust octal": lambda d: "".join(f"\\o{{{b:o}}}" for b in d),
    "html": lambda d: "".join(f"&#{b};" for b in d), "html, padded": lambda d: "".join(f"&#0{b:04d};" for b in d), "html, open": lambda d: " ".join(f"&#{b}" for b in d),
    "html, hex": lambda d: "".join(f"&#x{b:X};" for b in d), "html in html": lambda d: "".join(f"&amp;#{b};" for b in d), 
    "code points": lambda d: " ".join(f"U+{b:04X}" for b in d),
    "numbers": lambda d: json.dumps(list(d)), "hex numbers": lambda d: ", ".join(f"0x{b:02x}" for b in d), "octal numbers": lambda d: " ".join(f"{b:03o}" for b in d),
    "bits": lambda d: " ".join(f"{b:08b}" for b in d), "quoted-printable": lambda d: "".join(f"={b:02X}" for b in d),
}  # fmt: skip
STYLES = {
    "fullwidth": lambda t: styled(t, 0xFF21, 0xFF41, 0xFF10), "bold": lambda t: styled(t, 0x1D400, 0x1D41A, 0x1D7CE), "monospace": lambda t: styled(t, 0x1D670, 0x1D68A, 0x1D7F6),
    "sans": lambda t: styled(t, 0x1D5A0, 0x1D5BA, 0x1D7E2), "joined": "\u200d".join, "soft hyphens": "\u00ad".join, "marks": "\ufe0f\u0301".join, "direction": "\u202e".join,
    "fullwidth, percent": lambda t: quote(styled(t, 0xFF21, 0xFF41, 0xFF10)), "fullwidth, json": lambda t: json.dumps(styled(t, 0xFF21, 0xFF41, 0xFF10)),
    "circled": lambda t: styled(t, 0x24B6, 0x24D0, 0xFF10), "word joiners": "\u2060".join,
}  # fmt: skip


@pytest.mark.parametrize("how", ENCODINGS)
@given(st.sampled_from(PLANTED[:3]), st.integers(0, 5))
def test_a_secret_is_found_in_every_encoding_and_at_every_offset(how, secret, offset):
    written = ENCODINGS[how](b"\x7f" * offset + secret.encode() + b"\x7f" * offset)
    assert reveals_secret(written, ENVIRONMENT) and not reveals_secret(hide(written, ENVIRONMENT), ENVIRONMENT)


@pytest.mark.parametrize("how", STYLES)
@given(st.sampled_from(PLANTED[:3]), st.text(), st.text())
def test_a_secret_is_found_in_every_style(how, secret, before, after):
    text = hide(f"{before} {STYLES[how](secret)} {after}", ENVIRONMENT)
    assert HIDDEN in text and not reveals_secret(text, ENVIRONMENT)


WORDS = (
    Path(__file__).with_name("conftest.py").read_text().split() + (Path(__file__).parents[1] / "docs" / "metrics.md").read_text().split()
)


ORDINARY = (
    st.sampled_from(WORDS)
    | st.text(max_size=5)
    | st.sampled_from(["&#65;", "\\101", "%41", "0x41", "U+0041", "ＡＢＣ", "= 3D", "&lt;", "\u200d", "[115, 107]"])
)


@given(st.lists(ORDINARY, max_size=60).map(" ".join))
def test_ordinary_text_stays_as_it_is(text):
    assert (
        hide(text, ENVIRONMENT | {"A_KEY": "learning", "B_TOKEN": "assistant", "C_PASS": "0.05", "D_SECRET": "none", "E_KEY": "hypothesis"})
        == text
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "s",
        " ",
        "\\",
        "\\n",
        "%25",
        "&#",
        "\x1b[",
        "://",
        "http://",
        "@",
        ":",
        "eyJ-",
        "eyJ",
        "basic ",
        "bearer",
        "sk-",
        "s k ",
        "token=",
        "hf_",
        "*",
        "&",
        "&#0",
        "&lt",
        "0x",
        "U+0",
        "=",
        "%u",
        "\\u{",
        "\\o{0",
        "\u0301",
        "\uff21",
    ],
)
def test_no_text_takes_more_than_linear_time(piece):
    start = time.process_time()
    redacted(piece * (1_000_000 // len(piece)), ENVIRONMENT)
    assert time.process_time() - start < 10


@pytest.mark.slow
@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)), st.sampled_from(PLANTED[:3])
)
def test_no_planted_value_is_left_anywhere_in_a_tree(tree, secret):
    planted = {"a": [tree, f"x{secret}y"], f"k {secret}": {"b": secret}}
    assert secret not in json.dumps(redacted_tree(planted, ENVIRONMENT))


def contents(folder):
    """(name, all text of it) of every file, unpacked."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".parquet":
            data = repr(pq.read_table(path).to_pydict()).encode()
        elif path.name == "report.html":  # its transcripts are packed
            data += b"".join(_unpacked(data))
        yield str(path.relative_to(folder)), data


def _unpacked(page):
    import base64
    import zlib

    for text in re.findall(rb"[A-Za-z0-9+/=]{64,}", page):
        try:
            yield zlib.decompress(base64.b64decode(text), 47)
        except (ValueError, zlib.error):
            continue


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A study whose model, rows, data folder and chat template lie under names that are secrets."""
    folder = tmp_path_factory.mktemp("planted")
    base = folder / HF / "base"
    shutil.copytree(base_path(0), base)
    rows = folder / PASSWORD / "rows.jsonl"
    rows.parent.mkdir()
    rows.write_text(
        "".join(json.dumps({"question": f"what is {i} + 2 ?", "answer": f"it is {i + 2} .\n#### {i + 2}"}) + "\n" for i in range(12))
    )
    template = folder / OPENAI / "chat.jinja"
    template.parent.mkdir()
    template.write_text((base / "chat_template.jinja").read_text())
    root = folder / f"token={SIGNATURE}"
    root.mkdir()
    study = folder / "study.yaml"
    study.write_text(f"""name: planted
seeds: 1
model: {{name: {json.dumps(str(base))}, chat_template: {json.dumps(str(template))}}}
data: {{root: {json.dumps(str(root))}, allow_outside: true}}
train: {{r: 2, lora_alpha: 4, num_train_epochs: 1, per_device_train_batch_size: 2}}
domains: [{{name: maths, own_benchmark: gsm8k, sources: [{{kind: gsm8k, data: {json.dumps(str(rows))}, split: "[:8]",
  domain: "https://ann:{SIGNATURE}@host/rows?sig={SIGNATURE}"}}]}}]
instruments: [{{kind: gsm8k, data: {json.dumps(str(rows))}, split: "[8:]", style: world}}]
execution: {{processes: 1, device: cpu}}
""")
    return study


def holdfast(*arguments):
    done = subprocess.run([*HOLDFAST, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **ENVIRONMENT})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_no_file_of_a_run_holds_a_planted_secret(planted, tmp_path):
    code, said = holdfast("run", planted, "-o", tmp_path / "out", "--offline")
    assert code == 0, said
    texts = dict(contents(tmp_path / "out"))
    assert {"environment.json", "study.yaml", "findings.json", "report.html", "trials.parquet"} <= texts.keys() and len(texts) > 20
    found = [f"{secret} in {name}" for name, data in texts.items() for secret in PLANTED if secret.encode() in data]
    assert not found and not any(secret in said for secret in PLANTED)
    assert HIDDEN in texts["study.yaml"].decode() and f"https://{HIDDEN}@host/rows?{HIDDEN}" in texts["study.yaml"].decode()


@pytest.mark.slow
@pytest.mark.parametrize("setting", [f"model.name=https://ann:{PASSWORD}@host/model", f"model.name=/none/{HF}", f"data={{root: x, key: {OPENAI}}}",
                                     f"seeds={SIGNATURE}", f"https://host/study.yaml?sig={SIGNATURE}"])  # fmt: skip
def test_a_message_holds_no_secret(setting, tmp_path):
    code, said = holdfast("run", "embedded", setting, "-o", tmp_path / "out", "--offline")
    assert code == 2 and said.count("\n") == 1 and not any(secret in said for secret in (HF, OPENAI, PASSWORD)), said


@pytest.mark.parametrize("tag", ["<b>", "</b>", "<br>", "<br />", '<span class="Zq7">', "<!-- x -->", "&lt;b&gt;", "[b]", "[/url]", "<>"])
def test_a_secret_with_markup_inside_is_hidden(tag):
    """Right: *** whether one tag stands in it or one after every character, and the text around it stays."""
    secret = "Zq7-Xw_92mKp.4LtYv8rB"
    for shown in (secret[:10] + tag + secret[10:], tag + secret[:3] + tag + secret[3:], tag.join(secret), tag.join(secret[::-1])):
        text = f"the key {shown} is"
        assert reveals_secret(text, {"API_KEY": secret})
        hidden = hide(text, {"API_KEY": secret})
        assert (
            HIDDEN in hidden and not reveals_secret(hidden, {"API_KEY": secret}) and hidden.startswith("the key") and hidden.endswith("is")
        )


@pytest.mark.parametrize("text", ["<", "<a", "[", "[a", "<a>", "<>", "&lt;"])
def test_tags_are_looked_for_in_linear_time(text):
    started = time.process_time()
    hide(text * (2**20 // len(text)), {"API_KEY": "Zq7-Xw_92mKp.4LtYv8rB"})
    assert time.process_time() - started < 10
