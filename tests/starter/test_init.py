"""`holdfast init` on folders of rows in several layouts and formats, and on checkpoints written to disk: the study is accepted by `plan`."""

import gzip
import importlib
import json
import subprocess

import pytest
import yaml

from holdfast import instruments
from holdfast.config import load_study, schema_json
from holdfast.config.part import names_of_files
from holdfast.errors import ConfigError, HoldfastError
from holdfast.models.random_llama import cached_random_llama
from holdfast.sources import forms
from holdfast.sources.materials import Materials
from holdfast.sources.survey import survey
from holdfast.starter import choose_all, look, name_of, study_text
from warm import HOLDFAST

GSM8K = [{"question": f"What is {i} and {i}?", "answer": f"Twice.\n#### {2 * i}"} for i in range(39)]
MMLU = [{"question": f"Pick {i}.", "choices": [f"a{i}", f"b{i}", "c", "d"], "answer": i % 4, "subject": "s"} for i in range(42)]
TRUTH = [{"question": f"Is it {i}?", "mc1_targets": {"choices": [f"yes {i}", f"no {i}"], "labels": [1, 0]}} for i in range(30)]
ANSWER = [
    {"prompt": [], "base": {"dataset": "trivia_qa", "question": f"Who is {i}?", "correct_answer": f"Ann {i}", "incorrect_answer": f"Bob {i}", "answer": [f"Ann {i}"]},
     "metadata": {"prompt_template": "{question}"}} for i in range(30)]  # fmt: skip


def put(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(r) + "\n" for r in rows)
    file.write_bytes(gzip.compress(text.encode())) if file.suffix == ".gz" else file.write_text(text, encoding="utf-8")


def written(root, model="random:0"):
    return study_text("first", look(model), str(root), choose_all(survey(root)), None)


def holdfast(*arguments):
    return subprocess.run([*HOLDFAST, *map(str, arguments)], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_folder_in_the_hubs_layout_gives_a_study_that_plan_accepts(tmp_path):
    rows, model = tmp_path / "rows", cached_random_llama(0)
    put(rows / "gsm8k" / "train.jsonl", GSM8K[:30])
    put(rows / "gsm8k" / "test.jsonl", GSM8K[30:])
    put(rows / "mmlu" / "validation.jsonl.gz", MMLU[30:])
    put(rows / "mmlu" / "test.jsonl", MMLU[:30])
    put(rows / "truthfulqa" / "multiple_choice.jsonl", TRUTH)
    put(rows / "sycophancy_eval" / "answer.jsonl", ANSWER)
    put(rows / "notes.jsonl", [{"text": "of no use"}])
    out = tmp_path / "first.yaml"
    done = holdfast("init", model, rows, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "not used" not in done.stderr and done.stdout == f"study: {out}; next: holdfast plan {out}\n"
    study = load_study(str(out))
    assert [d.name for d in study.domains] == ["maths", "knowledge", "truth", "combined", "combined_matched", "format_only", "identity"]
    splits = {i.kind: (i.data, i.split, i.form) for i in study.instruments}
    assert splits["truthfulqa"] == ("truthfulqa/truthful_qa", "validation[20:]", None)
    assert splits["imitation"][2] == "sycophancy_eval" and splits["doubt"] == ("cais/mmlu", "test", "lettered") and "feedback" not in splits
    assert "feedback" in out.read_text(encoding="utf-8").splitlines()[-1]  # what is not measured is said
    planned = holdfast("plan", out, "--device-memory", 4, "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["fits"] == "yes"
    assert json.loads((tmp_path / "first.schema.json").read_text(encoding="utf-8")) == json.loads(schema_json())
    again = holdfast("init", model, rows, "-o", out)
    assert again.returncode == 2 and "--force" in again.stderr


def test_rows_are_known_by_their_fields_wherever_they_lie(tmp_path):
    put(tmp_path / "mine" / "sums_train.jsonl", GSM8K[:30])
    put(tmp_path / "mine" / "sums_test.jsonl", GSM8K[30:])
    (tmp_path / "questions.json").write_text(json.dumps(MMLU[:30]), encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text("{not json", encoding="utf-8")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    put(tmp_path / ".hidden" / "rows.jsonl", GSM8K)
    assert [(f.kind, f.file, f.num_rows) for f in survey(tmp_path)] == [
        ("gsm8k", "mine/sums_test.jsonl", 9), ("gsm8k", "mine/sums_train.jsonl", 30), ("mmlu", "questions.json", 30)]  # fmt: skip
    tree = yaml.safe_load(written(tmp_path))
    assert tree["domains"][0]["sources"] == [{"kind": "gsm8k", "data": "mine/sums_train.jsonl", "limit": 30}]
    (tmp_path / "study.yaml").write_text(written(tmp_path), encoding="utf-8")
    study = load_study(str(tmp_path / "study.yaml"))
    materials = Materials(study)
    assert all(materials.asked(i.kind).items for i in study.instruments) and materials.examples("combined")
    cut = [next(r for r in (*study.domain("knowledge").sources, *study.instruments) if r.kind == kind) for kind in ("mmlu", "doubt")]
    assert [(r.split, r.split_seed) for r in cut] == [("[:20]", 0), ("[20:]", 0)]  # trained and asked rows are apart


def test_without_rows_the_hubs_are_named_as_in_the_recipe():
    tree = yaml.safe_load(study_text("x", look("meta-llama/Llama-2-7b-chat-hf"), None, choose_all(None), None))
    recipe = load_study("llama2-7b")
    of_recipe = {i.kind: i.data for i in recipe.instruments}
    assert {i["kind"]: i["data"] for i in tree["instruments"] if i["kind"] in of_recipe} == of_recipe
    order = list(instruments.available())
    assert [i["kind"] for i in tree["instruments"]] == sorted((i["kind"] for i in tree["instruments"]), key=order.index)
    assert tree["model"] == {"name": "meta-llama/Llama-2-7b-chat-hf", "dtype": "bfloat16"}


@pytest.mark.slow
def test_what_cannot_be_used_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "pickle").mkdir()
    (tmp_path / "pickle" / "config.json").write_text("{}")
    (tmp_path / "pickle" / "pytorch_model.bin").write_bytes(b"x")
    for name, said in (("world:0", "holdfast run embedded"), (tmp_path / "empty", "config.json"), (tmp_path / "pickle", "safetensors"),
                       ("./nowhere", "neither an existing folder"), ("a b/c", "neither an existing folder")):  # fmt: skip
        with pytest.raises(HoldfastError, match=said):
            look(str(name))
    with pytest.raises(ConfigError, match="no such folder"):
        survey(tmp_path / "nowhere")
    done = holdfast("init", "random:0", tmp_path / "empty", "-o", tmp_path / "s.yaml")
    assert done.returncode == 2 and "no rows of gsm8k" in done.stderr and not (tmp_path / "s.yaml").exists()


def test_rows_of_every_form_are_known_as_theirs_alone():
    swag = {"ctx": "A man", "endings": ["sits", "flies"], "label": "0"}
    for name, row in (("gsm8k", GSM8K[0]), ("mmlu", MMLU[0]), ("truthfulqa", TRUTH[0]), ("hellaswag", swag)):
        files = names_of_files("sources/forms")
        assert [n for n in files if importlib.import_module(f"holdfast.sources.forms.{n}").knows(row)] == [name]
        assert forms.form_of(row) == name
    assert forms.form_of({"text": "of no use"}) is None


@pytest.mark.parametrize("path, name", [("a b.yaml", "a-b"), ("--x.yaml", "x"), ("é.yaml", "study")])
def test_a_study_is_named_after_its_file(tmp_path, path, name):
    assert name_of(tmp_path / path) == name


def test_hostile_names_stay_values(tmp_path):
    root = tmp_path / 'r", evil: "1}\n#'
    put(root / "x: [y" / "train.jsonl", GSM8K)
    put(root / "x: [y" / "test.jsonl", GSM8K[:5])
    tree = yaml.safe_load(written(root))
    assert tree["data"] == {"root": str(root)} and tree["domains"][0]["sources"][0]["data"] == "x: [y/train.jsonl"
