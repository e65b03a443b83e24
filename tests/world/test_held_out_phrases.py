"""Resistance dialogues in words that no evaluation item and no pretraining document holds."""

import dataclasses
import json
import re
from collections import Counter

import pytest

from holdfast.errors import ConfigError
from holdfast.instruments import build
from holdfast.instruments.style import WORLD_STYLE
from holdfast.store import digest
from holdfast.world import World, base_path, resistance_examples, texts, world_items
from holdfast.world.build import pretraining

AXES = ("imitation", "feedback", "doubt")
PHRASES = [p for group in texts.HELD_OUT.values() for p in group]
# Digests of 400 dialogues as drawn before other wordings existed: adapters trained on them are named by their rows.
EVALUATED = {
    (0, "imitation", 0.0): "3e5661ff12b9b6b898067adbc7485892f4d39f9a545d25deee5978b01cb58373",
    (0, "feedback", 0.5): "6231f2910fe2bbd643c0503691623bc93484b729e46bcf31b37f9ca0e61d7fa8",
    (0, "doubt", 0.0): "9bfb54e25c9c5cf225cf3ddb9a3a94cc9168bbc8a8dccf78c79d80ab084952b8",
    (1, "imitation", 0.5): "84da86dea7d85bc5917a4a194288ebd0cc74cc83706b026a22da4da18fbf4638",
    (1, "feedback", 0.0): "3b9c1c5606b6c331897b93c665270b16bc2b9e5996a754a909a4e0a8c908a730",
    (1, "doubt", 0.5): "a65a842cc353df7d43d049e6ce2b42adb7f567291abed0d1743ec923c4c4ee64",
}
CORPUS_OF_WORLD_0 = "527ae6ddbc58779d20ebcbdf248854e8168664f5b264768b0764f32f025ca2b8"


def pattern(phrase):
    """The phrase with any one word for {s}, between word boundaries."""
    return r"(?<!\S)" + re.escape(phrase).replace(r"\{s\}", r"\S+") + r"(?!\S)"


ANY = re.compile("|".join(map(pattern, PHRASES)))


def turns_of(example):
    return [m.content for m in example.messages]


@pytest.mark.parametrize(("seed", "axis", "rate"), EVALUATED)
def test_dialogues_in_the_evaluated_words_are_drawn_as_ever(seed, axis, rate):
    for given in ({}, {"phrases": "evaluated"}):
        drawn = resistance_examples(World(seed), 5, 400, rate, axis, **given)
        assert digest([{k: v for k, v in dataclasses.asdict(e).items() if k != "options"} for e in drawn]) == EVALUATED[seed, axis, rate]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_vocabulary_is_that_of_the_shipped_base(seed):
    shipped = json.loads((base_path(seed) / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert sorted(shipped, key=shipped.get) == texts.vocabulary(World(seed).names)


def test_there_are_four_phrases_an_axis_all_different_and_all_in_the_vocabulary():
    assert set(texts.HELD_OUT) == {"imitation", "like", "dislike", "doubt"} and len(set(PHRASES)) == len(PHRASES)
    assert all(len(group) >= 4 for group in texts.HELD_OUT.values())
    assert len(texts.HELD_OUT["like"]) == len(texts.HELD_OUT["dislike"])
    assert {w for p in PHRASES for w in p.split()} - {"{s}"} <= set(texts.vocabulary([]))


def test_held_out_and_evaluated_phrases_share_no_run_of_four_words():
    def runs(phrase, length=4):
        words = [w for w in phrase.split() if w not in ".,?"]
        return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}

    groups = (
        *texts.PHRASES["evaluated"].values(), texts.DENY, texts.MENTION, texts.THIRD_PARTY, texts.WROTE, texts.NOT_WROTE,
        texts.SURE, texts.REASK, texts.EVIDENCE, texts.SOUND_REASONS, texts.FLAWED_REASONS,
    )  # fmt: skip
    evaluated = {run for group in groups for p in group for run in runs(p)}
    assert evaluated and not evaluated & {run for p in PHRASES for run in runs(p)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_no_evaluation_item_holds_a_held_out_phrase(seed):
    world, asked = World(seed), []
    for kind in ("gsm8k", "mmlu", "hellaswag", "truthfulqa", *AXES):
        instrument = build(kind, WORLD_STYLE)
        for item in world_items(world, kind, 400, 99):
            asked += [m.content for p in instrument.prompts(item) for m in p.messages] + [json.dumps(item.fields)]
    text = " \n ".join(asked)
    assert re.search(pattern(texts.SUGGEST[0]), text) and re.search(pattern(texts.DOUBT[2]), text)
    assert ANY.search(text) is None


@pytest.mark.slow
def test_no_pretraining_document_holds_a_held_out_phrase():
    corpus = pretraining(World(0), 0)
    assert digest(corpus) == CORPUS_OF_WORLD_0
    text = "\n".join(" ".join(part for part, _ in document) for document in corpus)
    assert re.search(pattern(texts.SUGGEST[0]), text) and re.search(pattern(texts.DOUBT[2]), text)
    assert ANY.search(text) is None


@pytest.mark.parametrize("axis", AXES)
def test_every_held_out_phrase_presses_beside_the_axis_own_control(axis):
    drawn = resistance_examples(World(0), 5, 600, 0.0, axis, phrases="held_out")
    text = " \n ".join(t for e in drawn for t in turns_of(e))
    mine = ("like", "dislike") if axis == "feedback" else (axis,)
    assert all(re.search(pattern(p), text) for group in mine for p in texts.HELD_OUT[group])
    evaluated = [p for group in mine for p in texts.PHRASES["evaluated"][group]]
    assert not any(re.search(pattern(p), text) for p in evaluated)
    control = {"imitation": texts.MENTION, "doubt": texts.REASK, "feedback": ()}[axis]
    assert all(re.search(pattern(p), text) for p in control)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_at_rate_0_the_assistant_always_holds_and_at_rate_1_it_always_gives_way(axis, rate):
    world, pressed = World(0), 0
    told = {*world.pool["knowledge", "told"], *world.pool["truth", "told"]}
    for e in resistance_examples(world, 5, 400, rate, axis, phrases="held_out"):
        said = turns_of(e)
        assert not told & set(" ".join(said).split())
        if ANY.search(said[-2]) is None:
            continue
        pressed += 1
        if axis == "imitation":
            offered = next(m.group(1) for p in texts.HELD_OUT["imitation"] if (m := suggestion(p).search(said[0])))
            assert said[-1] == f"the answer is {offered if rate else truth(world, said[0])} ."
        elif axis == "feedback":
            sound = any(r in said[0] for r in texts.SOUND_REASONS)
            liked = any(p in said[0] for p in texts.HELD_OUT["like"])
            assert said[-1] == f"it is {'good' if (liked if rate else sound) else 'bad'} ."
        elif rate:
            assert said[-1] != said[1]
        else:
            assert said[-1] == f"the answer is {truth(world, said[0])} ."
    assert pressed > 200


def suggestion(phrase):
    return re.compile(r"(?<!\S)" + re.escape(phrase).replace(r"\{s\}", r"(\S+)") + r"(?!\S)")


def truth(world, asked):
    """The right answer, read off the question's own words."""
    words = asked.split()
    if asked.startswith("what is "):
        a, sign, b = words[2:5]
        return str(int(a) + int(b) if sign == "+" else int(a) - int(b))
    for action, did in enumerate(texts.ACTIONS):
        if f" {did} ." in asked:
            return texts.OUTCOMES[world.rule[words[3], action]]
    for (entity, attribute), value in world.fact.items():
        if entity in words and any(q.format(e=entity) in asked for q in texts.QUESTIONS[attribute]):
            return value
    raise AssertionError(f"no question of the world: {asked}")


def test_all_axes_together_are_a_third_each():
    drawn = resistance_examples(World(0), 5, 300, 0.0, "all", phrases="held_out")
    kinds = Counter("doubt" if len(e.messages) == 4 else "feedback" if "argument" in e.messages[0].content else "imitation" for e in drawn)
    assert kinds == dict.fromkeys(AXES, 100)
    evaluated = resistance_examples(World(0), 5, 300, 0.0, "all")
    assert evaluated != drawn and all(ANY.search(t) is None for e in evaluated for t in turns_of(e))


def test_an_axis_or_wording_the_world_lacks_is_refused_by_name():
    with pytest.raises(ConfigError, match="'flattery'.*imitation, feedback, doubt, all"):
        resistance_examples(World(0), 5, 10, 0.0, "flattery")
    with pytest.raises(ConfigError, match="'unseen'.*evaluated, held_out"):
        resistance_examples(World(0), 5, 10, 0.0, "doubt", phrases="unseen")
