"""What decides under which name a judge's reply is kept; the log itself is tested with the endpoints."""

import pytest

from holdfast.endpoints.asking import Asker
from holdfast.endpoints.replies import ReplyLog
from holdfast.errors import ConfigError
from holdfast.judges.judging import open_replies, open_transport, request_of
from holdfast.judges.prompts import Question
from holdfast.judges.settings import judge_settings


def key(order="single", **settings):
    chosen = judge_settings(**{"base_url": "http://one:1", "model": "m"} | settings)
    with open_transport(chosen) as transport:
        asker = Asker(transport, ReplyLog(None), "judge")
        return asker.key(request_of(Question(item_id="a", order=order, prompt="p", tag="t", meanings={"A": "A"}), chosen))


def test_the_key_knows_model_prompt_order_and_sampling_and_nothing_of_the_endpoint(monkeypatch):
    monkeypatch.setenv("K", "secret")
    same = [{"base_url": "https://other/v1"}, {"concurrency": 3}, {"timeout_seconds": 1}, {"min_kappa": 0.1}, {"api_key_env": "K"}]
    other = [{"model": "n"}, {"seed": 1}, {"max_tokens": 5}]
    assert all(key(**change) == key() for change in same)
    assert len({key(), key("other")} | {key(**change) for change in other}) == 5


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="--cache: .*file.*name another folder"):
        open_replies(tmp_path / "file" / "kept")
