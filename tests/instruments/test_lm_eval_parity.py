"""MMLU, HellaSwag and TruthfulQA equal the lm-evaluation-harness's own metrics on the same rows and checkpoint.

The harness's own task files are taken (prompts, choices, preprocessing, metrics); only where their rows lie is changed.
"""

import json
import os
import random
import warnings
from pathlib import Path

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from holdfast.engine.local import LocalEngine
from holdfast.instruments import build
from holdfast.instruments.style import LM_EVAL_STYLE
from holdfast.models.chat import ChatFormat
from holdfast.models.random_llama import write_random_llama
from holdfast.sources import items_from_rows, read_rows, with_shots

WORDS = "a cat sat on the mat and then it went away because many dogs were near 12 old walls".split()
OPTIONS = {"mmlu": {"rotations": 1}, "hellaswag": {}, "truthfulqa": {"form": "unlisted"}}
TASK = {"mmlu": "mmlu/default/mmlu_anatomy.yaml", "hellaswag": "hellaswag/hellaswag.yaml", "truthfulqa": "truthfulqa/truthfulqa_mc1.yaml"}
REAL = {
    "mmlu": ("cais/mmlu", "test"),
    "hellaswag": ("origin_splits/test_splits/hellaswag_test.jsonl", None),
    "truthfulqa": ("truthfulqa/truthful_qa", "validation"),
}


def made_rows(kind, rng):
    text = lambda n: " ".join(rng.choices(WORDS, k=n))  # noqa: E731
    for i in range(30):
        if kind == "mmlu":
            yield {"question": f" {text(9)} {i}? ", "subject": "anatomy", "choices": [text(k) for k in (2, 3, 1, 2)], "answer": i % 4}
        elif kind == "hellaswag":
            head, tail = f"[header] {text(4)} [title] {text(6)} {i}.", text(3)
            yield {"ctx_a": head, "ctx_b": tail, "ctx": f"{head} {tail.capitalize()}", "activity_label": "Sitting", "label": str(i % 4),
                   "endings": [f"{text(5)} [step] {text(3)}." for _ in range(4)]}  # fmt: skip
        else:
            count = rng.randint(2, 5)
            yield {"question": f"{text(6)} {i}?", "mc1_targets": {"choices": [text(k + 2) for k in range(count)],
                   "labels": [1, *[0] * (count - 1)]}}  # fmt: skip


def rows_of(kind, folder):
    root = os.environ.get("HOLDFAST_DATA_ROOT")
    if root:
        rows = [{k: v for k, v in r.items() if k != "_source"} for r in read_rows(*REAL[kind], root)]
        if kind == "mmlu":
            rows = [r for r in rows if r["subject"] == "anatomy"]
        rows = rows[:30]
    else:
        rows = list(made_rows(kind, random.Random(3)))
    file = folder / f"{kind}.jsonl"
    file.write_text("\n".join(json.dumps(r) for r in rows))
    return file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = write_random_llama(tmp_path_factory.mktemp("llama"), hidden_size=32)
    llama = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        for p in llama.parameters():  # away from uniform, so that log-likelihoods differ clearly
            p.mul_(4)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # As Llama's own tokenizer does: BOS by post-processing, which is what the harness relies on.
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)])
    return llama, tokenizer


def harness(kind, file, model, folder, shots=None):
    """({"acc": ..., "acc_norm": ...}, log-likelihoods per row) of the harness's own task file on our rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lm_eval
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks._yaml_loader import load_yaml

        config = load_yaml(Path(lm_eval.__file__).parent / "tasks" / TASK[kind])
        config |= {"dataset_path": "json", "dataset_name": None, "task": f"local_{kind}", "test_split": None, "fewshot_split": "dev" if shots else None,
                   "training_split": None, "validation_split": "validation",
                   "dataset_kwargs": {"data_files": {"validation": str(file)} | ({"dev": str(shots)} if shots else {}), "cache_dir": str(folder / "cache")}}  # fmt: skip
        config.pop("tag", None), config.pop("task_alias", None)
        found = lm_eval.simple_evaluate(
            model=HFLM(pretrained=model[0], tokenizer=model[1], batch_size=1, max_length=4096, add_bos_token=True),
            tasks=[config],
            num_fewshot=5 if shots else 0,
            bootstrap_iters=0,
        )
    results = found["results"][f"local_{kind}"]
    logliks = [[answer[0] for answer in s["filtered_resps"]] for s in sorted(found["samples"][f"local_{kind}"], key=lambda s: s["doc_id"])]
    return {n.split(",")[0]: v for n, v in results.items() if n.startswith("acc") and "stderr" not in n}, logliks


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "shots"), [*((k, 0) for k in OPTIONS), ("mmlu", 5)])
@pytest.mark.filterwarnings("ignore")
def test_the_metric_is_the_harnesss_own(kind, shots, model, tmp_path):
    file, solved = rows_of(kind, tmp_path), None
    items = items_from_rows(kind, read_rows(file.name, None, str(tmp_path)))
    if shots:
        solved = tmp_path / "dev.jsonl"
        solved.write_text("\n".join(json.dumps(r) for r in made_rows(kind, random.Random(8))))
        items = with_shots(kind, items, read_rows(solved.name, None, str(solved.parent)), shots)
    instrument = build(kind, LM_EVAL_STYLE, **OPTIONS[kind])
    engine = LocalEngine(model[0], ChatFormat(model[1]))
    put = [(item, instrument.prompts(item)) for item in items]
    answered = [(item, list(zip(prompts, engine.answer(prompts), strict=True))) for item, prompts in put]
    trials = [t for item, pairs in answered for t in instrument.trials(item, pairs)]
    theirs, logliks = harness(kind, file, model, tmp_path, solved)
    for (_, ((_, response),)), expected in zip(answered, logliks, strict=True):
        assert response.logliks == pytest.approx(expected, abs=1e-5 * max(response.num_tokens) + 1e-4)
    assert len(trials) == len(items) == len(file.read_text().split("\n"))
    ours = {"acc": sum(t.score for t in trials) / len(trials)}
    if "acc_norm" in theirs:
        ours["acc_norm"] = sum(t.score_norm for t in trials) / len(trials)
    assert ours == pytest.approx(theirs, abs=1e-12)
