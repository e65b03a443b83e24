"""The matrix multiply is chosen once a run and kept with it, and a run resumed across the choice does not choose again."""

import json

import pytest

from holdfast import config
from holdfast.backends.local import LocalBackend
from holdfast.engine import kernels
from holdfast.engine.kernels import Kernels
from holdfast.store import Store


@pytest.fixture
def kernel_choice(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "SMALLEST", 8)

    def make(*settings):
        said = []
        backend = LocalBackend(config.load_study("embedded", list(settings)), Store(tmp_path / "cells", said.append))
        return backend.kernels, said

    return make


def test_the_choice_is_kept_and_read_by_every_process(kernel_choice, monkeypatch):
    first, _ = kernel_choice()
    assert first.recorded() == {}
    monkeypatch.setattr(kernels, "choose", lambda *_: (Kernels(few="onednn"), {"few": {"torch_gflops": 1.0, "onednn_gflops": 2.0}}))
    first.measure(1)
    monkeypatch.setattr(kernels, "choose", lambda *_: pytest.fail("chosen again"))
    again, _ = kernel_choice()
    again.measure(1)
    assert again.in_use == Kernels(few="onednn") and again.recorded()["measured"]["few"]["onednn_gflops"] == 2.0
    backend = LocalBackend(config.load_study("embedded"), again.store)
    assert backend.engine(backend.base.model).kernels == again.in_use
    assert again.summary() == {"many": "torch", "few": "onednn", "measured": again.recorded()["measured"]}
    named, _ = kernel_choice("execution.linear=torch")
    assert named.summary() == {"many": "torch", "few": "torch"}  # what was chosen before is not what is used


def test_a_named_kernel_is_not_measured_and_an_unavailable_one_is_reported(kernel_choice, monkeypatch):
    named, said = kernel_choice("execution.linear=onednn")
    monkeypatch.setattr(kernels, "choose", lambda *_: pytest.fail("measured"))
    named.measure(1)
    assert named.in_use == Kernels(many="onednn", few="onednn") and not said
    assert named.summary() == {"many": "onednn", "few": "onednn"}
    monkeypatch.setattr(kernels, "available", lambda: False)
    named, said = kernel_choice("execution.linear=onednn")
    assert named.in_use == Kernels() and "execution.linear: onednn is not available" in said[0]


def test_a_small_model_keeps_the_default(kernel_choice, monkeypatch):
    monkeypatch.setattr(kernels, "SMALLEST", 512)
    small, _ = kernel_choice()
    small.measure(1)
    assert small.in_use == Kernels() and json.dumps(small.recorded()) == "{}"
