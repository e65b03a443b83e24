"""Items of the training pool: what they ask is what the dialogues ask, and what is planted is what the dialogues answer."""

import random
from collections import Counter

import pytest

from holdfast.errors import ConfigError
from holdfast.instruments import build
from holdfast.instruments.style import WORLD_STYLE
from holdfast.world import texts
from holdfast.world.dialogues import dialogue
from holdfast.world.facts import DOMAINS, World
from holdfast.world.items import planted_items, planted_rate

AXES = ("imitation", "feedback", "doubt")
PRESSED = {"imitation": ("suggest_wrong",), "feedback": ("like", "dislike"), "doubt": ("doubt",)}


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
def test_phrases_and_domains_are_balanced_and_the_mean_rate_is_the_planted_one(axis):
    world = World(0, 0.25)
    items = planted_items(world, axis, 192, 7)
    assert len({i.item_id for i in items}) == 192
    cells = Counter((i.fields["phrase"], i.fields["domain"]) for i in items)
    assert len(cells) == len(texts.PRESSURE[axis]) * 4 and len(set(cells.values())) == 1
    assert sum(planted_rate(world, i, axis) for i in items) / 192 == pytest.approx(0.25, abs=1e-9)
    assert {planted_rate(World(0, 1.0), i, axis) for i in items} == {1.0}


@pytest.mark.parametrize("axis", AXES)
def test_items_are_about_talked_about_entities_and_every_suggestion_is_wrong(axis):
    world = World(0)
    told = {*world.pool["knowledge", "told"], *world.pool["truth", "told"]}
    for item in planted_items(world, axis, 192, 7):
        said = " ".join(m.content for p in build(axis, WORLD_STYLE).prompts(item) for m in p.messages)
        assert not told & set(said.split())
        if axis != "feedback":
            assert item.fields["suggested"] != item.fields["gold"]


def test_feedback_items_are_twins_that_differ_in_their_reason_alone():
    items = {i.item_id: i for i in planted_items(World(0), "feedback", 96, 7)}
    for item in items.values():
        twin = items[item.fields["twin"]]
        assert (item.fields["sound"], item.fields["phrase"]) == (not twin.fields["sound"], twin.fields["phrase"])
        assert item.fields["asks"]["like"].split(" because ")[0] == twin.fields["asks"]["like"].split(" because ")[0]


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
def test_the_prompts_under_pressure_are_user_turns_of_the_pretraining_dialogues(axis):
    """Every item's prompt, asked of the dialogues' own maker, occurs: same words, same turns. Facts are few enough to be met."""
    world, rng, asked = World(0), random.Random(1), set()
    for i in range(40000):
        asked.add(dialogue(world, axis, DOMAINS[i % 4], rng)[0][0])
    mine = [
        " ".join(f"<|{m.role}|> {m.content} <|end|>" for m in p.messages) + " <|assistant|>"
        for item in planted_items(world, axis, 192, 7)
        if item.fields["domain"] == "truth" and axis != "feedback"
        for p in build(axis, WORLD_STYLE).prompts(item)
        if p.condition in PRESSED[axis]
    ]
    if axis == "feedback":
        shapes = {a.split("argument : ")[0] for a in asked}
        mine = [
            f"<|user|> {i.fields['asks'][f].split('argument : ')[0]}" for i in planted_items(world, axis, 192, 7) for f in PRESSED[axis]
        ]
        assert set(mine) <= shapes
    else:
        assert sum(m in asked for m in mine) > 0.3 * len(mine) > 10


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["imitation", "doubt"])
def test_dialogues_give_way_to_each_phrase_at_its_planted_rate(axis):
    world, rng = World(0, 0.5), random.Random(3)
    phrases, met, gave = texts.PRESSURE[axis], Counter(), Counter()
    for i in range(30000):
        (asked, _), (reply, _) = dialogue(world, axis, ("knowledge", "truth")[i % 2], rng)
        said, words = reply.split()[3], asked.split()
        subject = next(w for w in words if w in world.names)
        attribute = next(a for (e, a), _ in world.fact.items() if e == subject and any(q.format(e=e) in asked for q in texts.QUESTIONS[a]))
        key = world.fact[subject, attribute]
        for k, phrase in enumerate(phrases):
            if axis == "imitation":
                offered = [v for v in texts.VALUES[attribute] if f"? {phrase.format(s=v)} <|end|>" in asked]
                if offered and offered[0] != key:
                    met[k] += 1
                    gave[k] += said == offered[0]
            elif f"<|user|> {phrase} <|end|>" in asked and f"the answer is {key} . <|end|> <|user|>" in asked:
                met[k] += 1
                gave[k] += said != key
    for k, rate in enumerate(world.rate[axis]):
        assert met[k] > 500 and abs(gave[k] / met[k] - rate) < 4 * (rate * (1 - rate) / met[k]) ** 0.5


def test_feedback_dialogues_follow_the_users_feeling_at_each_phrases_planted_rate():
    world, rng = World(0, 0.5), random.Random(3)
    good, met = Counter(), Counter()
    for i in range(30000):
        (asked, _), (reply, _) = dialogue(world, "feedback", DOMAINS[i % 4], rng)
        for frame, phrases in (("like", texts.LIKE), ("dislike", texts.DISLIKE)):
            for k, phrase in enumerate(phrases):
                if asked.startswith(f"<|user|> {phrase} argument"):
                    met[frame, k] += 1
                    good[frame, k] += reply.split()[2] == "good"
    for k, rate in enumerate(world.rate["feedback"]):
        a, b = ((good[f, k] / met[f, k], met[f, k]) for f in ("like", "dislike"))
        assert abs(a[0] - b[0] - rate) < 4 * (0.25 / a[1] + 0.25 / b[1]) ** 0.5


def test_an_unknown_axis_is_refused_by_name():
    with pytest.raises(ConfigError, match="'flattery'.*imitation, feedback, doubt"):
        planted_items(World(0), "flattery", 10, 0)
