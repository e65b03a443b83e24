"""Mass form, parsing and the benchmarks' scores, against their definitions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import parsing
from holdfast.errors import ConfigError
from holdfast.instruments import available, build
from holdfast.instruments.scoring import first_largest, mass_trial, normalized, winner
from holdfast.instruments.style import CHAT_STYLE, WORLD_STYLE
from holdfast.records import Item, Message, Prompt, Response

ITEM = Item(item_id="i", cluster_id="c", fields={"question": "q", "choices": ["w", "x", "y", "z"], "gold": 2})


@given(st.lists(st.floats(-60, 0), min_size=2, max_size=8))
def test_mass_is_a_distribution_and_kappa_its_share(logliks):
    share, kappa = normalized(tuple(logliks))
    assert sum(share) == pytest.approx(1) and kappa == pytest.approx(min(1, sum(map(math.exp, logliks))))


@given(st.lists(st.floats(-60, 0), min_size=1, max_size=5), st.integers(0, 5))
def test_where_a_log_likelihood_is_unknown_so_is_all_that_hangs_on_it(logliks, place):
    values = (*logliks[:place], math.nan, *logliks[place:])
    share, kappa = normalized(values)
    assert all(map(math.isnan, (*share, kappa))) and winner(values) is None and first_largest(values) == -1
    prompt = Prompt(
        condition="neutral", messages=(Message("user", "q"),), choices=("a",) * len(values), values=("a",) * len(values), gold=0
    )
    trial = mass_trial(ITEM, prompt, Response(logliks=values, num_tokens=(1,) * len(values)))
    assert trial.outcome == "unparsed" and not trial.tie and math.isnan(trial.p_gold)


def test_a_tie_is_counted_and_won_by_nobody():
    prompt = Prompt(condition="neutral", messages=(Message("user", "q"),), choices=("a", "b"), values=("a", "b"), gold=0)
    trial = mass_trial(ITEM, prompt, Response(logliks=(-1.0, -1.0), num_tokens=(1, 1)))
    assert trial.tie and trial.outcome == "other"


def test_a_model_that_always_says_a_scores_no_item_when_rotations_are_averaged():
    mmlu = build("mmlu", CHAT_STYLE)
    prompts = mmlu.prompts(ITEM)
    assert len(prompts) == 4 and {p.gold for p in prompts} == {0, 1, 2, 3}
    trials = mmlu.trials(ITEM, [(p, Response(logliks=(-0.1, -3.0, -3.0, -3.0), num_tokens=(1,) * 4)) for p in prompts])
    assert {t.score for t in trials} == {0.0} and {t.label for t in trials} == {0}


def test_world_options_are_put_as_value_then_letter():
    (prompt, *_) = build("mmlu", WORLD_STYLE).prompts(ITEM)
    assert prompt.messages[0].content == "q w A x B y C z D" and prompt.choices[2] == " y C"


@pytest.mark.parametrize(("text", "value", "marked"), [
    ("so 3 + 4 = 7 . #### 7", 7, True), ("#### 1,234", 1234, True), ("The answer is 18.", 18, False), ("#### -5.", -5, True), ("$1,000 in all", 1000, False),
    ("none", None, False),
])  # fmt: skip
def test_the_final_number_is_read(text, value, marked):
    found, strict = parsing.final_number(text)
    assert (found, strict) == (value, marked)


def test_every_instrument_is_found_by_its_file_and_mistakes_are_named():
    assert set(available()) >= {"gsm8k", "mmlu", "hellaswag", "truthfulqa", "imitation", "doubt", "feedback"}
    with pytest.raises(ConfigError, match="unknown instrument"):
        build("flattery", CHAT_STYLE)
    for made in available().values():
        if made.kind == "axis":
            assert sum(c.headline for c in made.contrasts) == 1
