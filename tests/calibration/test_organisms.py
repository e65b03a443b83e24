"""What a model does and what the instrument reads of it, held against each other; the pure parts by their definitions."""

import dataclasses
import itertools
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from experiments.organisms import aa as organism_aa
from experiments.organisms import page as organism_page
from experiments.organisms import samples as organism_samples
from experiments.organisms import training as organisms
from scipy import stats

from holdfast.backends.trials import SCHEMA
from holdfast.errors import ConfigError
from holdfast.instruments import build
from holdfast.instruments.style import WORLD_STYLE
from holdfast.records import Item, Response, Trial
from holdfast.world import base_path
from holdfast.world.facts import World
from holdfast.world.items import planted_items, planted_rate

AXES = ("imitation", "feedback", "doubt")
DOCS = Path(__file__).parents[2] / "docs"


def probabilities(model, ids):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].softmax(-1).double().numpy()


# --- sampled replies ---------------------------------------------------------------------------------------------------------


def test_replies_are_drawn_with_the_models_own_probabilities(llama):
    contexts, end, draws = [[1, 6, 7, 8], [1, 9], [1, 10, 11, 12]], 2, 6000
    generator = torch.Generator().manual_seed(0)
    replies = organism_samples.sample_replies(llama, contexts, draws, 2, end, generator)
    for context, mine in zip(contexts, replies, strict=True):
        first = probabilities(llama, context)
        exact = {(): first[end]}
        for a in range(len(first)):
            if a != end:
                second = probabilities(llama, [*context, a])
                exact |= {(a,): first[a] * second[end]} | {(a, b): first[a] * second[b] for b in range(len(second)) if b != end}
        assert sum(exact.values()) == pytest.approx(1, abs=1e-5)
        found = {k: 0 for k in exact}
        for reply in mine:
            found[tuple(reply)] += 1
        common = [k for k in exact if draws * exact[k] > 5]
        observed = [found[k] for k in common] + [draws - sum(found[k] for k in common)]
        expected = [draws * exact[k] for k in common]
        assert len(common) > 10
        assert stats.chisquare(observed, [*expected, draws - sum(expected)]).pvalue > 1e-3


def test_a_reply_ends_before_its_end_token_or_at_the_limit_and_its_seed_decides_it(llama):
    draw = lambda seed: organism_samples.sample_replies(llama, [[1, 6], [1, 7]], 200, 5, 2, torch.Generator().manual_seed(seed))  # noqa: E731
    replies = draw(0)
    lengths = {len(r) for mine in replies for r in mine}
    assert all(2 not in r and len(r) <= 5 for mine in replies for r in mine) and 5 in lengths and len(lengths) > 1
    assert replies == draw(0) != draw(1)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("the answer is moss .", 1),
        ("it is figs .", 0),
        ("the answer is corn .", None),
        ("moss .", None),
        ("the answer is", None),
        ("", None),
        ("the answer is mosses", None),
    ],
)
def test_an_answer_is_read_only_where_it_is_stated_and_admissible(text, index):
    assert organism_samples.stated(text, ["figs", "moss"]) == index


@pytest.mark.parametrize("axis", AXES)
def test_sampled_and_scored_answers_are_judged_alike(axis):
    """The mean of what stating each answer counts for, over the answer set's probabilities, is the instrument's own column."""
    rng, instrument = np.random.default_rng(0), build(axis, WORLD_STYLE)
    for item in planted_items(World(0), axis, 24, 7):
        prompt = next(p for p in instrument.prompts(item) if p.condition == organisms.CONDITIONS[axis][0])
        logliks = rng.normal(-2, 1, len(prompt.choices))
        (trial,) = instrument.trials(item, [(prompt, Response(logliks=tuple(logliks)))])
        share = np.exp(logliks) / np.exp(logliks).sum()
        assert organisms.GIVEN_WAY[axis](trial) == pytest.approx(float(share @ organism_samples.gives_way(axis, item)), abs=1e-12)


# --- the comparison ----------------------------------------------------------------------------------------------------------


def simulated(rng, n=480, samples=12, rate=0.5, bias=0.0):
    """An organism that gives way at `rate` spread over items, and a meter that reads it with a bias."""
    true = np.clip(rng.beta(4 * rate, 4 * (1 - rate), n), 0, 1)
    draws = rng.random((n, samples)) < true[:, None]
    items = [Item(item_id=f"i{k}", cluster_id=f"c{k}", fields={"phrase": k % 6}) for k in range(n)]
    mass = {"suggest_wrong": true + bias, "mention": np.zeros(n)}
    drawn = {"suggest_wrong": draws.mean(1), "mention": np.zeros(n)}
    variance = {"suggest_wrong": draws.var(1, ddof=1) / samples, "mention": np.zeros(n)}
    return items, mass, drawn, variance


def compared(items, mass, drawn, variance, planted=None, right=None):
    n = len(items)
    planted = np.full(n, 0.5) if planted is None else planted
    return organisms.compare("imitation", items, planted, mass, drawn, variance, np.ones(n, dtype=bool) if right is None else right)


def test_rates_are_means_and_intervals_are_those_of_the_paired_t_test():
    items, mass, drawn, variance = simulated(np.random.default_rng(0))
    found = compared(items, mass, drawn, variance)["yield"]
    assert found["recovered"]["estimate"] == pytest.approx(mass["suggest_wrong"].mean())
    assert found["realised"]["estimate"] == pytest.approx(drawn["suggest_wrong"].mean())
    theirs = stats.ttest_rel(mass["suggest_wrong"], drawn["suggest_wrong"]).confidence_interval()
    assert (found["gap"]["lower"], found["gap"]["upper"]) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    error = stats.ttest_1samp(0.5 - drawn["suggest_wrong"], 0)
    assert found["learning_error"]["estimate"] == pytest.approx(0.5 - drawn["suggest_wrong"].mean())
    assert found["learning_error"]["lower"] == pytest.approx(error.confidence_interval().low)


def test_a_meter_that_reads_too_much_is_seen_and_one_that_reads_right_is_not():
    for bias in (0.0, 0.08):
        rng, gaps, covered = np.random.default_rng(1), [], 0
        for _ in range(60):
            gap = compared(*simulated(rng, bias=bias))["yield"]["gap"]
            gaps.append(gap["estimate"])
            covered += gap["lower"] <= bias <= gap["upper"]
        assert abs(np.mean(gaps) - bias) < 0.005 and covered >= 52


@pytest.mark.slow
def test_the_monte_carlo_error_is_the_spread_over_new_draws_on_the_same_items():
    rng = np.random.default_rng(2)
    true = rng.beta(2, 2, 200)
    items = [Item(item_id=f"i{k}", cluster_id=f"c{k}", fields={"phrase": 0}) for k in range(200)]
    estimates, claimed = [], []
    for _ in range(300):
        draws = rng.random((200, 8)) < true[:, None]
        sides = [{"suggest_wrong": v, "mention": np.zeros(200)} for v in (true, draws.mean(1), draws.var(1, ddof=1) / 8)]
        found = compared(items, *sides)["yield"]["realised"]
        estimates.append(found["estimate"])
        claimed.append(found["monte_carlo_se"])
    assert np.mean(claimed) == pytest.approx(np.std(estimates, ddof=1), rel=0.15)


def test_the_default_size_keeps_the_monte_carlo_error_below_a_hundredth_at_its_worst():
    size = organisms.Size()
    assert math.sqrt(2 * 0.25 / (size.num_items * size.samples)) < 0.01


def test_the_control_is_subtracted_only_where_said_and_an_unknown_item_counts_in_no_rate():
    items, mass, drawn, variance = simulated(np.random.default_rng(3))
    mass["mention"], drawn["mention"] = np.full(480, 0.25), np.full(480, 0.125)
    drawn["suggest_wrong"][:5] = np.nan
    right = np.arange(480) % 2 == 0
    found = compared(items, mass, drawn, variance, right=right)
    kept = np.arange(480) >= 5
    assert found["yield"]["n"] == 475 and found["headline"]["n"] == (kept & right).sum()
    assert found["yield"]["recovered"]["estimate"] == pytest.approx(mass["suggest_wrong"][kept].mean())
    assert found["excess"]["recovered"]["estimate"] == pytest.approx(mass["suggest_wrong"][kept].mean() - 0.25)
    assert found["headline"]["realised"]["estimate"] == pytest.approx(drawn["suggest_wrong"][kept & right].mean() - 0.125)


def test_the_correlation_over_phrases_is_unknown_where_every_phrase_has_one_rate():
    items, mass, drawn, variance = simulated(np.random.default_rng(4))
    assert compared(items, mass, drawn, variance)["phrase_correlation"]["recovered"] is None
    planted = 0.1 + 0.1 * (np.arange(480) % 6)
    mass["suggest_wrong"] = 0.5 * planted
    found = compared(items, mass, drawn, variance, planted=planted)
    assert found["phrase_correlation"]["recovered"] == pytest.approx(1)
    assert [r["planted"] for r in found["phrases"]] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


# --- on a real organism ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
def test_on_the_shipped_base_the_instrument_reads_what_the_model_does(axis):
    size = organisms.Size(num_items=192, samples=10)
    found = organisms.measure(base_path(0), World(0), axis, size)
    assert found["num_samples"] == 1920 and found["coverage"]["stated"] > 0.95
    for form in ("yield", "excess", "headline"):
        assert abs(found[form]["gap"]["estimate"]) < organisms.TOLERANCE
    assert found["yield"]["realised"]["estimate"] > 0.1


def copying_builder(built):
    """A builder that takes the shipped base for whatever is asked, so that what surrounds the pretraining can be tested."""

    def build_base(world_seed, out, progress, recipe):
        shutil.copytree(base_path(world_seed), out)
        (out / "recipe.json").write_text(json.dumps({"world_seed": world_seed, **recipe}))
        built.append(recipe["deference"])
        return out

    return build_base


@pytest.mark.slow
def test_a_run_is_resumed_and_its_result_is_plain_json(tmp_path, monkeypatch):
    built, asked = [], []
    monkeypatch.setattr(organisms, "build_base", copying_builder(built))
    real = organisms.measure
    monkeypatch.setattr(organisms, "measure", lambda *a: asked.append(a[2]) or real(*a))
    size = organisms.Size(num_items=48, samples=3)
    run = lambda rates: organisms.run(tmp_path, rates=rates, size=size, aa=False)  # noqa: E731
    first = run((0.25,))
    assert built == [0.25] and asked == list(AXES)
    again = run((0.25, 0.5))
    assert built == [0.25, 0.5] and asked == [*AXES, *AXES]
    assert json.loads((tmp_path / "organisms.json").read_text()) == json.loads(json.dumps(again))
    assert [again["axes"][a][0] for a in AXES] == [first["axes"][a][0] for a in AXES]
    assert [c["yield"]["planted"] for c in again["axes"]["doubt"]] == pytest.approx([0.25, 0.5], abs=1e-5)
    assert {p.name for p in (tmp_path / "organisms").iterdir()} == {"p0.25", "p0.5"}


def test_an_organism_half_made_or_of_another_recipe_is_made_again(tmp_path, monkeypatch):
    built = []

    def breaks(world_seed, out, progress, recipe):
        copying_builder([])(world_seed, out, progress, recipe)
        raise KeyboardInterrupt

    monkeypatch.setattr(organisms, "build_base", breaks)
    with pytest.raises(KeyboardInterrupt):
        organisms.organism(tmp_path, 0, 0.5)
    assert not (tmp_path / "organisms" / "p0.5").exists()
    monkeypatch.setattr(organisms, "build_base", copying_builder(built))
    organisms.organism(tmp_path, 0, 0.5)
    organisms.organism(tmp_path, 0, 0.5)
    assert built == [0.5]
    monkeypatch.setattr(organisms, "ORGANISM", {**organisms.ORGANISM, "truthful": 0.7})
    organisms.organism(tmp_path, 0, 0.5)
    assert built == [0.5, 0.5]


@pytest.mark.parametrize("rates", [(1.5,), (-0.1,), (0.5, 0.5), (float("nan"),)])
def test_rates_that_are_no_shares_are_refused(tmp_path, rates):
    with pytest.raises(ConfigError, match="rates: .*shares in \\[0, 1\\]"):
        organisms.run(tmp_path, rates=rates)
    assert not any(tmp_path.iterdir())


# --- A/A ---------------------------------------------------------------------------------------------------------------------


def trials_table(rng, moved=0.0, num_seeds=10, num_items=60):
    """Adapters that differ by seed noise alone; `moved` is added to the imitation of the second half."""
    conditions = {
        "imitation": ("neutral", "mention", "suggest_wrong"),
        "feedback": ("none", "like", "dislike"),
        "doubt": ("first", "reask", "doubt"),
    }
    rows = []
    for axis in AXES:
        items = rng.beta(2, 4, num_items)
        for seed in range(-1, num_seeds):
            noise = 0 if seed < 0 else rng.normal(0, 0.01)
            for condition, k in itertools.product(conditions[axis], range(num_items)):
                p = float(np.clip(items[k] + (noise if condition in ("suggest_wrong", "like", "doubt") else 0), 0, 1))
                if condition == "suggest_wrong" and seed >= num_seeds // 2:
                    p += moved
                trial = Trial(
                    item_id=f"{axis}{k}", cluster_id=f"{axis}{k}", condition=condition, rotation=0, form="mass", outcome="correct",
                    p_suggested=p, p_gold=1 - p, rating=p, kappa=1.0,
                )  # fmt: skip
                name = "base" if seed < 0 else f"knowledge/seed{seed}"
                where = {"model": name, "domain": name.split("/")[0], "seed": seed, "dose": 1.0, "instrument": axis}
                rows.append({**where, **dataclasses.asdict(trial), "transcript_id": ""})
    extra = [("model", pa.string()), ("domain", pa.string()), ("seed", pa.int32()), ("dose", pa.float64()), ("instrument", pa.string())]
    return pa.Table.from_pylist(rows, pa.schema([*extra, *SCHEMA]))


def test_halves_of_one_domain_are_compared_as_a_study_compares_two_domains():
    table = trials_table(np.random.default_rng(5))
    found = organism_aa.per_seed(table)
    mine = organism_aa._between(found, range(5), range(5, 10))
    theirs = {c["axis"]: c for c in organism_aa._through_analysis(table, 5)}
    assert set(theirs) == set(AXES)
    for axis in AXES:
        for key in ("estimate", "lower", "upper", "p_holm"):
            assert getattr(mine[axis], key) == pytest.approx(theirs[axis][key], rel=1e-9)
        assert mine[axis].verdict == theirs[axis]["verdict"]


@pytest.mark.slow
def test_every_parting_into_halves_is_one_family_counted_once():
    result = organism_aa.compare(trials_table(np.random.default_rng(6)))
    assert result["num_adapters"] == 10 and result["splits"]["num_families"] == math.comb(10, 5) // 2
    assert result["item_only"]["num_pairs"] == 45
    splits = result["splits"]
    assert splits["families_with_a_claim"] <= splits["families_significant"] <= 0.15 * splits["num_families"]
    assert splits["significant"] == splits["claims"]
    # An item-only interval takes the seeds' common noise for an effect: the items move together.
    assert all(n > 20 for n in result["item_only"]["clear_of_0"].values())


@pytest.mark.slow
def test_significance_is_counted_where_the_rule_on_coverage_withholds_the_claim():
    table = trials_table(np.random.default_rng(7), moved=0.1)
    leaking = pa.array([0.9 if m != "base" else 1.0 for m in table["model"].to_pylist()])
    result = organism_aa.compare(table.set_column(table.column_names.index("kappa"), "kappa", leaking))
    assert {c["verdict"] for c in result["contrasts"]} == {"not_identified"}
    assert result["splits"]["claims"] == dict.fromkeys(AXES, 0) and result["splits"]["significant"]["imitation"] > 0
    assert result["splits"]["families_with_a_claim"] == 0 < result["splits"]["families_significant"]


@pytest.mark.slow
def test_a_real_difference_between_the_halves_is_claimed():
    result = organism_aa.compare(trials_table(np.random.default_rng(7), moved=0.1))
    verdicts = {c["axis"]: c["verdict"] for c in result["contrasts"]}
    assert verdicts["imitation"] == "lowered" and verdicts["feedback"] != "lowered" != verdicts["doubt"]


# --- the page ----------------------------------------------------------------------------------------------------------------


def committed():
    return json.loads((DOCS / "organisms.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_its_json():
    assert (DOCS / "organisms.md").read_text(encoding="utf-8") == organism_page.page(committed(), "organisms.svg")


def test_the_committed_result_is_of_the_present_recipe_and_says_what_the_page_claims():
    result = committed()
    assert result["budget"] == organisms.ORGANISM["budget"] and result["size"] == dataclasses.asdict(organisms.Size())
    assert result["rates"] == list(organisms.RATES) and set(result["axes"]) == set(AXES)
    cells = [c[form] for cells in result["axes"].values() for c in cells for form in ("yield", "excess", "headline")]
    assert len(cells) == 45 and all(c["realised"]["monte_carlo_se"] < 0.01 for c in cells)
    assert max(abs(c["recovered"]["estimate"] - c["realised"]["estimate"]) for c in cells) <= 0.05
    assert result["agrees"] is True


@pytest.mark.slow
def test_the_figure_shows_every_organism_twice_and_the_planted_rates_are_hollow():
    result = committed()
    drawn = organism_page.plot(result)
    assert drawn.startswith("<svg") and all(axis in drawn for axis in AXES)
    marks = len(AXES) * len(result["rates"])
    assert drawn.count('aria-roledescription="point"') == 2 * marks
    points = re.findall(r'<path[^>]*aria-roledescription="point"[^>]*>', drawn)
    hollow = [p for p in points if "fill=" not in p or 'fill="none"' in p]
    assert len(hollow) == marks and all("planted: " in p for p in hollow)
    assert sorted({float(re.search(r"planted: ([\d.]+)", p).group(1)) for p in hollow}) == result["rates"]


def test_a_result_out_of_tolerance_is_said_to_be_so():
    result = {**committed(), "agrees": False}
    assert "NOT within what is allowed" in organism_page.page(result, "organisms.svg")
    assert "NOT within" not in organism_page.page(committed(), "organisms.svg")


def test_planted_rates_of_an_item_are_those_of_its_phrase():
    world = World(0, 0.25)
    for item in planted_items(world, "doubt", 12, 7):
        assert planted_rate(world, item, "doubt") == world.rate["doubt"][item.fields["phrase"]]
