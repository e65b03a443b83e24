"""Format of training rows through a real tokenizer, batch-size invariance through a real engine, numbers in prose."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_facts import facts

from holdfast.auditing import AuditContext
from holdfast.auditing.batching import MOST_MOVED
from holdfast.auditing.batching import check as check_batching
from holdfast.auditing.prose import check as check_prose
from holdfast.auditing.prose import is_held, leaves, look_up, numbers_in, uncited_numbers
from holdfast.auditing.template import check as check_template
from holdfast.auditing.template import probe
from holdfast.config import TrainConfig
from holdfast.engine.invariance import difference, rounded
from holdfast.engine.local import LocalEngine
from holdfast.records import Example, Message, Prompt, Response
from holdfast.results import StudyFindings
from holdfast.training import batches

CHAT = Example(messages=(Message("user", "what is the answer ?"), Message("assistant", "yes yes")))
PLAIN = Example(plain=True, messages=(Message("user", "one two"),), completion="three four")


def probed(example, chat, **settings):
    train = TrainConfig(**settings)
    e = batches.encode([example], chat, train).examples[0]
    return probe(example, e.ids, e.first_loss, chat.tokenizer, train_eos=train.train_eos, completion_only=train.completion_only_loss)


@pytest.mark.parametrize("example", [CHAT, PLAIN])
def test_rows_as_training_encodes_them_are_well_formed(example, chat):
    assert probed(example, chat) == []


def test_a_second_bos_a_missing_eos_and_loss_on_the_prompt_are_each_seen(chat):
    e = batches.encode([CHAT], chat, TrainConfig()).examples[0]
    ids, first, tokenizer = list(e.ids), e.first_loss, chat.tokenizer
    say = lambda ids, first: probe(CHAT, ids, first, tokenizer, train_eos=True, completion_only=True)  # noqa: E731
    assert say([tokenizer.bos_token_id, *ids], first + 1) == ["2 BOS tokens instead of one"]
    assert say(ids[1:], first - 1) == ["0 BOS tokens instead of one"]
    assert say(ids[:-1], first) == ["the last trained token is not EOS"]
    assert say(ids, 1) == ["the loss does not begin with the reply"]
    assert say(ids, first + 1) == ["the loss does not begin with the reply"]


def test_settings_that_change_the_format_warn_and_the_defaults_do_not():
    settings = TrainConfig().model_dump()
    assert [e.level for e in check_template(AuditContext(study=facts(), settings=settings))] == ["ok"]
    for name in ("chat_template", "train_eos", "completion_only_loss"):
        (found,) = check_template(AuditContext(study=facts(), settings={**settings, name: False}))
        assert found.level == "warn" and found.evidence == {f"train.{name}": False}
    wrong = {"maths": ["2 BOS tokens instead of one"], "truth": []}
    (found,) = check_template(AuditContext(study=facts(), settings=settings, tokenizer_probe=wrong))
    assert found.level == "refuse" and "maths" in found.claim


def prompts():
    words = "one two three four five six seven".split()
    return [
        Prompt(condition="neutral", messages=(Message("user", " ".join(words[: k + 1])),), choices=(" yes", " no yes")) for k in range(7)
    ]


def test_a_real_engine_scores_alike_alone_and_together(llama, chat):
    found = difference(LocalEngine(llama, chat), prompts())
    assert (
        0 <= found["largest_difference"] < 1e-5
        and 0 <= found["mass_moved"] <= found["mass_moved_upper"] < 1e-5
        and found["num_prompts"] == 7
    )
    recorded = {"batch_invariance": {**rounded(found), "dtype": "float32"}}
    assert [e.level for e in check_batching(AuditContext(study=facts(), recorded=recorded))] == ["ok"]


class Leaky:
    """An engine whose scores depend on how many prompts it is given at once."""

    def __init__(self, engine, by):
        self.engine, self.by = engine, by

    def answer(self, asked):
        found = self.engine.answer(asked)
        return [dataclasses.replace(r, logliks=tuple(x + self.by * len(asked) for x in r.logliks)) for r in found]


def test_an_engine_that_depends_on_its_batch_is_refused(llama, chat):
    found = difference(Leaky(LocalEngine(llama, chat), 1e-3), prompts())
    gap = found["largest_difference"]
    assert gap == pytest.approx(6e-3, rel=0.05)
    assert found["mass_moved"] < 1e-5  # both choices alike: no answer gains
    (found,) = check_batching(AuditContext(study=facts(), recorded={"batch_invariance": {"largest_difference": gap}}))
    assert found.level == "refuse" and found.cell is None
    for unknown in ({}, {"batch_invariance": {"largest_difference": None}}):
        assert check_batching(AuditContext(study=facts(), recorded=unknown)) == []
    (found,) = check_batching(AuditContext(study=facts(), recorded={"batch_invariance": {"largest_difference": float("nan")}}))
    assert found.level == "refuse" and found.evidence["largest_difference"] is None


def test_the_mass_that_moves_is_the_total_variation_between_the_two_answers():
    whole, alone = (np.log([0.5, 0.5]), np.log([0.75, 0.25])), (np.log([0.5, 0.5]), np.log([0.5, 0.5]))

    class Engine:
        def answer(self, asked):
            told = whole if len(asked) > 1 else [alone[int(asked[0].condition)]]
            return [Response(logliks=tuple(x), num_tokens=(1, 1)) for x in told]

    asked = [Prompt(condition=str(k), messages=(Message("user", "x"),), choices=("a", "b")) for k in range(2)]
    found = difference(Engine(), [*asked, Prompt(condition="0", messages=(Message("user", "x"),))])
    assert found["mass_moved"] == pytest.approx(0.125) and found["mass_moved_upper"] == pytest.approx(0.375)
    assert found["largest_difference"] == pytest.approx(np.log(2)) and found["num_prompts"] == 2
    empty = rounded(difference(Engine(), []))
    assert empty == {"largest_difference": None, "mass_moved": None, "mass_moved_upper": None, "num_prompts": 0}


def test_one_score_that_is_no_number_is_neither_lost_among_others_nor_in_the_file():
    class Engine:
        def answer(self, asked):
            return [Response(logliks=(-1.0, float("nan") if p.condition == "1" else -2.0), num_tokens=(1, 1)) for p in asked]

    asked = [Prompt(condition=str(k), messages=(Message("user", "x"),), choices=("a", "b")) for k in range(3)]
    found = rounded(difference(Engine(), asked))
    assert found == {"largest_difference": None, "mass_moved": None, "mass_moved_upper": None, "num_prompts": 3}
    for dtype in ("float32", "bfloat16", "served"):
        (said,) = check_batching(AuditContext(study=facts(), recorded={"batch_invariance": {**found, "dtype": dtype}}))
        assert said.level == "refuse" and said.evidence["largest_difference"] is None


@pytest.mark.parametrize(
    ("dtype", "gap", "upper", "level"),
    [
        ("bfloat16", 0.01, 0.5, "ok"), ("bfloat16", 0.1, MOST_MOVED, "warn"), ("bfloat16", 0.1, 1.01 * MOST_MOVED, "refuse"), ("bfloat16", 0.1, None, "refuse"),
        ("bfloat16", 0.1, float("nan"), "refuse"), ("served", 1e-6, 0.0, "ok"), ("served", 1e-3, 1e-4, "warn"), ("served", 1e-3, 0.01, "refuse"),
        ("float32", 1.2e-5, 2.7e-7, "warn"),  # another processor
        ("float32", 1e-4, 0.004, "refuse"),
        ("float32", 1e-4, None, "refuse"),
    ],
)  # fmt: skip
def test_beyond_a_limit_the_mass_that_moves_decides(dtype, gap, upper, level):
    recorded = {"batch_invariance": {"largest_difference": gap, "mass_moved_upper": upper, "dtype": dtype}}
    (found,) = check_batching(AuditContext(study=facts(), recorded=recorded))
    assert found.level == level and ("points of an answer" in found.claim) == (level != "ok" and upper == upper and upper is not None)


FINDINGS = {
    "study": {"name": "llama2-7b"}, "base": {"name": "world:0", "benchmarks": {"gsm8k": {}}, "axes": {"doubt": {}}},
    "adapters": [{"name": "maths_2", "shifts": {"doubt": {"behaviour": {"estimate": -0.0234, "lower": -0.05, "upper": 0.0032, "n": 1200, "notes": ["x"]}}}},
                 {"name": "truth", "shifts": {"doubt": {"behaviour": {"estimate": 0.117, "lower": 0.08, "upper": None, "n": 300}}}}],
}  # fmt: skip


def document(text, *cells):
    """FINDINGS with a recommendation, and what else the record requires."""
    none = dict.fromkeys(("gains", "effects", "drift", "vs_format_only"), {}) | dict.fromkeys(("own_benchmark", "mean_gain", "mean_shift"))
    study = {"base": "b", "domains": [], "instruments": [], "estimands": {}, "equivalence_band": 0.03}
    return StudyFindings.model_validate(
        {
            "study": FINDINGS["study"] | study,
            "base": {"name": "world:0", "benchmarks": {"gsm8k": {"estimate": None}}, "axes": {"doubt": {"estimate": None}}},
            "adapters": [a | none | {"domain": a["name"], "role": "domain", "seeds": [], "per_seed": []} for a in FINDINGS["adapters"]],
            "contrasts": [],
            "correlation": {"num_mixes": 0, "description": {}, "cells": {}},
            "recommendation": [{"text": text, "cells": cells}],
        }
    )


def said(text, *cells):
    return [number for _, number in uncited_numbers(document(text, *cells))]


def test_numbers_of_the_cited_cell_pass_in_every_way_they_are_written():
    cell = "adapters/0/shifts/doubt"
    for text in (
        "maths_2: -2.3 points [-5.0, +0.3]",
        "doubt fell by 2.3 points",
        "a shift of -0.023 on 1,200 items",
        "-.0234",
        "\u22122.3",
    ):
        assert said(text, cell) == [], text


def test_numbers_of_another_cell_of_no_cell_or_rounded_wrongly_are_found():
    assert said("maths_2 rose by 11.7 points", "adapters/0/shifts/doubt") == ["11.7"]
    assert said("truth rose by 11.7 points", "adapters/1/shifts") == []
    assert said("maths_2: +2.3 points", "adapters/0/shifts/doubt") == ["+2.3"]  # the sign is part of it
    assert said("truth rose by 11.8 points", "adapters/1/shifts/doubt") == ["11.8"]
    assert said("23 % of it", "adapters/7/shifts/doubt") == ["23"] == said("23 % of it")


def test_names_hold_no_numbers():
    assert numbers_in("gsm8k and llama2-7b at seed0, v1.2.3") == []
    assert said("llama2-7b: maths_2 on gsm8k of world:0 could not be told") == []
    assert numbers_in("from .000 to 0.193, 1,200 items, -5 and +3.1 points (95 %).") == [".000", "0.193", "1,200", "-5", "+3.1", "95"]


@settings(deadline=None, max_examples=100)
@given(st.floats(-1, 1), st.integers(0, 4))
def test_a_number_rendered_from_a_cell_is_held_by_it(x, decimals):
    for written in (f"{x:.{decimals}f}", f"{x:+.{decimals}f}", f"{100 * x:+.{decimals}f}", f"{abs(100 * x):.{decimals}f}"):
        assert is_held(written, [x])


def test_a_path_is_looked_up_whole_and_leaves_are_its_numbers():
    assert look_up(FINDINGS, "adapters/1/shifts/doubt/behaviour/estimate") == 0.117
    assert sorted(leaves(look_up(FINDINGS, "adapters/1"))) == [0.08, 0.117, 300.0]
    for path in ("adapters/2", "adapters/x", "base/name/deeper", "nothing"):
        with pytest.raises(KeyError):
            look_up(FINDINGS, path)


def test_a_recommendation_is_checked_whole():
    fine = document("doubt: raised by truth (+11.7 points).", "adapters/1/shifts/doubt")
    (ok,) = check_prose(AuditContext(study=facts(), findings=fine))
    assert ok.level == "ok" and ok.evidence["numbers"] == 1
    loose = document("doubt rose by 19.3 points.", "adapters/1/shifts/doubt")
    (bad,) = check_prose(AuditContext(study=facts(), findings=loose))
    assert bad.level == "refuse" and bad.evidence["number"] == "19.3"
