"""Combinations of sources, the files of the study, and mistakes in its configuration."""

from pathlib import Path

import pytest
import yaml
from refusals import refused
from workflow_runs import REPO, resolved

from after_ser.studies.fewshot import grid

CONFIG = REPO / "tests/config/fewshot.yaml"


def config():
    return yaml.safe_load(Path(CONFIG).read_text(encoding="utf-8"))


def change(path, value):
    changed = config()
    *parents, last = path.split("/")
    place = changed
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return changed


def test_every_combination_of_every_size():
    study = config()
    study["fewshot"]["sources"] = dict.fromkeys("dbca", {})
    found = grid.starts(study)
    assert list(found)[:5] == ["baseline", "a", "b", "c", "d"]
    assert len(found) == 16 and found["a+b+c+d"] == ("a", "b", "c", "d")
    assert [len(corpora) for corpora in found.values()] == sorted(map(len, found.values()))
    assert len(set(found.values())) == 16
    study["fewshot"]["sizes"] = [4, 2]
    assert [len(corpora) for corpora in grid.starts(study).values()] == [0] + [2] * 6 + [4]


def test_one_job_for_each_start_and_speaker():
    study = resolved(config())
    files = grid.score_files(study)
    assert len(files) == 4 * 2 and len(set(files.values())) == 8
    assert files["toy-emodb+toy-savee", "0011"] == (
        "results/few/fewshot/toy/scores/toy-emodb+toy-savee/0011.tsv"
    )
    assert grid.start_folder(study, "baseline") == "results/few/backbone/toy"
    assert grid.selections(study, "toy-savee") == [
        {"speakers": None, "labels": ["a", "h", "n", "sa"]}
    ]
    assert grid.selections(study, "toy-esd")[0]["speakers"] == ["0011", "0015"]


def test_defaults_are_the_published_settings():
    study = config()
    study["fewshot"] = {key: study["fewshot"][key] for key in ("target", "sources")}
    found = resolved(study)["fewshot"]
    assert found["k"] == [2, 4, 8, 16, 24, 32, 64] and found["trials"] == 3
    assert found["longest_s"] == 5 and grid.sizes(resolved(study)) == [1, 2]
    assert found["prefinetune"] == {
        "learning_rate": 3e-5, "batch_size": 1, "accumulation": 4, "warmup": 0.1,
        "clip_norm": 1.0, "max_epochs": 200, "patience": 3, "threshold": 0.02,
    }  # fmt: skip
    adapt = found["adapt"]
    assert (adapt["few"], adapt["few_epochs"], adapt["few_patience"]) == (8, 200, 30)
    assert (adapt["max_epochs"], adapt["patience"], adapt["learning_rate"]) == (50, 5, 3e-5)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("fewshot", None, "the key fewshot"),
        ("fewshot/target/corpus", "toy-esdd", 'fewshot.target … "toy-esdd" … "toy-esd"'),
        ("fewshot/sources", {"toy-emo": {}}, '"toy-emo" … "toy-emodb"'),
        ("fewshot/sources", {"baseline": {}}, "fewshot.sources.baseline: "),
        ("fewshot/sources", {"toy-esd": {}}, "0011, 0015 of fewshot.target.speakers"),
        ("fewshot/sources", {"toy-esd": {"speakers": ["0015"]}}, "0015 of fewshot.target"),
        ("fewshot/sizes", [1, 3], "fewshot.sizes: 3 of 2 sources"),
        ("fewshot/k", [2, 3], "fewshot.k.1: 3"),
        ("fewshot/target/speakers", ["a/b"], "speakers.0: 'a/b'"),
        ("fewshot/trails", 3, '"trails" in fewshot … "trials"'),
        ("tables/fewshot/k", [2], 'unknown key "k" in tables.fewshot'),
        ("backbones/toy/pretraining/corpora/toy-esd", ["0011"], "toy-esd: 0011 of fewshot.target"),
        ("backbones/toy/pretraining/corpora/toy-esd", "all", "0011, 0015 of fewshot.target"),
    ],
)
def test_mistakes_are_named_on_one_line(path, value, message):
    changed = change(path, value)
    if value is None:
        del changed["fewshot"]
    with refused(message):
        resolved(changed)


def test_speakers_of_the_target_s_corpus_may_be_a_source_if_they_are_others():
    changed = change("fewshot/sources", {"toy-esd": {"speakers": ["0012"]}, "toy-savee": {}})
    assert len(grid.starts(resolved(changed))) == 4
