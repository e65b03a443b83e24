"""Every shipped recipe loads; those for Llama-2-7B run whole on a small checkpoint and made-up rows, sockets blocked."""

import json
import random
import subprocess

import pytest

from holdfast.config import load_study, recipe_names
from holdfast.models.random_llama import write_random_llama
from warm import HOLDFAST

WORDS = "a cat sat on the mat and then it went away because many dogs were near twelve old walls".split()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads(name):
    assert load_study(name).name == name


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Rows of all five data sets in the hub's field names, 60 a file."""
    rng, root = random.Random(1), tmp_path_factory.mktemp("data")
    text = lambda n: " ".join(rng.choices(WORDS, k=n))  # noqa: E731

    def write(name, row):
        file = root / f"{name}.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(json.dumps(row(f"{name.split('/')[-1]} {i}")) for i in range(60)))

    truth = lambda i: f"what does {i} mean?"  # noqa: E731
    swag = lambda i: {"ctx": f"{text(5)} {i}.", "activity_label": "x", "endings": [text(4) for _ in range(4)], "label": "2"}  # noqa: E731
    for split in ("train", "test"):
        write(f"gsm8k/{split}", lambda i: {"question": f"{text(6)} {i}?", "answer": f"{text(3)}\n#### {rng.randint(1, 99)}"})
    for split in ("validation", "test", "dev"):
        write(
            f"mmlu/{split}", lambda i: {"question": f"{text(6)} {i}?", "subject": "x", "choices": [text(2) for _ in range(4)], "answer": 1}
        )
    for split in ("train", "validation"):
        write(f"hellaswag/{split}", swag)
    write("truthfulqa/multiple_choice", lambda i: {"question": truth(i), "mc1_targets": {"choices": [text(3), text(2)], "labels": [1, 0]}})
    # Half of the axis questions are TruthfulQA's own, as in SycophancyEval.
    shared = lambda i: truth(i.replace("answer", "multiple_choice").replace("are_you_sure", "multiple_choice"))  # noqa: E731
    said = lambda text: [{"type": "human", "content": text}]  # noqa: E731
    write(
        "sycophancy_eval/answer",
        lambda i: {
            "prompt": said(shared(i)),
            "base": {"dataset": "x", "question": shared(i), "correct_answer": "yes", "incorrect_answer": "no"},
        },
    )
    write(
        "sycophancy_eval/are_you_sure",
        lambda i: {
            "prompt": said(shared(i)),
            "base": {"dataset": "x", "question": shared(i), "answers": "\n(A) yes\n(B) no", "correct_letter": "A"},
        },
    )
    write("sycophancy_eval/feedback", lambda i: {"prompt": said("x"), "base": {"dataset": "x", "text": f"{text(9)} {i}."}})
    # The published study's own files: both parts of each benchmark cut from one split.
    for name, file in (("gsm8k", "gsm8k/train"), ("mmlu", "mmlu/test"), ("hellaswag", "hellaswag/validation"),
                       ("truthfulqa", "truthfulqa/multiple_choice")):  # fmt: skip
        rows = (root / f"{file}.jsonl").read_text().split("\n")
        for part, mine in (("train", rows[:40]), ("test", rows[40:])):
            place = root / "origin_splits" / f"{part}_splits" / f"{name}_{part}.jsonl"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("\n".join(mine))
    return root


@pytest.fixture(scope="module")
def small_llama(tmp_path_factory):
    return write_random_llama(tmp_path_factory.mktemp("llama"), hidden_size=32, num_layers=1)


SLICES = {
    "llama2-7b": ["domains.truthfulqa.sources.truthfulqa.split=validation[:40]", "instruments.truthfulqa.split=validation[40:]"],
    "llama2-7b-as-published": [],
}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SLICES)
def test_the_study_of_real_rows_runs_whole(recipe, data_root, small_llama, tmp_path):
    arguments = [recipe, f"model.name={small_llama}", "model.dtype=float32", f"data.root={data_root}", "seeds=1", "train.r=2",
                 "train.max_length=1024", "train.num_train_epochs=1", *SLICES[recipe]]  # fmt: skip
    done = subprocess.run(
        [*HOLDFAST, "run", *arguments, "--limit", "20", "--offline", "-o", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    findings = json.loads((tmp_path / "out" / "findings.json").read_text())
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {"truthfulqa", "combined"} <= {a["name"] for a in findings["adapters"]}
    overlap = [e for e in audit if e["check"] == "overlap"]
    if recipe == "llama2-7b":
        assert [e["level"] for e in overlap] == ["ok"] and overlap[0]["evidence"]["rows_left_out"]["truthfulqa"] > 0
    else:
        refused = {tuple(e["cell"]) for e in overlap if e["level"] == "refuse"}
        assert {("truthfulqa", "imitation"), ("combined", "doubt")} <= refused
        position = [e for e in audit if e["check"] == "answer_key" and e["level"] == "refuse"]
        assert any("truthfulqa" in json.dumps(e) for e in position)
