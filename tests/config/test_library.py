"""config/base.yaml: what a run takes from it, and that nothing else of it becomes part of a run."""

import copy

import pytest
import yaml
from refusals import refused
from workflow_runs import REPO, tiny

from after_ser.config import library as config_library
from after_ser.config.library import BASE, LIBRARY, read_library
from after_ser.config.resolve import resolve
from after_ser.judge.grid import cells
from tests.config.test_config import PRESETS

OWN = """
run: mine
corpora_root: data
corpora:
  emodb: {layout: emodb, root: emodb}
datasets:
  emodb: {target: emodb, folds: {by: speaker}}
seeds: [0, 1, 2]
tables:
  table2: {dataset: emodb, arm: after, budgets: [0.1, 0.2]}
figures:
  figure2: {dataset: emodb, arms: [after, kmeans-random], budgets: [0.05, 0.1, 0.2]}
"""


def own(**changes):
    return {**yaml.safe_load(OWN), **changes}


def resolved(**changes):
    return resolve(own(**changes))


@pytest.fixture
def library(monkeypatch):
    """The library's sections, to be changed; every config is then resolved with them."""
    changed = read_library()
    monkeypatch.setattr("after_ser.config.resolve.read_library", lambda: copy.deepcopy(changed))
    return changed


def test_a_config_of_eleven_lines_runs_and_has_what_it_uses_only():
    config = resolved()
    assert {name: list(config[name]) for name in LIBRARY} == {
        "arms": ["after", "kmeans-random"],
        "tapt": ["tapt"],
        "protocols": ["paper"],
        "backbones": ["wav2vec2-base"],
        "baselines": [],
    }
    assert config["folds"] == [1, 2, 3, 4, 5] and config["tapt"]["tapt"]["precision"] == "bf16"
    rounds = {cell.round for cell in cells(config)}
    assert rounds == {0, 1, 2, 3, 4} and len(list(cells(config))) == 2 * 5 * 5 * 3
    shown = (REPO / "README.md").read_text(encoding="utf-8")
    assert OWN.strip() in shown.replace("\n    ", "\n"), "README shows this very config"


def test_the_library_has_no_section_that_would_run_and_every_entry_of_it_is_sound():
    base = read_library()
    assert set(base) == set(LIBRARY)
    arms = {name: {"dataset": "emodb", "arm": name, "budgets": [1.0]} for name in base["arms"]}
    tables = {f"table2-{name}": item for name, item in arms.items() if name != "w2v2-l-r-12"}
    rows = {name: {"baseline": name} for name in base["baselines"]}
    table3 = {"datasets": {"EmoDB": "emodb"}, "rows": rows, "reference": "glam"}
    config = resolved(tables={**tables, "table3": table3})
    assert set(base["arms"]) - set(config["arms"]) == {"w2v2-l-r-12"}
    assert set(base["tapt"]) == set(config["tapt"])
    assert set(base["protocols"]) - set(config["protocols"]) == {"people"}
    assert set(base["baselines"]) == set(config["baselines"])


def test_a_new_line_in_the_library_changes_no_config(library):
    names = [path for path in PRESETS if path.stem in ("config", "released", "own", "fewshot")]
    given = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in names}
    given |= {"mine": own(), "tiny": tiny()}
    before = {name: repr(resolve(config)) for name, config in given.items()}
    for section in LIBRARY:
        new = {"like": next(iter(library[section]))}
        library[section] = {"a-new-one": new, **library[section], "another": new}
    assert before == {name: repr(resolve(config)) for name, config in given.items()}


def test_a_changed_entry_of_the_library_reaches_who_uses_it(library):
    library["tapt"]["tapt"]["steps"] = 7
    assert resolved()["tapt"]["tapt"]["steps"] == 7
    assert resolve(tiny())["tapt"]["tapt"]["steps"] != 7


def test_an_entry_stands_for_the_library_s_whole_and_like_keeps_the_rest():
    whole = resolved(
        backbones={"wav2vec2-base": {"folder": "/models/base"}}, tapt={"tapt": {"steps": 9}}
    )
    assert whole["backbones"]["wav2vec2-base"] == {"folder": "/models/base"}
    assert whole["tapt"]["tapt"]["precision"] == "fp32", "the default, not the library's"
    like = resolved(tapt={"tapt": {"like": "tapt", "steps": 9}})["tapt"]["tapt"]
    assert like["precision"] == "bf16" and like["steps"] == 9 and "like" not in like
    assert list(like)[:3] == ["objective", "steps", "seconds_per_step"], "the order counts"


def test_what_the_library_is_like_is_the_config_s_first():
    tables = {
        "protocol_effect": {
            "dataset": "emodb",
            "baseline": "after",
            "arms": ["after-argpartition", "after-last-epoch"],
            "budgets": [0.1],
        }
    }
    protocols = resolved(tables=tables, protocols={"paper": {"max_epochs": 5}})["protocols"]
    assert protocols["argpartition"]["max_epochs"] == 5
    assert protocols["argpartition"]["selection"] == "argpartition"
    assert protocols["last-epoch"]["max_epochs"] == 30


def test_datasets_and_tables_may_be_like_others_too():
    config = resolved(
        datasets={
            "emodb": {"target": "emodb", "folds": {"by": "speaker"}},
            "noisy": {"like": "emodb", "inject": {"duplicates": 0.1}},
        },
        tables={
            "table2": {"dataset": "emodb", "arm": "after", "budgets": [0.1, 0.2]},
            "table2-noisy": {"like": "table2", "dataset": "noisy"},
        },
    )
    assert config["datasets"]["noisy"]["folds"] == config["datasets"]["emodb"]["folds"]
    assert config["tables"]["table2-noisy"]["budgets"] == [0.1, 0.2]


def test_round_0_lies_where_it_would_lie_if_the_paper_s_arm_were_shown_too():
    tables = {"table2": {"dataset": "emodb", "arm": "after-argpartition", "budgets": [0.1]}}
    config = resolved(tables=tables, figures={})
    assert set(config["protocols"]) == {"argpartition", "paper"}
    assert {cell.round0_protocol for cell in cells(config)} == {"paper"}


def test_baselines_of_the_library_have_a_row_only_where_they_are_named():
    rows = {"GLAM": {"baseline": "glam"}}
    tables = {"table3": {"datasets": {"EmoDB": "emodb"}, "rows": rows, "reference": "GLAM"}}
    config = resolved(tables=tables, baselines={"mine": {"method": "egemaps_svm"}})
    assert set(config["tables"]["table3"]["rows"]) == {"GLAM", "mine"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tapt": {"tapt": {"like": "tap"}}}, 'tapt.tapt.like: … "tap"; did you'),
        ({"tapt": {"mine": {"like": "mine"}}}, 'tapt.mine.like: … "mine"'),
        ({"tapt": {"mine": {"like": 3}}}, 'tapt.mine.like: … "3"'),
        ({"tapt": {"mine": {"like": ["tapt"]}}}, "tapt.mine.like: "),
        ({"arms": {"a": {"like": "b"}, "b": {"like": "a"}}}, "expected no circle"),
        ({"backbone": "wav2vec2-bas"}, '"wav2vec2-bas" … "wav2vec2-base"'),
        ({"backbone": "small"}, 'backbones.small.pretraining: … "synthetic-pre'),
        (
            {"tables": {"table2": {"dataset": "emodb", "arm": "kmeens-random", "budgets": [1.0]}}},
            'tables.table2: … "kmeens-random" … "kmeans-random"',
        ),
        ({"corpora": None}, 'key "corpora" is missing'),
    ],
)  # fmt: skip
def test_mistakes_are_named(changes, message):
    config = {key: value for key, value in own(**changes).items() if value is not None}
    with refused(message) as caught:
        resolve(config)
    assert len(str(caught.value)) < 400


def test_every_optional_section_may_be_left_out():
    config = resolve({"run": "bare", "corpora": {"emodb": {"layout": "emodb", "root": "x"}}})
    assert not list(cells(config)) and not config["arms"]
    assert resolve(config) == config
    assert BASE == REPO / "config/base.yaml" and config_library.BASE.is_file()
