"""Where memory runs short, steps get smaller and the numbers stay; where a budget is stated, what is held fits in it."""

import random
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.engine import _scoring as scoring
from holdfast.engine import generation, memory
from holdfast.engine.generation import GenerateRequest
from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.engine.memory import Bounds
from holdfast.errors import ResourceError

START = Bounds(row_tokens=1024, pass_tokens=4096, slot_tokens=8192, kept_bytes=100)
SHORT = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
)


@settings(max_examples=50, deadline=None)
@given(fits=st.integers(1, 2000), error=st.sampled_from([SHORT, MemoryError(), torch.OutOfMemoryError("CUDA out of memory")]))
def test_a_step_is_halved_until_it_fits_or_refused_at_the_least(fits, error):
    tried = []

    def run(within):
        tried.append(within.row_tokens)
        if within.row_tokens > fits:
            raise error
        return "done"

    if fits < memory.LEAST:
        with pytest.raises(ResourceError, match="execution.tokens_per_batch: not even 64 tokens"):
            memory.retry_smaller(START, run, "execution.tokens_per_batch")
    else:
        out, within = memory.retry_smaller(START, run, "execution.tokens_per_batch")
        assert out == "done" and within.row_tokens <= fits and (within.row_tokens == 1024 or within.kept_bytes == 0)
    assert tried == [1024 >> k for k in range(len(tried))]


def test_an_error_that_is_not_about_memory_is_not_tried_again():
    tried = []

    def run(within):
        tried.append(within)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        memory.retry_smaller(START, run, "x")
    assert len(tried) == 1


def asked(count=12):
    rng = random.Random(0)
    draw = lambda n: tuple(rng.randrange(3, 28) for _ in range(n))  # noqa: E731
    return [ScoreRequest((1, *draw(rng.randint(20, 40))), (draw(2), draw(1))) for _ in range(count)]


def test_scores_are_the_same_after_memory_ran_short_and_the_next_model_starts_small(llama, chat, monkeypatch):
    requests, told, cache = asked(), [], {}
    want = LocalEngine(llama, chat).score(requests)
    real = scoring.score_pack

    def short(lm, pack, *rest):
        if len(pack.tokens) > 150:
            raise SHORT
        real(lm, pack, *rest)

    monkeypatch.setattr(scoring, "score_pack", short)
    engine = LocalEngine(llama, chat, cache=cache)
    assert [x == pytest.approx(y, abs=1e-5) for x, y in zip(engine.score(requests, told.append, key="list"), want, strict=True)]
    assert sum(told) == len(requests) and engine.bounds.row_tokens == 128
    assert LocalEngine(llama, chat, cache=cache).bounds == engine.bounds


def test_replies_are_the_same_after_memory_ran_short(llama, chat, monkeypatch):
    requests = [GenerateRequest(r.context, 6, ((5, 6),), 4) for r in asked(6)]
    want, told = LocalEngine(llama, chat).generate(requests), []

    class Short(generation._KeyValues):
        def __init__(self, num_slots, length):
            if num_slots * length > 150:
                raise MemoryError
            super().__init__(num_slots, length)

    monkeypatch.setattr(generation, "_KeyValues", Short)
    engine = LocalEngine(llama, chat, tokens_per_batch=1024)
    engine.bounds = Bounds(row_tokens=1024, pass_tokens=1024, slot_tokens=1024, kept_bytes=0)
    assert engine.generate(requests, told.append) == want
    assert engine.bounds.slot_tokens == 128 and sum(told) == len(requests)


def test_a_stated_budget_bounds_rows_slots_and_what_is_kept(llama, chat):
    weights = sum(p.numel() * 4 for p in llama.parameters())
    roomy = memory.bounds(llama, 8192)
    tight = memory.bounds(llama, 8192, 600 * 2**20 + weights + 1_000_000)
    assert tight.row_tokens < roomy.row_tokens and tight.slot_tokens < roomy.slot_tokens and tight.kept_bytes == 200_000
    requests = asked()
    want = LocalEngine(llama, chat).score(requests)
    engine = LocalEngine(llama, chat, memory_bytes=600 * 2**20 + weights + 1_000_000, cache={})
    for found, value in zip(engine.score(requests, key="list"), want, strict=True):
        assert found == pytest.approx(value, abs=1e-5)
    assert engine.cache.get("kept", 0) <= 200_000
    with pytest.raises(ResourceError, match="execution.memory_gb"):
        memory.bounds(llama, 8192, 600 * 2**20)


def test_a_family_without_heads_has_bounds_and_is_scored(chat):
    import transformers

    torch.manual_seed(0)
    config = transformers.MambaConfig(vocab_size=28, hidden_size=16, num_hidden_layers=2, state_size=4, bos_token_id=1, eos_token_id=2)
    assert getattr(config, "num_attention_heads", None) is None
    engine = LocalEngine(transformers.MambaForCausalLM(config).eval(), chat)
    assert engine.fit.why_not and engine.bounds.slot_tokens >= 8192
    (found,) = engine.score([ScoreRequest((1, 5, 9), ((7, 8), (6,)))])
    assert len(found) == 2 and all(value < 0 for value in found)


PROGRAM = """
import resource, torch
torch.set_num_threads(1)
from transformers import LlamaConfig, LlamaForCausalLM
from holdfast.engine.local import LocalEngine, ScoreRequest
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=64, intermediate_size=32768, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, bos_token_id=1, eos_token_id=2))
class Chat:
    tokenizer = None
requests = [ScoreRequest(tuple(range(3 + k, 60)) * 4, ((5, 6), (7,))) for k in range(20)]
want = LocalEngine(model, Chat(), packing=True).score(requests)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 150 * 2**20, -1))
engine = LocalEngine(model, Chat(), packing=True)
found = engine.score(requests)
print(engine.bounds.row_tokens, max(abs(a - b) for x, y in zip(found, want) for a, b in zip(x, y)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits a process's memory by the kernel")
def test_a_process_that_the_kernel_refuses_memory_goes_on_in_smaller_rows():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    rows, gap = done.stdout.split()
    assert int(rows) < 1024 and float(gap) < 1e-4
