"""A trials table read in pieces is the table read whole, however the pieces fall."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.analysis import trials as reading
from holdfast.analysis.panel import panels
from holdfast.analysis.trials import Groups, Trials, distinct
from holdfast.auditing import gather, run_audit
from holdfast.errors import DataError

NUMBERS = ("p_gold", "p_suggested", "margin", "rating", "score", "kappa")


def table(rows=600, seed=0):
    """Models, conditions and items in no order, several orders of the options each, numbers that are missing, nan or of many sizes."""
    rng = np.random.default_rng(seed)
    pick = lambda values: [values[k] for k in rng.integers(len(values), size=rows)]  # noqa: E731
    item = rng.integers(12, size=rows)
    model = pick(["base", "maths/seed0", "maths/seed1", "identity/seed0"])
    made = {
        "model": model, "domain": [m.split("/")[0] for m in model], "seed": [int(m[-1]) if "/" in m else -1 for m in model],
        "instrument": pick(["mmlu", "imitation"]), "item_id": [f"i{k}" for k in item], "cluster_id": [f"c{k // 2}" for k in item],
        "condition": pick(["neutral", "mention", "suggest_wrong"]), "rotation": rng.integers(4, size=rows), "form": pick(["mass", "generated"]),
        "outcome": pick(["correct", "suggested", "other", "unparsed"]), "label": rng.integers(-1, 4, size=rows),
        "refused": pick([True, False]), "num_new_tokens": rng.integers(9, size=rows),
    }  # fmt: skip
    for k, name in enumerate(NUMBERS):
        values = (rng.random(rows) * 10.0 ** rng.integers(-8, 8, size=rows)).tolist()
        made[name] = pa.array(
            [None if k == 2 and u < 0.1 else math.nan if u < 0.12 else v for u, v in zip(rng.random(rows), values, strict=True)]
        )
    return pa.table(made)


def by_definition(trials):
    """{(instrument, model, condition, item): {column: mean over its rows that have a value, added in their order}}"""
    found = {}
    for row in trials.to_pylist():
        key = tuple(row[k] for k in ("instrument", "model", "condition", "item_id"))
        flags = {
            "correct": float(row["outcome"] == "correct"),
            "parsed": float(row["outcome"] != "unparsed"),
            "refused": float(row["refused"]),
        }
        for name, value in {**{n: row[n] for n in (*NUMBERS, "num_new_tokens")}, **flags}.items():
            if value is not None:
                total, count = found.setdefault(key, {}).get(name, (0.0, 0))
                found[key][name] = (total + value, count + 1)
    return {key: {n: t / c for n, (t, c) in columns.items()} for key, columns in found.items()}


@pytest.mark.parametrize("rows_a_piece", [7, 64, 10_000])
@pytest.mark.parametrize("stored", [False, True])
def test_the_value_of_an_item_is_the_mean_of_its_rows_wherever_pieces_end(tmp_path, monkeypatch, rows_a_piece, stored):
    monkeypatch.setattr(reading, "ROWS", rows_a_piece)
    whole = table()
    pq.write_table(whole, tmp_path / "t.parquet", row_group_size=90)
    found, owners = panels(tmp_path / "t.parquet" if stored else whole)
    assert owners["maths/seed1"].domain == "maths" and owners["maths/seed1"].seed == 1 and owners["base"].path == "full"
    expected = by_definition(whole)
    seen = 0
    for name, panel in found.items():
        assert panel.items == sorted(panel.items) and panel.clusters.tolist() == [f"c{int(i[1:]) // 2}" for i in panel.items]
        for model in owners:
            for condition in ("neutral", "mention", "suggest_wrong"):
                for column in (*NUMBERS, "num_new_tokens", "correct", "parsed", "refused"):
                    got = panel.get(model, condition, column)
                    want = [expected.get((name, model, condition, i), {}).get(column, math.nan) for i in panel.items]
                    np.testing.assert_array_equal(got, want)
                    seen += int((~np.isnan(got)).sum())
    assert seen > 1000


def test_a_column_without_a_number_takes_no_room_and_is_unknown_all_the_same():
    whole = table().drop_columns(["rating"]).append_column("rating", pa.array([math.nan] * 600))
    panel = panels(whole)[0]["mmlu"]
    assert all("rating" not in columns for conditions in panel.value.values() for columns in conditions.values())
    assert np.isnan(panel.get("base", "neutral", "rating")).all() and not np.isnan(panel.get("base", "neutral", "score")).all()


def test_a_table_is_opened_once_for_all_who_ask():
    opened = Trials(table())
    assert panels(opened) is panels(opened)


def test_an_audit_does_not_depend_on_where_pieces_end(tmp_path, monkeypatch):
    pq.write_table(table(2000), tmp_path / "t.parquet", row_group_size=300)
    found = run_audit(gather.from_table(table(2000)))
    monkeypatch.setattr(reading, "ROWS", 41)
    assert run_audit(gather.from_table(Trials(tmp_path / "t.parquet"))) == found
    assert {"coverage", "identity", "label_shift", "power", "headroom"} <= {e.check for e in found}


def test_pieces_hold_the_columns_asked_for_and_few_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "ROWS", 100)
    pq.write_table(table(), tmp_path / "t.parquet")
    pieces = list(Trials(tmp_path / "t.parquet").pieces(["score", "model", "nothing of the kind"]))
    assert {p.num_rows for p in pieces} == {100} and all(p.schema.names == ["score", "model"] for p in pieces)
    assert pa.types.is_dictionary(pieces[0]["model"].type)
    assert [m for p in pieces for m in p["model"].to_pylist()] == table()["model"].to_pylist()


def test_rows_are_numbered_as_they_appear_even_where_a_product_of_codes_would_not_fit():
    rng = np.random.default_rng(1)
    wide = {f"c{k}": pa.array(rng.permutation(np.repeat(np.arange(300), 2)).tolist()) for k in range(8)}
    rows = pa.table({**wide, "c0": pa.array([None, *wide["c0"].to_pylist()[1:]])})
    rows = pa.concat_tables([rows, rows.slice(0, 50)])
    groups, numbers = Groups(rows.column_names), []
    for piece in rows.to_batches(170):
        numbers += groups.of(piece).tolist()
    plain = {}
    assert numbers == [plain.setdefault(tuple(r.values()), len(plain)) for r in rows.to_pylist()]
    assert groups.keys() == list(plain) == distinct(Trials(rows), rows.column_names)


def test_what_is_no_table_is_named(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="t.parquet: not a parquet table"):
        Trials(tmp_path / "t.parquet")
    pq.write_table(table(), tmp_path / "cut.parquet")
    whole = (tmp_path / "cut.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(DataError, match="cut.parquet: not a parquet table"):
        panels(tmp_path / "cut.parquet")
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["model", "model"])
    with pytest.raises(DataError, match="column model appears twice"):
        Trials(twice)
