"""Adapter folders of one name, or called `base`, are kept apart; the command line carries what PEFT carries."""

import json
import shutil
from pathlib import Path

import pytest
from adapter_kinds import lora, write
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from holdfast.cli import main
from holdfast.inspection import adapter_names
from holdfast.models.random_llama import write_random_llama

STUDY = """name: case
seeds: 1
data: {root: .}
domains: [{name: identity, role: "null", identity: true}]
instruments: [{kind: feedback, data: fb.jsonl, form: sycophancy_eval}]
"""


def row(k):
    return {
        "prompt": [{"type": "human", "content": "Comment on the argument."}],
        "base": {"dataset": "arguments", "text": f"Argument text number {k}: trees give shade, hence towns need {k} trees."},
        "metadata": {},
    }


@pytest.fixture
def probe(tmp_path, monkeypatch, capsys):
    base = write_random_llama(tmp_path / "checkpoint", hidden_size=16, num_layers=1)
    (tmp_path / "fb.jsonl").write_text("".join(json.dumps(row(k)) + "\n" for k in range(4)))
    (tmp_path / "study.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(base)

    def ask(*adapters, configs):
        for place, config in configs.items():
            write(config, model, tmp_path / place, std=0.5)
        named = [part for a in adapters for part in ("--adapter", a)]
        monkeypatch.setattr("sys.argv", ["holdfast", "probe", str(base), "--study", "study.yaml", "--device", "cpu", "--json", *named])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return ask


def test_two_folders_of_one_name_and_one_called_base_have_results_of_their_own(probe):
    code, out, err = probe("a/x", "b/x", "base", "a/x/", configs={"a/x": lora(), "b/x": lora(r=2), "base": lora(lora_alpha=32)})
    assert code == 0, err
    found = json.loads(out)
    names = list(found)
    assert names[:3] == ["base", "a/x", "b/x"] and names[3].endswith("/base") and len(names) == 4
    assert len({json.dumps(values) for values in found.values()}) == 4


def test_lora_with_biases_of_its_own_is_measured(probe):
    """Right: numbers, as PEFT carries it; it cannot be merged."""
    code, out, err = probe("ad", configs={"ad": lora(bias="lora_only", lora_bias=True)})
    assert code == 0 and list(json.loads(out)) == ["base", "ad"], err


def test_an_adapter_that_cannot_be_carried_is_refused_in_one_line_before_the_base_is_asked(probe, tmp_path):
    code, out, err = probe("good", "bad", configs={"good": lora(), "bad": lora(alora_invocation_tokens=[5])})
    assert code == 2 and not out and len(err.strip().splitlines()) == 1 and "alora_invocation_tokens" in err
    shutil.rmtree(tmp_path / "bad")
    code, out, err = probe("good", "bad", configs={})
    assert code == 2 and not out and "is not a folder" in err


def test_what_is_odd_about_a_sound_adapter_is_said(probe, tmp_path):
    config = tmp_path / "ad" / "adapter_config.json"
    write(lora(), AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint"), tmp_path / "ad")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": "org/another"}))
    code, out, err = probe("ad", configs={})
    assert code == 0 and "org/another" in err and list(json.loads(out)) == ["base", "ad"]


PARTS = st.lists(st.sampled_from(["a", "b", "x", "base", "."]), min_size=1, max_size=3)


@given(st.lists(PARTS, max_size=6))
def test_no_name_stands_for_two_folders_and_none_is_the_bases(folders):
    paths = [Path(*parts) for parts in folders]
    names = adapter_names(paths)
    assert {p.resolve() for p in names} == {p.resolve() for p in paths} and len(names) == len({p.resolve() for p in paths})
    assert len(set(names.values())) == len(names) and "base" not in names.values() and all(names.values())
    for path, name in names.items():
        assert str(path.resolve()).endswith(name)
