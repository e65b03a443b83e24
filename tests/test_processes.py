"""Garbage collection is paused for imports only and left as it was; waiting threads are told to sleep before torch is imported."""

import gc
import os
import subprocess
import sys
import weakref

import pytest

from holdfast.processes import gc_paused


class Knot:
    def __init__(self):
        self.itself = self


@pytest.mark.slow
def test_nothing_is_collected_inside_and_garbage_of_before_is_collected_after():
    knot = Knot()
    seen = weakref.ref(knot)
    del knot
    with gc_paused():
        assert not gc.isenabled()
        made = [[] for _ in range(50_000)]  # many times the threshold of the youngest generation
        assert seen() is not None
    assert gc.isenabled() and gc.get_freeze_count() == 0 and len(made) == 50_000
    gc.collect()
    assert seen() is None


def test_a_collector_that_is_off_or_frozen_stays_so():
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with gc_paused():
            assert gc.isenabled()
        assert gc.get_freeze_count() == frozen > 0
    finally:
        gc.unfreeze()


def test_an_error_inside_turns_it_on_again():
    try:
        with gc_paused():
            raise KeyError
    except KeyError:
        pass
    assert gc.isenabled()


@pytest.mark.slow
def test_the_engine_is_imported_without_a_collection():
    code = (
        "import gc; ran = []; gc.callbacks.append(lambda phase, info: ran.append(info['generation']) if phase == 'start' else None);"
        "import holdfast.processes, sys; before = len(ran); import holdfast.engine;"
        "assert 'torch' in sys.modules and len(gc.get_objects()) > 200_000; print(len(ran) - before, gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    collections, on = done.stdout.split()
    assert on == "True" and int(collections) <= 3, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None), ({"THP_MEM_ALLOC_ENABLE": "0"}, "1000")],
    ids=["nothing set", "a count of the user's", "a policy of the user's", "pages as the user set them"],
)
@pytest.mark.parametrize(
    "way",
    [
        "import holdfast.backends.local",
        "import holdfast.training.lora",
        "from holdfast.processes import configure_worker; configure_worker(2)",
    ],
)
def test_threads_that_wait_sleep_soon_and_pages_are_large_unless_the_user_said_otherwise(given, spins, way):
    """Set by the time torch is imported: its OpenMP library reads it then and never again."""
    code = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'torch':\n"
        "            print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('THP_MEM_ALLOC_ENABLE'), flush=True)\n"
        "            os._exit(0)  # the import itself takes seconds\n"
        f"sys.meta_path.insert(0, Finder())\n{way}\n"
    )
    others = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE")}
    done = subprocess.run([sys.executable, "-c", code], env=others | given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(spins), given.get("THP_MEM_ALLOC_ENABLE", "1")]


def test_a_process_of_ours_looks_for_garbage_seldom_and_one_that_imports_us_as_it_did():
    same = "import gc; before = gc.get_threshold(); import holdfast; assert gc.get_threshold() == before"
    code = f"{same}; from holdfast.processes import raise_gc_threshold; raise_gc_threshold(); print(gc.get_threshold()[0])"
    assert int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) == 50_000
