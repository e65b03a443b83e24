"""Replies are kept whole or not at all, and the first one stays, whoever writes at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.errors import ConfigError
from holdfast.judges import ReplyCache, judge_settings
from holdfast.judges.cache import reply_key
from holdfast.judges.records import Question, Reply

QUESTION = Question(item_id="a", order="single", prompt="p", tag="t", meanings={"A": "A"})


def test_the_key_knows_model_prompt_order_and_sampling_and_nothing_of_the_endpoint():
    base = {"base_url": "http://one:1", "model": "m"}
    key = reply_key(QUESTION, judge_settings(**base))
    same = [{"base_url": "https://other/v1"}, {"concurrency": 3}, {"timeout_seconds": 1}, {"min_kappa": 0.1}, {"api_key_env": "K"}]
    other = [{"model": "n"}, {"seed": 1}, {"max_tokens": 5}]
    assert all(reply_key(QUESTION, judge_settings(**base | change)) == key for change in same)
    assert len({key} | {reply_key(QUESTION, judge_settings(**base | change)) for change in other}) == 4
    swapped = Question(item_id="a", order="other", prompt="p", tag="t", meanings={"A": "A"})
    assert reply_key(swapped, judge_settings(**base)) != key


def test_of_many_writers_at_once_the_first_stays_and_all_end_with_its_reply(tmp_path):
    caches = [ReplyCache(tmp_path / "kept") for _ in range(4)]
    for key in ("aa1", "aa2", "bb3"):
        with ThreadPoolExecutor(16) as pool:
            ended = list(pool.map(lambda i: caches[i % 4].put(key, Reply(text=f"from {i} \u2028é")), range(64)))  # noqa: B023
        assert {e.text for e in ended} == {caches[0].get(key).text}
    assert sorted(p.name for p in (tmp_path / "kept").rglob("*") if p.is_file()) == ["aa1.json", "aa2.json", "bb3.json"]


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: b"", lambda raw: raw.replace(b"yes", b"nay"), lambda raw: b"[" * 9999]
)
def test_a_damaged_file_is_no_reply_and_is_replaced(tmp_path, damage):
    cache = ReplyCache(tmp_path)
    cache.put("ab", Reply(text="yes"))
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(damage(file.read_bytes()))
    assert cache.get("ab") is None
    assert cache.put("ab", Reply(text="again")).text == cache.get("ab").text == "again"


def test_a_reply_kept_under_another_name_is_not_believed(tmp_path):
    cache = ReplyCache(tmp_path)
    cache.put("ab", Reply(text="yes"))
    (file,) = tmp_path.rglob("*.json")
    file.rename(file.with_name("ac.json"))
    assert cache.get("ac") is None and cache.get("ab") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="--cache: .*file.*name another folder"):
        ReplyCache(tmp_path / "file" / "kept")
