"""What a run leaves in its folder is read as the run wrote it, or refused by name; and a folder belongs to one study."""

import contextlib
import copy
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from holdfast import locks, pipeline, run_files
from holdfast.config import load_study, resolved
from holdfast.config.same import difference
from holdfast.errors import ConfigError, DataError
from holdfast.locks import HOST
from holdfast.run_files import RunManifest, is_signed, manifest_of, replacing, seal, sign, verify_files, with_digest, without_digest
from holdfast.store import MANIFEST, digest, is_whole
from holdfast.unzip import LINE, lines, unzipped

FILES = {"findings.json": b'{"a": 1}', "trials.parquet": b"PAR1" + bytes(50), "adapters/maths-seed0/training.json": b'{"loss": [1.5]}'}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    seal(tmp_path, {name: digest(data) for name, data in FILES.items()}, "drawn from this")
    run_files._unchecked.clear()
    return tmp_path


def flip(path, at, bit=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def test_a_whole_folder_is_read_without_a_word(folder, capsys):
    with verify_files(folder, *FILES, "never written"):
        pass
    assert capsys.readouterr().err == ""
    assert manifest_of(folder) == RunManifest({name: digest(data) for name, data in FILES.items()}, "drawn from this")


@pytest.mark.parametrize("name", FILES)
def test_every_bit_of_a_file_counts_and_the_file_is_named(folder, name):
    for at in range(len(FILES[name])):
        flip(folder / name, at, at % 8)
        with (
            pytest.raises(ConfigError, match=rf"{name}: does not match its digest in manifest.json; .* run the study again"),
            verify_files(folder, name),
        ):
            raise AssertionError("was read")
        flip(folder / name, at, at % 8)
    with verify_files(folder, name):
        pass


def test_only_what_is_read_is_checked_and_what_is_missing_is_named(folder):
    flip(folder / "findings.json", 3)
    with verify_files(folder, "trials.parquet"):
        pass
    (folder / "trials.parquet").unlink()
    with pytest.raises(ConfigError, match="trials.parquet: is missing; "), verify_files(folder, "trials.parquet"):
        pass


def test_every_bit_of_a_manifest_counts(folder):
    for at in range(len((folder / MANIFEST).read_bytes())):
        flip(folder / MANIFEST, at, at % 7)
        with pytest.raises(ConfigError, match=r"manifest.json: damaged"):
            manifest_of(folder)
        flip(folder / MANIFEST, at, at % 7)


@pytest.mark.parametrize("data", [b"", b"[]", b"17", b"null", b"{}", b'{"files": {}}', b"[" * 100_000, b"\xff\xfe", b'{"files": [], "drawn": "", "sha256": "x"}'])  # fmt: skip
def test_a_manifest_of_nonsense_is_damaged(folder, data):
    (folder / MANIFEST).write_bytes(data)
    with pytest.raises(ConfigError, match="damaged"):
        manifest_of(folder)


def test_without_a_manifest_files_are_read_with_one_word(folder, capsys):
    (folder / MANIFEST).unlink()
    for _ in range(2):
        with verify_files(folder, *FILES):
            pass
    with verify_files(folder / "elsewhere", "findings.json"):  # nothing is there: whoever reads it says so
        pass
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "its files cannot be checked: no manifest.json" in said
    with pytest.raises(ValueError, match="unreadable"), verify_files(folder, *FILES):  # an error is the one line there is
        raise ValueError("unreadable")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")), st.data())
def test_a_signed_text_is_whole_or_it_is_seen(text, data):
    whole = sign(text)
    assert is_signed(whole) is True and is_signed(sign(whole)) is True
    at = data.draw(st.integers(0, len(whole) - 1))
    other = whole[:at] + chr(ord(whole[at]) ^ 1) + whole[at + 1 :]
    assert is_signed(other) is not True


def test_a_run_s_study_that_was_changed_is_refused_and_a_copy_without_its_last_line_is_a_study(tmp_path):
    text = sign(resolved(load_study("embedded", [])))
    (tmp_path / "study.yaml").write_text(text)
    assert load_study(str(tmp_path / "study.yaml")).name == "embedded"
    (tmp_path / "study.yaml").write_text(text.replace("seeds: ", "seeds: 1", 1))
    with pytest.raises(ConfigError, match="changed after a run wrote it .* delete its last line"):
        load_study(str(tmp_path / "study.yaml"))
    (tmp_path / "study.yaml").write_text(text.replace("seeds: ", "seeds: 1", 1).rsplit("# sha256", 1)[0])
    assert load_study(str(tmp_path / "study.yaml")).seeds > 9
    seal(tmp_path, {"study.yaml": digest(text.encode())})  # in the run's own folder the manifest tells as well
    with pytest.raises(ConfigError, match="changed after a run wrote it"):
        load_study(str(tmp_path / "study.yaml"))


TEXT = st.text(st.characters(codec="utf-8"))


@given(st.dictionaries(TEXT.filter(lambda key: key != "sha256"), st.floats(allow_nan=False, allow_infinity=False) | TEXT | st.integers()))
def test_a_record_with_its_digest_comes_back(record):
    assert without_digest(json.dumps(with_digest(record), indent=1).encode()) == record


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"7", b"nan", b'{"sha256": 3}', b'{"process_seconds": 1e999, "sha256": "a"}', b"9" * 6000, b"[" * 99_999,
                                  b"\xff", b'{"process_seconds": {"a": "many"}, "nominal_flops": 1, "sha256": "0"}'])  # fmt: skip
def test_broken_times_are_left_out_with_a_word(tmp_path, data):
    said = []
    (tmp_path / "timing.json").write_bytes(data)
    assert pipeline._read_timing(tmp_path / "timing.json", said.append) == {}
    assert len(said) == 1 and "timing.json: was changed after the run wrote it; its times are left out" in said[0]


def test_times_come_back(tmp_path):
    pipeline._write_json(tmp_path / "timing.json", with_digest({"process_seconds": {"a": 0.1 + 0.2}, "nominal_flops": 10**18}))
    assert pipeline._read_timing(tmp_path / "timing.json", print) == {"process_seconds": {"a": 0.1 + 0.2}, "nominal_flops": 10**18}
    assert pipeline._read_timing(tmp_path / "none.json", print) == {}


# --- one run in the place of another -----------------------------------------------------------------------------------

NEW = {"findings.json": "new", "audit.json": "[1]", "tables/gains.csv": "a", "adapters/a-seed0/training.json": "{}"}
BYTES = {name: text.encode() for name, text in NEW.items()}


def replace(folder):
    with replacing(folder) as new:
        for name, text in NEW.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_text(text)
        seal(new, {name: digest(text.encode()) for name, text in NEW.items()}, "new")


def holds(folder):
    """What is read there, each file as its manifest says."""
    files = (manifest_of(folder) or RunManifest()).files
    with verify_files(folder, *files):
        return {name: (folder / name).read_bytes() for name in files}


@pytest.mark.parametrize("calls", range(9))
def test_wherever_a_process_ends_the_old_run_or_the_new_one_is_there_whole(folder, monkeypatch, calls):
    old, left = holds(folder), [calls]

    def dying(act):
        def step(*arguments, **options):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return act(*arguments, **options)

        return step

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        for owner, name in ((os, "replace"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree")):
            patch.setattr(owner, name, dying(getattr(owner, name)))
        replace(folder)
    assert holds(folder) in (old, BYTES)  # the first to read finishes what is whole
    replace(folder)
    assert holds(folder) == BYTES and not (folder / run_files.NEXT).exists()


def test_a_run_that_fails_before_its_results_are_whole_changes_nothing(folder):
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match="no"), replacing(folder) as new:
        (new / "findings.json").write_text("half")
        raise ValueError("no")
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_finished_run_s_settings_stay_when_the_study_starts_again_otherwise(tmp_path):
    for limit in (None, 5, 3):
        pipeline._claim(load_study("embedded", ["instruments.mmlu.limit=5"] if limit == 5 else []), tmp_path, print)
        if limit is None:  # finished
            seal(tmp_path, {"study.yaml": digest((tmp_path / "study.yaml").read_bytes())})
        with verify_files(tmp_path, "study.yaml"):
            assert load_study(str(tmp_path / "study.yaml")) == load_study("embedded", [])


# --- two studies --------------------------------------------------------------------------------------------------------


def tree(*settings):
    return yaml.safe_load(resolved(load_study("embedded", list(settings))))


@pytest.mark.parametrize("setting", ["name=other", "model.name=world:1", "model.name=org/other", "model.dtype=bfloat16", "train.r=5", "train.learning_rate=0.1",
                                     "train.target_modules=[q_proj]", "item_seed=3", "instruments.mmlu.style=chat", "domains.maths.sources.world.domain=truth",
                                     "instruments.mmlu.options={rotations: 2}"])  # fmt: skip
def test_a_setting_that_makes_another_study_is_named(setting):
    named, _, _ = setting.partition("=")
    assert difference(tree(), tree(setting)).startswith(named.replace("sources.world", "sources.0"))


@pytest.mark.parametrize("setting", ["seeds=7", "dose={scales: [0.5]}", "stats.equivalence_band=0.05", "execution.processes=1", "train.tokens_per_pass=64",
                                     "data.root=/elsewhere", "overlap=drop", "instruments.mmlu.limit=3", "domains.maths.sources.world.limit=9",
                                     "domains.maths.verifiable=false"])  # fmt: skip
def test_a_study_may_grow_or_shrink_in_its_folder(setting):
    assert difference(tree(), tree(setting)) is None and difference(tree(setting), tree()) is None


def test_domains_and_instruments_come_and_go_but_not_all_of_the_domains():
    whole = tree()
    less = copy.deepcopy(whole)
    less["domains"], less["instruments"] = less["domains"][:1], less["instruments"][1:]
    assert difference(whole, less) is None and difference(less, whole) is None
    other = copy.deepcopy(less)
    other["domains"][0]["name"] = "law"
    assert difference(less, other) == f"domains: {less['domains'][0]['name']} there, law here"


@pytest.mark.parametrize(("there", "here", "same"), [("/a/base", "/b/base", True), ("./base", "base2", False), ("org/a", "org/a", True), ("org/a", "org2/a", False),
                                                     ("endpoint:http://a:1/v1", "endpoint:http://b:2/v1", True), ("world:0", "world:1", False)])  # fmt: skip
def test_a_model_may_move_but_not_become_another(there, here, same):
    assert (difference({"model": {"name": there}}, {"model": {"name": here}}) is None) == same


@pytest.mark.parametrize("there", [None, [], 3, "x", {}, {"model": 3}, {"domains": 3}, {"domains": [3, {"a": 1}]}])
def test_a_study_file_of_nonsense_differs_in_its_name_if_it_is_a_tree_at_all(there):
    found = difference(there, tree())
    assert found == f"name: None there, {tree()['name']} here" if isinstance(there, dict) else found is None


def test_of_two_studies_that_start_at_once_one_gets_the_folder(tmp_path):
    studies = [load_study("embedded", [f"name=study{k}"]) for k in range(6)]
    (tmp_path / "cells").mkdir()
    refused, barrier = [], threading.Barrier(len(studies))

    def start(study):
        barrier.wait()
        try:
            pipeline._claim(study, tmp_path, lambda _: None)
        except ConfigError as error:
            refused.append((study.name, str(error)))

    threads = [threading.Thread(target=start, args=(s,)) for s in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owner = load_study(str(tmp_path / "study.yaml")).name
    assert {name for name, _ in refused} == {s.name for s in studies} - {owner}
    assert all(f"belongs to another study, '{owner}'" in said and "name another folder" in said for _, said in refused)


def test_a_folder_with_somebody_s_files_is_left_alone_and_a_run_whose_cells_were_deleted_is_not_somebody_s(tmp_path):
    study = load_study("embedded", [])
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(ConfigError, match=r"contains report.html, which no run wrote; name another folder"):
        pipeline.check_folder(study, tmp_path)
    (tmp_path / "study.yaml").write_text(sign(resolved(study)))
    pipeline.check_folder(study, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    pipeline.check_folder(study, tmp_path)
    pipeline.check_folder(study, tmp_path / "new")


def test_a_damaged_record_of_the_study_is_written_again(tmp_path):
    study, said = load_study("embedded", []), []
    (tmp_path / "study.yaml").write_text(sign(resolved(study)).replace("embedded", "embeddee", 1))
    pipeline._claim(study, tmp_path, said.append)
    assert len(said) == 1 and "study.yaml" in said[0] and load_study(str(tmp_path / "study.yaml")) == study


# --- names and limits ---------------------------------------------------------------------------------------------------


def test_no_name_of_the_machine_or_the_user_is_in_a_draft_s_name(tmp_path):
    import getpass
    import platform

    with locks.draft(tmp_path) as draft:
        names = [p.name for p in tmp_path.iterdir()] + [draft.name]
        assert all(word not in name for name in names for word in (platform.node(), getpass.getuser()))
    code = "from holdfast.locks import HOST; print(HOST)"
    assert (
        subprocess.check_output([sys.executable, "-c", code], text=True).strip() == HOST
    )  # the same for every process: drafts are recognized


def test_one_process_at_a_time_is_in_a_folder_and_nothing_is_left_there(tmp_path):
    inside, seen = 0, []

    def work():
        nonlocal inside
        with locks.alone(tmp_path):
            inside += 1
            seen.append(inside)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 8 and list(tmp_path.iterdir()) == []


def test_a_manifest_of_a_cell_counts_bit_by_bit(tmp_path):
    from holdfast.store import Store

    with Store(tmp_path / "cells").making("trials-1", {"seed": 3, "of": {"b": [1.5, None]}}) as draft:
        (draft / "a.txt").write_text("x")
    place = tmp_path / "cells" / "trials-1"
    for at in range(len((place / MANIFEST).read_bytes())):
        flip(place / MANIFEST, at, 2)
        about = (place / MANIFEST).read_bytes()
        assert not is_whole(place) or b'"sha256"' not in about  # a cell of an earlier version has no digest of its own
        flip(place / MANIFEST, at, 2)
    assert is_whole(place)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused():
    packed = gzip.compress(bytes(1 << 20), 9) * 257
    stream = unzipped(io.BytesIO(packed), len(packed), "x.gz")
    with pytest.raises(DataError, match=r"x.gz: unpacks to more than 256 MiB"):
        while stream.read(1 << 20):
            pass


def test_a_line_is_at_most_64_mib_long():
    assert list(lines(io.BytesIO(b"a\nb\n\nc"), "x")) == [b"a\n", b"b\n", b"\n", b"c"]
    with pytest.raises(DataError, match="x:2: the line is longer than 64 MiB"):
        list(lines(io.BytesIO(b"a\n" + b"y" * (LINE + 1)), "x"))


def test_what_is_packed_as_text_is_read_whole():
    rows = b"".join(b'{"n": %d, "text": "%s"}\n' % (k, os.urandom(20).hex().encode()) for k in range(20_000))
    packed = gzip.compress(rows[: len(rows) // 2]) + gzip.compress(rows[len(rows) // 2 :])  # two members are one file
    assert b"".join(lines(unzipped(io.BytesIO(packed), len(packed), "x"), "x")) == rows
