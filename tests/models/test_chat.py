"""Chat templates: the text is that of transformers, letter by letter; one that cannot ask what is asked is refused in one line."""

import datetime
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from holdfast.errors import ModelError
from holdfast.models import template
from holdfast.models.chat import ChatFormat, Limits
from holdfast.models.survey import survey, unread
from holdfast.records import Message, Prompt

USER = [Message("user", "hi 5 < 7")]
TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"


def loop(body):
    return TURNS.replace("{{ m.content }}", body)


@pytest.fixture(scope="module")
def tokenizer(byte_checkpoint):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(byte_checkpoint)


@pytest.fixture
def formatted(tokenizer):
    """Template -> its ChatFormat, on one tokenizer."""

    def make(source, limits=None):
        tokenizer.chat_template = source
        return ChatFormat(tokenizer, limits)

    before = tokenizer.chat_template
    yield make
    tokenizer.chat_template = before


LEAVES_OUT = {
    "another key": loop("{{ m.text }}"), "the system's text only": "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}",
    "cut": loop("{{ m.content[:60] }}"), "escaped": loop("{{ m.content | e }}"), "upper case": loop("{{ m.content | upper }}"),
    "tags stripped": loop("{{ m.content | striptags }}"), "one line": loop("{{ m.content | replace('\n', ' ') }}"), "length": loop("{{ m.content | length }}"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVES_OUT)
def test_a_template_that_leaves_out_or_changes_the_users_text_is_refused(formatted, name):
    with pytest.raises(ModelError, match="leaves out or changes what the user says"):
        formatted(LEAVES_OUT[name]).check()


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60)
def test_what_is_rendered_holds_every_turn_and_equals_transformers_own_text(tokenizer, first, second):
    tokenizer.chat_template = loop("{{ m.content | trim }}")
    chat, messages = ChatFormat(tokenizer), [Message("user", first), Message("assistant", second), Message("user", first)]
    turns = [{"role": m.role, "content": m.content} for m in messages]
    assert chat.text(messages) == tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def test_earlier_turns_have_to_be_there_too_and_in_order(formatted):
    turns = [Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    assert formatted(TURNS).text(turns) == "<|user|>one<|assistant|>two<|user|>three<|assistant|>"
    last_only = "<|user|>{{ messages[-1].content }}<|assistant|>"
    formatted(last_only).check()  # one turn it can ask
    with pytest.raises(ModelError, match="what the user says .'one'"):
        formatted(last_only).text(turns)
    with pytest.raises(ModelError, match="what the assistant says .'two'"):
        formatted(loop("{% if m.role == 'user' %}{{ m.content }}{% endif %}")).text(turns)
    with pytest.raises(ModelError, match="leaves out"):
        formatted("{% for m in messages | reverse %}{{ m.content }}{% endfor %}<|assistant|>").text(turns)


def test_reasoning_of_an_earlier_turn_may_be_dropped_and_a_system_text_may_stand_anywhere(formatted):
    drops = loop("{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}")
    turns = [Message("user", "one"), Message("assistant", "<think>x</think>two"), Message("user", "three")]
    assert formatted(drops).text(turns) == "<|user|>one<|assistant|>two<|user|>three<|assistant|>"
    late = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}{{ messages[0].content }}<|assistant|>"
    assert formatted(late).text([Message("system", "be kind"), Message("user", "one")]) == "onebe kind<|assistant|>"


@pytest.mark.parametrize(
    "body",
    ["{{ m.content[0].text }}", "{{ m.content[0]['text'] }}", "{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}",
     "{{ m.content | map(attribute='text') | join('') }}", "{% if m.content is string %}{{ raise_exception('parts') }}{% endif %}{{ m.content[0].text }}"],
)  # fmt: skip
def test_content_in_parts_is_given_where_a_template_takes_no_other(formatted, body):
    assert formatted(loop(body)).text(USER) == "<|user|>hi 5 < 7<|assistant|>"


ENDLESS = {
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "buffered text": "{% set x %}{% for i in range(99999) %}{{ 'a' * 100000 }}{% endfor %}{% endset %}",
}
LARGE = ["{{ 'a' * 10**10 }}", "{{ [0] * 10**10 }}", "{{ 10 ** (10 ** 10) }}", "{{ 'a' | center(10**10) }}", "{{ 'a'.zfill(10**10) }}", "{{ '%9999999999d' % 1 }}",
         "{{ '{:>9999999999}'.format(1) }}", "{{ '%*d' % (10**10, 1) }}", "{{ ('a' * 10**5) | replace('a', 'b' * 10**5) }}", "{{ range(10**9) }}",
         "{% set n = namespace(x='ab') %}{% for i in range(50) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "{% for i in range(99999) %}{{ 'a' * 999 }}{% endfor %}"]  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_that_loops_is_ended_in_any_thread(formatted, monkeypatch, name):
    monkeypatch.setattr(template, "SECONDS", 0.3)
    chat, refused = formatted(ENDLESS[name] + TURNS), []

    def ask():
        try:
            chat.text(USER)
        except ModelError as error:
            refused.append(str(error))

    thread, start = threading.Thread(target=ask), time.monotonic()
    thread.start()
    thread.join(60)
    assert refused and "is not done after" in refused[0] and time.monotonic() - start < 30
    assert formatted(TURNS).text(USER).endswith("<|assistant|>")  # nothing of it is left to interrupt another


@pytest.mark.parametrize("start", LARGE)
def test_a_template_that_would_fill_the_memory_at_one_stroke_is_refused(formatted, start):
    with pytest.raises(ModelError, match="MiB|a number above"):
        formatted(start + TURNS).check()


def test_the_date_a_template_prints_is_the_same_on_every_day(formatted, monkeypatch):
    class Tomorrow(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 1, 2, tzinfo=tz)

    monkeypatch.setattr(sys.modules["transformers.utils.chat_template_utils"], "datetime", Tomorrow)
    for form, wanted in (("%d %b %Y", "26 Jul 2024"), ("%Y-%m-%d", template.DATE), ("%A", "Friday"), ("%H:%M:%S", "00:00:00")):
        chat = formatted(f"{{{{ strftime_now('{form}') }}}}" + TURNS)
        chat.check()
        assert chat.text(USER).startswith(wanted)
        assert survey(chat, []) == [f"the chat template prints the date; it always gets {template.DATE}"]


@pytest.mark.parametrize(
    "start", ["{{ [1, 2] | random }}", "{{ lipsum() }}", "{{ strftime_now }}", "{{ raise_exception }}", "{{ cycler(1) }}"]
)
def test_a_template_that_differs_between_calls_or_processes_is_refused(formatted, start):
    with pytest.raises(ModelError, match="uses random numbers|differs between processes"):
        formatted(start + TURNS).check()


def test_what_a_template_raises_is_said_in_one_line(formatted):
    with pytest.raises(ModelError, match="refused a conversation of roles ..user..: a system first$"):
        formatted("{{ raise_exception('a system\n\n first') }}").check()


def test_a_generation_prompt_that_is_missing_is_said_and_one_that_is_not_needed_is_not(formatted):
    with pytest.raises(ModelError, match="does not open the reply: a prompt lacks '<.assistant.>'"):
        formatted("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}").check()
    formatted(
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}"
    ).check()


def test_of_several_templates_the_default_is_used(formatted):
    chat = formatted({"default": TURNS, "tool_use": "tools", "rag": "{{ 1 / 0 }}"})
    assert chat.text(USER) == "<|user|>hi 5 < 7<|assistant|>"
    none = "has no chat template"
    for source, said in (
        ({"rag": TURNS}, "none of them is called default"),
        ({"default": 3}, "must be a text"),
        ({"default": " "}, none),
        ({}, none),
    ):
        with pytest.raises(ModelError, match=said):
            formatted(source).check()


def test_one_bos_in_front_whoever_writes_it_and_none_where_none_does(formatted, tokenizer):
    """Right: [bos, ...] where the template names and prints it, once where a template prints it twice; a literal turn marker is no BOS of ours."""
    bos, user = tokenizer.bos_token_id, tokenizer.convert_tokens_to_ids("<|user|>")
    first = lambda source: formatted(source).encode([formatted(source).text(USER)])[0][:2]  # noqa: E731
    assert first("{{ bos_token }}" + TURNS) == first("{{ bos_token }}{{ bos_token }}" + TURNS) == [bos, user]
    assert first(TURNS)[0] == first("{% if nosuch %}{{ bos_token }}{% endif %}" + TURNS)[0] == user
    assert (
        formatted("{{ bos_token }}" + TURNS).encode(["plain"])[0][0] == bos != formatted("{# bos_token #}" + TURNS).encode(["plain"])[0][0]
    )


def test_ids_beyond_the_embedding_are_refused_by_name(formatted):
    chat = formatted("{{ bos_token }}" + TURNS, Limits(rows=6))
    with pytest.raises(ModelError, match="as id [0-9]+, beyond the 6 rows of the model's embedding"):
        chat.encode(["plain"])
    with pytest.raises(ModelError, match="beyond the 2 rows"):
        formatted("{{ bos_token }}" + TURNS, Limits(rows=2)).check()
    formatted("{{ bos_token }}" + TURNS, Limits(rows=10_000)).check()


def test_prompts_beyond_learned_positions_are_refused_and_beyond_trained_ones_said(formatted):
    prompts = [Prompt(condition="neutral", messages=(Message("user", "a" * n),), choices=(" A", " longer")) for n in (5, 30, 12)]
    chat = formatted(TURNS, Limits(rows=300, positions=32, table=True))
    with pytest.raises(ModelError, match="of 39 tokens is longer than the model's 32 positions"):
        survey(chat, prompts)
    with pytest.raises(ModelError, match="a prompt of 64 tokens is longer than the model's 32 positions"):
        chat.encode(["a" * 64])
    assert survey(chat, [prompts[0]]) == []
    (said,) = survey(formatted(TURNS, Limits(rows=300, positions=32)), prompts)
    assert said == "a prompt with its answer has up to 39 tokens; the model was trained on 32 positions (max_position_embeddings)"
    written = Prompt(condition="neutral", messages=(Message("user", "a" * 5),), max_new_tokens=40)
    with pytest.raises(ModelError, match="a prompt with its answer of 47 tokens"):
        survey(formatted(TURNS, Limits(rows=300, positions=32, table=True)), [written])


def test_a_tokenizer_that_does_not_know_the_rows_is_refused(chat, formatted):
    assert unread(chat.tokenizer, ["one two three"]) == 0 and unread(chat.tokenizer, ["one zwei"]) == pytest.approx(4 / 7)
    ask = lambda text: [Prompt(condition="neutral", messages=(Message("user", text),), choices=("yes",))]  # noqa: E731
    assert survey(chat, ask("one two three four")) == []
    assert survey(chat, ask("one two three four fünf")) == ["21% of the study's text is unknown to the tokenizer"]
    with pytest.raises(ModelError, match="100% of the study's text is unknown to the tokenizer"):
        survey(chat, ask("eins zwei drei"))
    assert unread(formatted(TURNS).tokenizer, ["größer 𝟛 \u200d ok"]) == 0  # bytes know everything


@pytest.mark.parametrize("kind", ["BPE", "WordLevel", "WordPiece", "Unigram"])
@pytest.mark.parametrize("unknown", ["<pad>", "</s>", "<never named>"])
def test_a_tokenizer_that_reads_letters_as_another_token_does_not_know_them(kind, unknown):
    """Right: half of the letters are unknown, though the configuration names no unknown token."""
    vocab = {unknown: 0, "a": 1, "</w>": 2}
    made = {
        "BPE": lambda: models.BPE(vocab, [], unk_token=unknown),
        "WordLevel": lambda: models.WordLevel(vocab, unk_token=unknown),
        "WordPiece": lambda: models.WordPiece(vocab, unk_token=unknown),
        "Unigram": lambda: models.Unigram([(unknown, 0.0), ("a", -1.0)], unk_id=0),
    }[kind]()
    raw = Tokenizer(made)
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, **({} if unknown == "<never named>" else {"pad_token": unknown}))
    assert unread(tokenizer, ["a b a c a d"]) == pytest.approx(1 / 2) and unread(tokenizer, ["a a"]) == 0
