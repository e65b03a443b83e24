import shutil

import pytest

from holdfast.models.random_llama import write_random_llama


@pytest.fixture(scope="session")
def byte_checkpoint(tmp_path_factory):
    """A tiny Llama with a byte-level tokenizer, in the hub's layout."""
    return write_random_llama(tmp_path_factory.mktemp("bytes") / "base", hidden_size=16, num_layers=1)


@pytest.fixture
def copied(byte_checkpoint, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(byte_checkpoint, tmp_path / "base")
