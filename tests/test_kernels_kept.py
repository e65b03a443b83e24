"""The matrix multiply is chosen once a run and kept with it, and a run resumed across the choice does not choose again."""

import json

import pytest

from holdfast import config
from holdfast.backends.local import Cells
from holdfast.engine import kernels
from holdfast.engine.kernels import Kernels
from holdfast.store import Store


@pytest.fixture
def cells(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "SMALLEST", 8)

    def make(*settings):
        said = []
        made = Cells(config.load_study("embedded", list(settings)), Store(tmp_path / "cells", said.append))
        return made, said

    return make


def test_the_choice_is_kept_and_read_by_every_process(cells, monkeypatch):
    first, _ = cells()
    assert first.recorded_kernels() == {}
    monkeypatch.setattr(kernels, "choose", lambda *_: (Kernels(few="onednn"), {"few": {"torch_gflops": 1.0, "onednn_gflops": 2.0}}))
    first.settle_kernels(1)
    monkeypatch.setattr(kernels, "choose", lambda *_: pytest.fail("chosen again"))
    again, _ = cells()
    again.settle_kernels(1)
    assert again.kernels == Kernels(few="onednn") and again.recorded_kernels()["measured"]["few"]["onednn_gflops"] == 2.0
    assert again.engine(again.base.model).kernels == again.kernels
    assert again.used_kernels() == {"many": "torch", "few": "onednn", "measured": again.recorded_kernels()["measured"]}
    named, _ = cells("execution.linear=torch")
    assert named.used_kernels() == {"many": "torch", "few": "torch"}  # what was chosen before is not what is used


def test_a_named_kernel_is_not_measured_and_one_not_to_be_had_is_said(cells, monkeypatch):
    named, said = cells("execution.linear=onednn")
    monkeypatch.setattr(kernels, "choose", lambda *_: pytest.fail("measured"))
    named.settle_kernels(1)
    assert named.kernels == Kernels(many="onednn", few="onednn") and not said
    assert named.used_kernels() == {"many": "onednn", "few": "onednn"}
    monkeypatch.setattr(kernels, "available", lambda: False)
    named, said = cells("execution.linear=onednn")
    assert named.kernels == Kernels() and "execution.linear: onednn is not to be had" in said[0]


def test_a_small_model_keeps_the_default(cells, monkeypatch):
    monkeypatch.setattr(kernels, "SMALLEST", 512)
    small, _ = cells()
    small.settle_kernels(1)
    assert small.kernels == Kernels() and json.dumps(small.recorded_kernels()) == "{}"
