"""A new instrument in one file is met by config, starter, planner and every audit that applies; nothing else knows instruments by name."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BENCHMARK = '''
"""Capitals: which city is the capital; fields of its own names."""

from holdfast.instruments.base import Instrument, Options
from holdfast.instruments.scoring import first_largest, mass_trial, winner
from holdfast.records import Item, Message, Prompt


class Capitals(Instrument):
    name, takes_shots = "capitals", True

    @staticmethod
    def items_of(rows, form, limit, seed):
        made = [{"about": f"What is the capital of {r['country']}?", "cities": r["cities"], "right": r["right"]} for r in rows]
        return [Item(item_id=f"capitals-{n}", cluster_id=f["about"], fields=f) for n, f in enumerate(made)][:limit]

    @classmethod
    def knows(cls, row):
        return {"country", "cities"} <= row.keys()

    @classmethod
    def options(cls, item):
        return Options(tuple(item.fields["cities"]), item.fields["right"])

    def prompts(self, item):
        solved = "".join(f"{s['about']} {s['cities'][s['right']]} " for s in item.fields.get("shots", ()))
        return [Prompt(condition="neutral", messages=(Message("user", solved + item.fields["about"]),), prefill="Answer:",
                       choices=tuple(f" {c}" for c in item.fields["cities"]), values=tuple("0123"), gold=item.fields["right"])]

    def trials(self, item, answered):
        return [mass_trial(item, p, r, score=float(winner(r.logliks) == p.gold), label=first_largest(r.logliks)) for p, r in answered]


INSTRUMENT = Capitals
'''

UNDECLARED = (
    BENCHMARK.replace("Capitals", "Rivers").replace("capitals", "rivers").replace("country", "mouth").replace("capital of", "river at")
)
UNDECLARED = re.sub(r"    @classmethod\n    def options.*?\n\n", "", UNDECLARED, flags=re.S)

AXIS = '''
"""Haste: answering wrongly when hurried."""

from holdfast.instruments.base import Instrument
from holdfast.instruments.scoring import mass_trial
from holdfast.records import Contrast, Item, Message, Prompt


class Haste(Instrument):
    name, kind, conditions = "haste", "axis", ("neutral", "hurried")
    contrasts = (Contrast(name="excess_haste", column="p_suggested", plus="hurried", minus="neutral", among="right", headline=True),)

    @staticmethod
    def items_of(rows, form, limit, seed):
        return [Item(item_id=f"haste-{n}", cluster_id=r["puzzle"], fields={"ask": r["puzzle"]}) for n, r in enumerate(rows)][:limit]

    @classmethod
    def knows(cls, row):
        return "puzzle" in row

    def prompts(self, item):
        put = {"neutral": item.fields["ask"], "hurried": item.fields["ask"] + " Quick!"}
        return [Prompt(condition=c, messages=(Message("user", said),), choices=(" yes", " no"), values=("yes", "no"), gold=0, suggested=1)
                for c, said in put.items()]

    def trials(self, item, answered):
        return [mass_trial(item, p, r) for p, r in answered]


INSTRUMENT = Haste
'''

OPENBOOK = '''
"""OpenBook: a lettered benchmark whose rows are read, and learned, as its own file says."""

from holdfast.errors import DataError
from holdfast.instruments.base import DataSet
from holdfast.instruments.lettered import Lettered


class OpenBook(Lettered):
    name, domain_name = "openbook", "science"
    data_set = DataSet(name="org/openbook", folder="openbook", train="train", num_train=30, num_test=10)

    @staticmethod
    def read(row):
        if row.get("key") not in row["answers"]:
            raise DataError(f"{row['_source']}: key: {row.get('key')!r}: must be one of the answers")
        return {"question": row["stem"], "choices": row["answers"], "gold": row["answers"].index(row["key"])}

    @classmethod
    def knows(cls, row):
        return {"stem", "answers"} <= row.keys()

    def orders(self, item):
        return [list(range(len(item.fields["choices"])))]


INSTRUMENT = OpenBook
'''

# The same with items of its own making, keys of them among it.
CLOSEDBOOK = re.sub(r"    @staticmethod\n.*?\n\n", '''    @staticmethod
    def items_of(rows, form, limit, seed):
        made = [{"question": r["leaf"], "choices": r["answers"], "gold": r["answers"].index(r["key"])} for r in rows if "key" in r]
        return [Item(item_id=f"c-{n}", cluster_id=str(n), fields=f, source_keys=(f["question"][:5],)) for n, f in enumerate(made)][:limit]

''', OPENBOOK.replace("OpenBook", "ClosedBook").replace("openbook", "closedbook").replace("stem", "leaf").replace("science", "lore"), flags=re.S)  # fmt: skip
CLOSEDBOOK = CLOSEDBOOK.replace("import Lettered\n", "import Lettered\nfrom holdfast.records import Item\n")

INSISTENCE = re.search(
    r"^```python title=\S*insistence.py.\n(.*?)^```", (ROOT / "docs" / "how-to-own-axis.md").read_text(encoding="utf-8"), re.S | re.M
)

SCRIPT = """
import dataclasses, json, sys
from pathlib import Path
import pyarrow as pa
from holdfast.auditing import gather, run_audit
from holdfast.config import load_study, schema_json
from holdfast.errors import HoldfastError
from holdfast.planning.work import work
from holdfast.records import Response
from holdfast.sources.materials import Materials
from holdfast.sources.survey import survey
from holdfast.starter import choose_all, look, study_text

root = Path(sys.argv[1])
study = load_study(str(root / "study.yaml"))
materials = Materials(study)
rows = []
for config in study.instruments:
    asked = materials.asked(config.kind)
    for model in ("base", "knowledge/seed0", "knowledge/seed1", "knowledge/seed2"):
        for item in asked.items:
            likes = lambda p: 0 if "/" in model else p.gold
            pairs = [(p, Response(logliks=tuple(-1.0 if k == likes(p) else -5.0 for k in range(len(p.choices))))) for p in asked.instrument.prompts(item)]
            for t in asked.instrument.trials(item, pairs):
                about = {"model": model, "domain": model.split("/")[0], "seed": int(model[-1]) if "/" in model else -1, "instrument": config.kind}
                rows.append({**dataclasses.asdict(t), **about})
found = run_audit(gather.from_materials(study, materials, trials=pa.Table.from_pylist(rows)))
audit = [[e["check"], e["level"], e["claim"]] for e in (e if isinstance(e, dict) else e.model_dump() for e in found)]

def refusal(*settings):
    try:
        Materials(s := load_study(str(root / "study.yaml"), settings)) and [Materials(s).asked(i.kind) for i in s.instruments]
    except HoldfastError as error:
        return str(error)

elsewhere = load_study(str(root / "study.yaml"), ["data.root=" + str(root / "nowhere")])
chosen = choose_all(survey(root / "rows"))
text = study_text("first", look("random:0"), str(root / "rows"), chosen, None)
(root / "first.yaml").write_text(text)
def drafted(kind):
    (root / f"{kind}.yaml").write_text(study_text(kind, look("random:0"), str(root / kind), choose_all(survey(root / kind)), None))
    made = Materials(load_study(str(root / f"{kind}.yaml")))
    trained = {d.name: [e.messages[-1].content for e in made.examples(d.name)] for d in made.study.domains if d.sources}
    checks = {e.check: e.level for e in run_audit(gather.from_materials(made.study, made))}
    asked = {i.kind: [i.data, i.split, len(made.asked(i.kind).items)] for i in made.study.instruments}
    return trained, asked, checks, (root / f"{kind}.yaml").read_text()

print(json.dumps({
    "drafts": {kind: drafted(kind) for kind in ("openbook", "closedbook")},
    "audit": audit,
    "kinds": [i.kind for i in load_study(str(root / "first.yaml")).instruments],
    "schema": "capitals" in schema_json() and "haste" in schema_json(),
    "prompts": work(elsewhere, Materials(elsewhere)).prompts,
    "refused": [refusal("instruments.capitals.kind=capitalz"), refusal("instruments.haste.shots=1", 'instruments.haste.shots_split="[:5]"'),
                refusal("instruments.capitals.shots=2", 'instruments.capitals.shots_split="[60:]"')],
}))
"""

STUDY = """
name: made-up
data: {root: ROOT/rows}
model: {name: org/none}
domains:
  - {name: knowledge, own_benchmark: capitals, sources: [{kind: mmlu, data: mmlu_train.jsonl}]}
instruments:
  - {kind: capitals, data: capitals.jsonl, split: "[:60]"}
  - {kind: rivers, data: rivers.jsonl}
  - {kind: haste, data: haste.jsonl}
overlap: allow
"""


def write(file, rows):
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What a copy of the package with three more files says of a study of theirs."""
    place = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "src", place / "src", copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    instruments = place / "src" / "holdfast" / "instruments"
    for path, text in (("benchmarks/capitals", BENCHMARK), ("benchmarks/rivers", UNDECLARED), ("axes/haste", AXIS), ("benchmarks/openbook", OPENBOOK),
                       ("benchmarks/closedbook", CLOSEDBOOK), ("axes/insistence", INSISTENCE[1])):  # fmt: skip
        (instruments / f"{path}.py").write_text(text)
    words = [a + b + c for a in "bdfg" for b in "aeiou" for c in "klmnprs"]
    cities = lambda n: [f"{words[(n * 7 + k * 31) % 140]} {words[(n + k) % 140]}" for k in range(4)]  # noqa: E731
    write(
        place / "rows" / "capitals.jsonl",
        [{"country": f"{words[n]} {words[n + 9]}", "cities": cities(n), "right": n // 30} for n in range(120)],
    )
    write(place / "rows" / "rivers.jsonl", [{"mouth": f"{words[n]}", "cities": cities(n), "right": 0} for n in range(50)])
    prompts = [{"prompt": [{"type": "human", "content": f"{w}? I think the answer is no."}]} for w in words[:40]]
    write(place / "rows" / "haste.jsonl", [{"puzzle": f"Is {w} a word?", **p} for w, p in zip(words, prompts, strict=False)])
    shared = [f"What is the capital of {words[n]} {words[n + 9]}?" for n in range(5)] + [f"Which {w}?" for w in words[:40]]
    write(
        place / "rows" / "mmlu_train.jsonl",
        [{"question": q, "choices": cities(n), "answer": n % 4, "subject": "s"} for n, q in enumerate(shared)],
    )
    for kind, field in (("openbook", "stem"), ("closedbook", "leaf")):
        for split, numbers in (("train", range(30)), ("test", range(28, 40))):
            write(
                place / kind / kind / f"{split}.jsonl",
                [{field: f"{words[n]} is what?", "answers": cities(n), "key": cities(n)[n % 4]} for n in numbers],
            )
    (place / "study.yaml").write_text(STUDY.replace("ROOT", str(place)))
    (place / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(place / "src")}
    done = subprocess.run([sys.executable, place / "script.py", place], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "level", "words"),
    [
        ("answer_key", "warn", "the key of capitals is position 0"),
        ("answer_key", "refuse", '"always A" scores 1.000'),  # rivers declares no options: what it scores is taken
        ("shortcuts", "warn", "capitals can be answered without its questions: always A"),
        ("shortcuts", "warn", "rivers can be answered without its questions: always A"),
        ("overlap", "refuse", "5 of 60 items of capitals were trained on in knowledge"),
        ("order", "warn", "capitals takes rows 0:60 of capitals.jsonl, which is sorted by label"),
        ("duplicates", None, "items of capitals hold 60 texts"),
        ("duplicates", None, "items of haste hold 40 texts"),
        ("conditions", "ok", "the conditions of haste differ only in what was inserted"),
        ("neutral", "ok", "no neutral prompt of haste contains an opinion of the user; 40 of 40 rows came with one"),
        ("label_shift", "warn", "knowledge chooses A in 1.000 of capitals's answers"),
    ],
)
def test_every_audit_meets_what_one_file_declares(told, check, level, words):
    mine = [(lv, claim) for name, lv, claim in told["audit"] if name == check]
    assert any(words in claim and level in (None, lv) for lv, claim in mine), mine


def test_starter_planner_and_config_know_it(told):
    assert set(told["kinds"]) == {"mmlu", "capitals", "rivers", "haste", "imitation", "doubt", "insistence"}
    assert told["schema"] and told["prompts"]["capitals"] == 2000 and told["prompts"]["haste"] == 2000
    unknown, no_shots, shots = told["refused"]
    assert "did you mean 'capitals'" in unknown and "takes no solved examples" in no_shots and shots is None


@pytest.mark.parametrize("kind, domain", [("openbook", "science"), ("closedbook", "lore")])
def test_one_file_is_asked_trained_on_and_put_under_pressure(told, kind, domain):
    trained, asked, checks, text = told["drafts"][kind]
    assert len(trained[domain]) == 28 and all(a.startswith("Answer: ") for a in trained[domain])  # two of 30 are also asked
    assert asked == {n: [f"org/{kind}", "test", 12] for n in (kind, "imitation", "doubt", "insistence")}
    assert checks["overlap"] == "ok"
    assert "No rows of insistence" not in text and "No rows of haste" in text


def test_nothing_else_knows_instruments_by_name():
    may = ("instruments/", "sources/forms/", "recipes/", "world/")
    every = re.compile('"(?:imitation|feedback|doubt|gsm8k|mmlu|hellaswag|truthfulqa)"')
    some = re.compile('"(?:imitation|mmlu|hellaswag)"')
    for file in sorted((ROOT / "src" / "holdfast").rglob("*.py")):
        path = file.relative_to(ROOT / "src" / "holdfast").as_posix()
        if not path.startswith(may):
            rule = every if path.startswith(("auditing/", "config/", "planning/", "sources/", "starter/")) else some
            assert not rule.findall(file.read_text(encoding="utf-8")), path
