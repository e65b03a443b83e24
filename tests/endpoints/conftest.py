import pytest
from server import Abilities, Served, Server, load

from holdfast.config import ModelConfig, Study
from holdfast.models.checkpoint import load_base

__all__ = ["Abilities", "Served", "Server"]


@pytest.fixture(scope="session")
def organism():
    """The embedded base as a served model."""
    return load("world:0")["base"]


@pytest.fixture(scope="session")
def local_base():
    return load_base(ModelConfig(name="world:0"))


@pytest.fixture
def server(organism):
    found = Server({"base": organism, "twin": organism}).start()
    yield found
    found.stop()


INSTRUMENTS = [
    {"kind": k, "style": "world", "limit": 3} for k in ("gsm8k", "mmlu", "hellaswag", "truthfulqa", "imitation", "feedback", "doubt")
]


@pytest.fixture
def study(server):
    def make(instruments=INSTRUMENTS, domains=(), seeds=1, tokenizer="world:0", asking=None, **model):
        name = {"name": f"endpoint:{server.url}", "served_model": "base", "tokenizer": tokenizer, **model}
        asking = {"backoff_seconds": 0.01, "timeout_seconds": 5, **(asking or {})}
        return Study.model_validate(
            {"model": name, "domains": list(domains), "seeds": seeds, "instruments": list(instruments), "execution": {"endpoint": asking}}
        )

    return make
