"""Toy checkpoints every tier shares: no network, no shipped weights, a few thousand parameters."""

from __future__ import annotations

import os
import shutil
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores; threads that wait for each other take them twice

from pathlib import Path

import hypothesis
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from holdfast.models.chat import ChatFormat

hypothesis.settings.register_profile("tests", deadline=None)  # tests prove, they do not time
hypothesis.settings.load_profile("tests")

BLOCKED = str(Path(__file__).parent / "blocked")


def pytest_configure(config):
    """Every Python process a test starts loads tests/blocked/sitecustomize.py. pytest-xdist's workers do not: pytest-socket guards them."""
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [BLOCKED, os.environ.get("PYTHONPATH")]))
    if not hasattr(config, "workerinput"):
        os.environ["HOLDFAST_TEST_SERVER"] = f"{tempfile.mkdtemp(prefix='holdfast-tests-')}/socket"
        os.environ["HOLDFAST_TEST_OWNER"] = str(os.getpid())


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput") and "HOLDFAST_TEST_SERVER" in os.environ:
        shutil.rmtree(Path(os.environ.pop("HOLDFAST_TEST_SERVER")).parent, ignore_errors=True)


# Whole folders and files that `make test-fast` leaves out.
MARKED = {"browser": "browser", "training": "training", "execution": "training", "endpoints": "training", "test_run.py": "training"}


def pytest_collection_modifyitems(items):
    for item in items:
        top = item.path.relative_to(Path(__file__).parent).parts[0]
        if top in MARKED:
            item.add_marker(MARKED[top])


WORDS = "one two three four five six seven eight nine ten what is the answer A B C D yes no . ?".split()
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ ' <|' + m.role + '|> ' + m.content + ' </s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' <|assistant|>' }}{% endif %}"
)


def toy_tokenizer() -> PreTrainedTokenizerFast:
    vocab = {w: i for i, w in enumerate(["<pad>", "<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>", *WORDS])}
    raw = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def toy_llama(seed: int = 0, kv_heads: int = 2) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS) + 6,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=kv_heads,
            max_position_embeddings=128,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            tie_word_embeddings=False,
            initializer_range=0.3,
        )
    ).eval()


@pytest.fixture(scope="session")
def chat() -> ChatFormat:
    return ChatFormat(toy_tokenizer())


@pytest.fixture
def llama() -> LlamaForCausalLM:
    return toy_llama()


@pytest.fixture(scope="session")
def make_llama():
    """(seed, key-value heads) -> a toy Llama."""
    return toy_llama


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory) -> str:
    """A checkpoint written to disk in the hub's own layout."""
    folder = tmp_path_factory.mktemp("toy-llama")
    toy_llama().save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return str(folder)
