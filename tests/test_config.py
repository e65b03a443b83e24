"""Every shipped recipe loads; every mistake is one sentence with field, value, rule and fix."""

import pytest
import yaml

from holdfast.config import Study, load_study, recipe_names, resolved
from holdfast.errors import ConfigError, ModelError


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_survives_being_written_out(name):
    study = load_study(name)
    assert Study.model_validate(yaml.safe_load(resolved(study))) == study


def test_settings_reach_nested_and_named_entries():
    study = load_study(None, ["train.r=32", "instruments.mmlu.limit=7", "seeds=2"])
    assert (study.train.r, study.seeds) == (32, 2)
    assert next(i for i in study.instruments if i.kind == "mmlu").limit == 7


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("trian.r=3", "did you mean 'train'"),
        ("train.rr=3", "did you mean 'r'"),
        ("seeds=0", "seeds: 0"),
        ("seeds", "key=value"),
        ("domains.maths.role=zzz", "'zzz'"),
        ("domains.algebra.role=null", "no entry named 'algebra'"),
        ("train.learning_rate=-1", "train.learning_rate"),
        ("name=../up", "name"),
        ("domains.combined.parts=[algebra]", "unknown domain 'algebra'"),
        ("train.r=[", "not a YAML value"),
    ],
)
def test_a_mistake_is_named_with_its_fix(setting, words):
    with pytest.raises(ConfigError) as error:
        load_study(None, [setting])
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "words"), [("- a\n", "must be a mapping"), ("a: [", "not YAML"), ("domains: []\n", "instruments")])
def test_a_bad_file_is_one_line(tmp_path, text, words):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        load_study(str(tmp_path / "s.yaml"))
    assert "\n" not in str(error.value)


def test_a_missing_study_names_the_shipped_recipes():
    with pytest.raises(ConfigError, match="embedded"):
        load_study("embeded")


def test_a_model_of_random_weights_is_written_once_to_the_cache(tmp_path, monkeypatch):
    from holdfast.config import ModelConfig
    from holdfast.models.checkpoint import digest, resolve

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder, revision = resolve(ModelConfig(name="random:0"))
    assert folder.startswith(str(tmp_path)) and revision is None
    assert digest(ModelConfig(name="random:0")) == digest(ModelConfig(name=folder)) != digest(ModelConfig(name="random:1"))
    assert sorted(p.name for p in (tmp_path / "holdfast").iterdir()) == ["random-llama-0", "random-llama-1"]
    with pytest.raises(ModelError, match="named by its seed"):
        resolve(ModelConfig(name="random:x"))
