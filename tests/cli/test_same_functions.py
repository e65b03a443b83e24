"""What the library and the command line both offer is one function: the same answers and the same refusals."""

import ast
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

import holdfast
from holdfast.cli.app import app
from holdfast.config import Study
from holdfast.errors import ConfigError, DataError

COMMANDS = Path(holdfast.__file__).parent / "cli" / "commands"
ROW = {"kind": "number", "response": "It is 4.", "gold": 4}


def printed(*arguments):
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def refusal(*arguments):
    return str(CliRunner().invoke(app, [str(a) for a in arguments]).exception)


@pytest.mark.parametrize("name", sorted({p.stem for p in COMMANDS.glob("*.py")} & {*holdfast.__all__} - {"run"}))  # run: parts, too
def test_a_command_calls_the_function_of_its_name(name):
    calls = [n.func for n in ast.walk(ast.parse((COMMANDS / f"{name}.py").read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
    assert name in [f.attr for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == "api"]


@pytest.mark.slow
@pytest.mark.parametrize("as_object", [True, False])
def test_settings_go_on_top_of_a_study_however_it_is_named(as_object):
    study = Study.load("embedded") if as_object else "embedded"
    entries = holdfast.audit(study, ["seeds=1"])
    assert any(e.check == "seeds" and e.level != "ok" for e in entries)
    with pytest.raises(ConfigError, match="seeds: 'zzz'"):
        holdfast.audit(study, ["seeds=zzz"])
    assert "seeds: 'zzz'" in refusal("audit", "embedded", "seeds=zzz")


def test_a_changed_study_is_the_one_that_loads_so():
    study = Study.load("embedded")
    assert study.changed() is study and study.changed("train.r=3", "seeds=2") == Study.load("embedded", "train.r=3", "seeds=2")
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        study.changed("trian.r=3")


def test_rescored_replies_are_summarized_by_both(tmp_path):
    source, out = tmp_path / "replies.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(ROW) + "\n")
    summary = holdfast.rescore(source, out)
    assert summary["all"]["counts"]["correct"] == 1 and summary == holdfast.summarize(str(out)) == json.loads(
        printed("analyze", out, "--json")
    )
    assert json.loads(printed("rescore", source, "--json"))["outcome"] == "correct"
    with pytest.raises(ConfigError, match="holdfast.summarize"):
        holdfast.analyze(out)
    with pytest.raises(ConfigError, match="no such file"):
        holdfast.summarize(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="^keep .--keep.: 'nofield'"):
        holdfast.rescore(source, out, keep=["nofield"])


def test_a_model_is_probed_by_both():
    options = {"study": "embedded", "settings": ["instruments=[{kind: mmlu, style: world}]", "domains=[]", "dose={}"]}
    effects = holdfast.probe("world:0", limit=8, **options)
    shown = json.loads(printed("probe", "world:0", *options["settings"], "--limit", 8, "--json"))
    assert effects["base"].keys() == shown["base"].keys()
    assert all(v == shown["base"][k] or (math.isnan(v) and shown["base"][k] is None) for k, v in effects["base"].items())


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(ConfigError, match=f"limit: {limit}: must be at least 1"):
        holdfast.probe("world:0", limit=limit)


def test_a_server_is_examined_by_both():
    """Refused where the key is looked for, so no request is made."""
    url, settings = "endpoint:http://127.0.0.1:9/v1", ["model.served_model=m", "execution.endpoint.api_key_env=HOLDFAST_NO_SUCH_KEY"]
    with pytest.raises(ConfigError, match="api_key_env: no such environment variable is set") as caught:
        holdfast.probe(url, settings=settings)
    assert str(caught.value) == refusal("probe", url, *settings)


def test_paths_and_texts_name_a_run_alike(tmp_path):
    for kind in (str, Path):
        with pytest.raises(ConfigError, match="no such file"):
            holdfast.compare([kind(tmp_path / "a"), kind(tmp_path / "b")])


@pytest.mark.slow
def test_a_published_study_is_written_where_it_is_told(tmp_path):
    findings = holdfast.analyze("published:llama2-7b", out=tmp_path / "out")
    assert findings.report == tmp_path / "out" / "report.html"
    assert (tmp_path / "out" / "findings.json").read_bytes() == findings.document.to_json()
    with pytest.raises(ConfigError, match="only for a published study"):
        holdfast.analyze(tmp_path, out=tmp_path / "out")


def test_refusals_of_a_plan_speak_to_both():
    with pytest.raises(ConfigError, match="device_tflops .--device-tflops.: needs device_memory"):
        holdfast.plan("embedded", device_tflops=5.0)


def test_a_table_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(DataError):
        holdfast.analyze(tmp_path / "x.parquet", study="embedded")
