"""Planning for a device that is not here: shapes exact, memory that follows its parts, and advice that helps. No network."""

import json
import subprocess

import pytest

from holdfast.config import TrainConfig, load_study
from holdfast.engine import memory
from holdfast.planning import on_device
from holdfast.planning.device import Architecture, architecture, known
from holdfast.planning.work import work
from holdfast.sources.materials import Materials
from holdfast.training import lora
from warm import HOLDFAST

# As their publishers state them.
PARAMETERS = {"llama2-7b": 6_738_415_616, "llama3.1-8b": 8_030_261_248, "qwen2.5-7b": 7_615_616_512, "qwen2.5-0.5b": 494_032_768}


def plan(name, gib, *settings, **options):
    study = load_study(name, settings)
    return on_device(study, Materials(study), gib, **options)


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path):
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("name", PARAMETERS)
def test_recipes_of_known_models_are_planned_without_their_files(name):
    found = plan(name, 80)
    assert found["parameters"] == PARAMETERS[name] and found["fits"] == "yes" and found["hours"]["all"] > 0
    assert load_study(name).model.name in known() and "facts shipped" in found["model"]
    assert all(f"instruments.{i.kind}" in " ".join(found["assumed"]) for i in load_study(name).instruments)


def test_llama_2_7b_trains_forty_million_parameters_in_eighty_gib_or_twenty_four():
    large, small = plan("llama2-7b", 80), plan("llama2-7b", 24)
    assert large["trainable parameters"] == small["trainable parameters"] == 39_976_960
    assert large["change"] == ["nothing"] and large["memory, GiB"]["weights"] == pytest.approx(6_738_415_616 * 2 / 2**30, abs=0.01)
    assert small["fits"] == "yes" and "passes in training are made" in small["change"][0]
    for found, gib in ((large, 80), (small, 24)):
        assert max(found["peak in training, GiB"], found["peak in asking, GiB"]) < gib
    assert small["hours"]["all"] > large["hours"]["all"]  # a smaller card of that size is slower


def test_what_does_not_fit_says_what_to_change_and_the_change_helps():
    assert plan("llama2-7b", 12)["fits"] == "no" and plan("llama2-7b", 12)["hours"] is None
    tight = plan("llama2-7b", 18)
    assert tight["fits"] == "no" and "gradient_checkpointing=true" in tight["change"][0]
    helped = plan("llama2-7b", 18, "execution.gradient_checkpointing=true")
    assert helped["fits"] == "yes" and helped["PFLOP"] > tight["PFLOP"]


def test_a_stated_rate_is_taken():
    fast, slow = plan("llama2-7b", 80, tflops=1000), plan("llama2-7b", 80, tflops=100)
    assert slow["hours"]["training"] == pytest.approx(10 * fast["hours"]["training"], rel=0.1)


@pytest.mark.parametrize("target", ["all-linear", ["q_proj", "v_proj"], ".*o_proj"])
def test_trained_parameters_are_those_that_peft_makes(llama, target):
    config = TrainConfig(r=4, target_modules=target)
    counted = Architecture(llama, 0, 0, 0, "").trainable(config)
    model = lora.with_adapter(llama, config, 0)
    try:
        assert counted == sum(p.numel() for p in model.parameters() if p.requires_grad)
    finally:
        model.unload()


def test_a_folder_is_planned_from_its_own_configuration(llama, tmp_path):
    llama.save_pretrained(tmp_path / "m")
    shape = architecture(load_study("embedded", [f"model.name={tmp_path / 'm'}"]).model)
    assert shape.parameters == sum(p.numel() for p in llama.parameters()) and next(shape.model.parameters()).is_meta
    assert shape.needs(False).weights == memory.Needs.of(llama).weights


def test_rows_that_can_be_read_are_counted_not_assumed():
    study = load_study("embedded", ["instruments=[{kind: mmlu, style: world, limit: 10}, {kind: doubt, style: world, limit: 7}]",
                                    "domains=[{name: maths, own_benchmark: mmlu, sources: [{kind: world, domain: maths, limit: 64}]}]"])  # fmt: skip
    materials = Materials(study)
    found = work(study, materials)
    assert found.assumed == [] and found.prompts == {k: sum(map(len, materials.asked(k).prompts)) for k in ("mmlu", "doubt")}
    assert found.examples["maths"] == 64 and found.steps["maths"] == 1


@pytest.mark.slow
def test_the_command_says_it_all_without_a_network_and_refuses_a_rate_alone():
    run = lambda *a: subprocess.run([*HOLDFAST, "plan", *a], capture_output=True, text=True)  # noqa: E731
    done = run("llama2-7b", "--device-memory", "80", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["trainable parameters"] == 39_976_960 and found["detectable, points"]["doubt"] > 0
    text = run("recipes/llama2-7b.yaml", "--device-memory", "24").stdout
    assert "39,976,960" in text and "hours" in text and max(map(len, text.splitlines())) < 160
    alone = run("llama2-7b", "--device-tflops", "100")
    assert alone.returncode == 2 and "needs device_memory" in alone.stderr and alone.stderr.count("\n") == 1


def test_an_unknown_model_without_its_files_is_one_error():
    with pytest.raises(Exception, match="someone/else' could not be found"):
        plan("llama2-7b", 80, "model.name=someone/else")


def test_bounds_of_a_planned_device_are_those_of_the_engine():
    shape = architecture(load_study("llama2-7b").model)
    bounds = memory.bounds(shape.model, 4096, 24 * 2**30, device="cuda")
    needs = shape.needs(False)
    assert needs.weights + memory.CONTEXT + bounds.pass_tokens * needs.a_pass < 24 * 2**30
