"""A worker that cannot start says why, and the run ends with that line."""

from __future__ import annotations

import pytest

from holdfast.config import load_study
from holdfast.errors import ConfigError
from holdfast.execution.jobs import Job
from holdfast.execution.local_executor import run_jobs


def test_what_a_worker_could_not_start_for_is_what_the_run_says(tmp_path, capfd):
    place = tmp_path / "cells"
    place.write_text("a file, where the folder of cells was when the run began")
    with pytest.raises(ConfigError, match="-o/--out: .* cannot be written"):
        run_jobs(load_study("embedded", ["execution.processes=1"]), place, [Job(None, -1, 1)], lambda *_: None, lambda *_: None)
    assert "Traceback" not in capfd.readouterr().err
