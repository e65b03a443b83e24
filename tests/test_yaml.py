"""Study files are YAML 1.2, read strictly; what a run writes of a study is read back as the same study."""

import datetime
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config import Study, load_study, resolved, yaml12
from holdfast.errors import ConfigError
from holdfast.instruments import build_configured

SMALL = """name: small
seeds: 2
domains: [{name: idle, role: "null", identity: true}]
instruments: [{kind: gsm8k, data: VALUE, options: {a: {b: 1}}}]
"""


def load(tmp_path, text, *settings):
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    return load_study(str(tmp_path / "s.yaml"), settings)


def refusal(tmp_path, text, *settings):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text, *settings)
    assert "\n" not in str(error.value)
    return str(error.value)


MEANINGS = {
    "010": 10, "-010": -10, "+7": 7, "0o10": 8, "0x1F": 31, "1e3": 1000.0, "1E-3": 0.001, ".5": 0.5, "5.": 5.0, "1.50": 1.5, "~": None, "null": None,
    "Null": None, "true": True, "FALSE": False, "no": "no", "yes": "yes", "on": "on", "off": "off", "y": "y", "N": "N", "1:10": "1:10",
    "190:20:30": "190:20:30", "1_000": "1_000", "0b11": "0b11", "0o8": "0o8", "0x_1": "0x_1", "2001-01-01": "2001-01-01",
    "2001-12-14 21:59:43.10 -5": "2001-12-14 21:59:43.10 -5", "=": "=", "tRUE": "tRUE", "nULL": "nULL", "1e": "1e", "'010'": "010", '"no"': "no",
    "!!str 010": "010", "!!int '7'": 7, "!!float 3": 3.0, "1.2.3": "1.2.3", "+.nan": "+.nan", "-": None,
}  # fmt: skip


@pytest.mark.parametrize("text", MEANINGS)
def test_a_value_means_what_yaml_1_2_says(text):
    value, wanted = yaml12.read(f"a: {text}" if text != "-" else "a:"), MEANINGS[text]
    assert value == {"a": wanted} and type(value["a"]) is type(wanted)


@pytest.mark.parametrize("text", [".inf", "-.INF", "+.inf", ".nan", "1e999", "-1e400", "!!float .inf"])
@pytest.mark.parametrize("place", ["seeds: 2", "VALUE", "{b: 1}"])
def test_infinity_is_no_value_of_a_study(tmp_path, text, place):
    new = f"seeds: {text}" if place == "seeds: 2" else text
    assert "is not a finite number" in refusal(tmp_path, SMALL.replace(place, new))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("seeds: 2", "seeds: 2\nseeds: 3", "seeds"),
        ("seeds: 2", 'seeds: 2\n"seeds": 2', "seeds"),
        ("identity: true", "identity: true, name: other", "name"),
        ("{b: 1}", "{b: 1, b: 1}", "b"),
        ("{b: 1}", "[{c: 1, b: 1, c: 2}]", "c"),
        ("{b: 1}", "{1: x, '1': y}", "1"),
        ("{b: 1}", "{0x1: x, 1: y}", "1"),
        ("seeds: 2", "train: {r: 8}\ntrain: {r: 8}", "train"),
        ("seeds: 2", "<<: {seeds: 1}\n<<: {seeds: 2}", "<<"),
    ],
)
def test_a_key_that_stands_twice_is_refused_at_any_depth(tmp_path, old, new, key):
    said = refusal(tmp_path, SMALL.replace(old, new))
    assert f"duplicate key {key!r}" in said or f"duplicate key {key}" in said
    assert "line " in said


@pytest.mark.parametrize(
    "settings",
    [
        ("seeds=2", "seeds=3"),
        ("train.r=8", "seeds=1", "train.r=8"),
        ("train.r=8", "train={r: 16}"),
        ("train={r: 16}", "train.r=8"),
        ("instruments.gsm8k.limit=1", "instruments.gsm8k.limit=2"),
        ("instruments.gsm8k.limit=1", "instruments=[]"),
    ],
)
def test_a_setting_given_twice_is_refused(tmp_path, settings):
    assert "is given too" in refusal(tmp_path, SMALL, *settings)
    assert "duplicate key 'r'" in refusal(tmp_path, SMALL, "train={r: 1, r: 2}")


def test_settings_that_only_begin_alike_are_two(tmp_path):
    study = load(tmp_path, SMALL, "train.r=8", "train.weight_decay=1", "train.warmup_steps=1", "train.warmup_ratio=0")
    assert (study.train.r, study.train.warmup_steps, study.train.warmup_ratio) == (8, 1, 0)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL + "---\n" + SMALL, "another document"),
        ("a: &a [*a]\n", "alias contains itself"),
        ("a: &a {b: *a}\n", "alias contains itself"),
        (BOMB, "expands too far"),
        (BOMB.replace("[", "{<<: [").replace("]", "]}").replace("x,x,x,x,x,x,x,x,x", "{k: 1}"), "expands too far"),
        ("name: !!python/name:os.system x\n", "python/name"),
        ("name: !!binary YQ==\n", "binary"),
        ("name: !!timestamp 2001-01-01\n", "timestamp"),
        ("name: !!set {a}\n", "set"),
        ("name: !own x\n", "!own"),
        ("name: !!int x\n", "is no int"),
        ("name:\tx\n\tseeds: 1\n", "cannot start"),
        ("~: 1\n", "must be text"),
        ("true: 1\n", "must be text"),
        ("1.5: 1\n", "must be text"),
        ("[a]: 1\n", "must be text"),
        ("<<: 3\n", "merging"),
    ],
)
def test_what_is_no_plain_document_is_refused(tmp_path, text, words):
    assert words in refusal(tmp_path, text)


def test_a_refusal_shows_the_line_and_not_what_stands_there(tmp_path):
    said = refusal(tmp_path, 'name: x\nexecution: {endpoint: {api_key_env: "sk-secret-1234567890}}\nseeds: 1\n')
    assert "line " in said and "sk-secret" not in said


def test_aliases_and_merge_keys_are_read(tmp_path):
    text = "x: &a {r: 4}\ny: &b {<<: *a, r: 8}\nz: [*a, *b, {<<: [*b, *a], s: 1}]\n"
    assert yaml12.read(text) == {"x": {"r": 4}, "y": {"r": 8}, "z": [{"r": 4}, {"r": 8}, {"r": 8, "s": 1}]}


@pytest.mark.parametrize(("text", "seeds"), [("010", 10), ("0o2", 2), ("1e1", 10), ("3.0", 3), ("+3", 3)])
def test_a_number_of_a_study_is_that_number(tmp_path, text, seeds):
    assert load(tmp_path, SMALL.replace("seeds: 2", f"seeds: {text}")).seeds == seeds == load(tmp_path, SMALL, f"seeds={text}").seeds


NOT_NUMBERS = ["1:10", "no", "2001-01-01", "on", "0b1", "~", "true", "1_0", "1_000.5", ".5_0", "1_0e3", "+1_0", "0x_1", "0o1_0", "'3'", '"10"', "!!str 10", "1,000",
               "1.000,5", "٣", "½", "1e", "10 000"]  # fmt: skip
PLACES = ["seeds", "item_seed", "train.r", "train.learning_rate", "train.num_train_epochs", "stats.level", "dose.seeds", "instruments.gsm8k.limit",
          "execution.tokens_per_batch", "execution.endpoint.timeout_seconds", "execution.endpoint.attempts"]  # fmt: skip


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_text_is_no_number_of_a_study(tmp_path, text):
    assert "seeds" in refusal(tmp_path, SMALL.replace("seeds: 2", f"seeds: {text}"))
    for place in PLACES:
        if text != "~":  # of many settings a value: none
            assert place.rpartition(".")[2] in refusal(tmp_path, SMALL, f"{place}={text}")
    for place in ("dose.scales", "dose.checkpoints"):
        assert place in refusal(tmp_path, SMALL, f"{place}=[{text}]")


@pytest.mark.parametrize("text", ["9" * 30, "0x" + "f" * 9000, "-0x" + "f" * 9000, "0o" + "7" * 9000])
def test_a_number_beyond_64_bits_is_one_line(tmp_path, text):
    for place in ("seeds", "train.learning_rate", "dose.scales"):
        assert place in refusal(tmp_path, SMALL, f"{place}={text}")


@pytest.mark.parametrize(("kind", "options"), [
    ("mmlu", "{rotations: 1_0}"), ("mmlu", "{rotations: '2'}"), ("mmlu", "{rotations: 0}"), ("mmlu", "{rotations: 2.5}"), ("mmlu", "{rotations: true}"),
    ("mmlu", "{rotations: [1]}"), ("truthfulqa", "{permutations: -1}"), ("truthfulqa", "{permutations: 1_0}"), ("truthfulqa", "{form: unlist}"),
    ("truthfulqa", "{form: ~}"),
])  # fmt: skip
def test_an_option_has_a_value_of_its_own_kind(tmp_path, kind, options):
    (config,) = load(tmp_path, SMALL.replace("gsm8k", kind).replace("{a: {b: 1}}", options)).instruments
    with pytest.raises(ConfigError, match=rf"instruments.{kind}.options.\w+: .*: Input should be"):
        build_configured(config)


HARD = st.sampled_from(
    [*(t for t in MEANINGS if t[0] not in "!'\""), ".inf", ".nan", "<<", "", " ", "a: b", "# x", "- x", "? x", "\x85", "\u2028", "\r\n"]
    + ["'", '"', "*a", "&a", "!a", "%a", "@a", "`a", "\ufeff"]
)
TEXTS = st.one_of(HARD, st.text(max_size=12), st.dates().map(str), st.datetimes().map(str), st.integers().map(str), st.floats().map(str))
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_written_is_read_back_by_readers_of_either_version(value):
    text = yaml12.write({"a": value})
    assert yaml12.read(text) == {"a": value} == yaml.safe_load(text)
    assert not isinstance(yaml12.read(text)["a"], (datetime.date, complex))


@pytest.mark.slow
@given(
    TEXTS,
    st.dictionaries(TEXTS, VALUES, max_size=3),
    st.floats(1e-9, 1e9),
    st.dictionaries(st.sampled_from([0, 1, "cpu"]), st.sampled_from(["20GiB", "1.5gb", "64MB"])),
)
def test_a_study_is_written_and_read_as_itself(data, options, alpha, memory):
    study = Study.model_validate(
        {
            "domains": [{"name": "idle", "role": "null", "identity": True}],
            "instruments": [{"kind": "gsm8k", "data": data, "split": data, "options": options}],
            "train": {"lora_alpha": alpha},
            "execution": {"device_map": "auto", "max_memory": memory},
        }
    )
    assert Study.model_validate(yaml12.read(resolved(study))) == study and math.isfinite(study.train.lora_alpha)
