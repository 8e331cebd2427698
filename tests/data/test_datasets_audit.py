"""The audit passes sound folds and names every leak put in by hand."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from datasets_tables import CLASSES, sessions_manifest
from workflow_runs import script

from after_ser.core.errors import InputError
from after_ser.data.datasets.audit import audit_folds, check_audit
from after_ser.data.datasets.composition import AFTER, BEFORE, composition, ratio_text
from after_ser.data.datasets.folds import make_fold
from after_ser.run.atomic import read_tsv, write_tsv


@pytest.fixture
def tables():
    manifest = sessions_manifest()
    made = {number: make_fold(manifest, number, "m", "t", CLASSES) for number in (1, 2)}
    folds = {number: fold.splits for number, fold in made.items()}
    away = {number: fold.balanced_away for number, fold in made.items()}
    return manifest, folds, away


def audit(tables):
    return audit_folds(*tables, target="t", classes=CLASSES)


def move(tables, utt: str, split: str, fold: int = 1) -> None:
    table = tables[1][fold]
    table.loc[table["utt"] == utt, "split"] = split


def one(tables, fold_split: str) -> str:
    table = tables[1][1]
    return table.loc[table["split"] == fold_split, "utt"].iloc[0]


def test_sound_folds_pass(tables):
    report = audit(tables)
    assert report["violations"] == []
    check_audit(report, "audit.json")
    fold = report["folds"]["1"]
    assert fold["test_speakers"] == ["t/Ses01F", "t/Ses01M"]
    assert fold["test_sessions"] == ["t/Ses1"]
    sizes = {name: part["clips"] for name, part in fold["splits"].items()}
    assert sizes["test"] == 48 and sizes["val"] == fold["val_labels"] > 0
    assert sum(sizes.values()) + fold["balanced_away"]["clips"] == report["clips"] == 280
    for part in fold["splits"].values():
        assert sum(part["labels"].values()) == part["clips"]
        assert sum(own["clips"] for own in part["corpora"].values()) == part["clips"]
    assert report["corpora"]["x"] == {name: 10 for name in CLASSES}
    assert set(fold["overlap"]["clips"].values()) == {0}
    assert fold["overlap"]["speakers"]["train-val"] > 0
    assert fold["text_overlap"]["test_in_train"] == {
        "clips": 48,
        "clips_with_text": 48,
        "share": 1.0,
    }


def test_text_overlap_is_by_corpus_and_text(tables):
    manifest = tables[0]
    own = manifest["session"] == "t/Ses1"
    manifest.loc[own, "text_id"] = ["only here"] * 12 + [""] * 12 + ["s1"] * 24
    text = audit(tables)["folds"]["1"]["text_overlap"]["test_in_train"]
    assert text == {"clips": 24, "clips_with_text": 36, "share": 0.666667}
    manifest.loc[manifest["corpus"] == "t", "text_id"] = ""
    assert audit(tables)["folds"]["1"]["text_overlap"]["test_in_train"]["share"] is None


def leak(tables, *facts):
    """Tell whether a violation names all of these."""
    return any(all(fact in line for fact in facts) for line in audit(tables)["violations"])


def test_leaked_test_speaker(tables):
    move(tables, one(tables, "test"), "train")
    assert leak(tables, "test speakers", "train and test: 1", "t/Ses01F")
    tables[0]["session"] = ""
    with pytest.raises(InputError, match=r"fold 1: .*folder/audit\.json"):
        check_audit(audit(tables), "folder/audit.json")


def test_leaked_session(tables):
    manifest = tables[0]
    manifest.loc[manifest["utt"] == one(tables, "val"), "session"] = "t/Ses1"
    assert leak(tables, "fold 1", "test sessions", "val and test: 1", "t/Ses1")


@pytest.mark.parametrize("sides", [("train", "val"), ("val", "test"), ("train", "test")])
def test_clip_on_two_sides(tables, sides):
    extra = pd.DataFrame({"utt": [one(tables, sides[0])], "split": [sides[1]]})
    tables[1][1] = pd.concat([tables[1][1], extra])
    assert leak(tables, "the same clips", f"{sides[0]} and {sides[1]}: 1")
    assert leak(tables, "1 clips", "twice")


@pytest.mark.parametrize("sides", [("train", "val"), ("val", "test"), ("train", "test")])
def test_byte_identical_clips_on_two_sides(tables, sides):
    manifest = tables[0]
    pair = [one(tables, side) for side in sides]
    manifest.loc[manifest["utt"].isin(pair), "sha256"] = "same"
    assert leak(tables, "fold 1", "equal clips", f"{sides[0]} and {sides[1]}: 1", pair[1])


def test_near_duplicates_on_two_sides(tables):
    manifest = tables[0].set_index("utt")
    for column in ("speaker", "text_id", "label", "duration_s"):
        manifest.loc[one(tables, "val"), column] = manifest.loc[one(tables, "train"), column]
    tables = (manifest.reset_index(), tables[1], tables[2])
    assert leak(tables, "near-duplicates", "train and val")


def test_extra_corpus_in_test(tables):
    speaker = tables[0].loc[tables[0]["speaker"] == "x/sp0", "utt"]
    table = tables[1][1]
    table.loc[table["utt"].isin(speaker), "split"] = "test"
    assert leak(tables, "of extra corpora in test")


def test_missing_unknown_and_balanced_test_clips(tables):
    gone = one(tables, "test")
    table = tables[1][1]
    tables[1][1] = table[table["utt"] != gone]
    assert leak(tables, "fold 1: 1 clips", "neither", gone)
    row = tables[0].loc[tables[0]["utt"] == gone, ["utt", "corpus", "speaker", "label"]]
    tables[2][1] = pd.concat([tables[2][1], row])
    assert leak(tables, "fold 1: 1 clips", "balanced away", gone)
    assert len(audit(tables)["violations"]) == 1
    tables[1][1] = pd.concat([table, pd.DataFrame({"utt": ["t/nobody"], "split": ["train"]})])
    assert leak(tables, "not in the manifest", "t/nobody")
    assert leak(tables, "both in a split", "balanced away")


def test_unknown_split_and_empty_train(tables):
    table = tables[1][1]
    table.loc[table["split"] == "train", "split"] = "pool"
    assert leak(tables, "unknown split 'pool'") and leak(tables, "fold 1: train is empty")


def test_clip_tested_in_two_folds(tables):
    tables[1][2], tables[2][2] = tables[1][1].copy(), tables[2][1].copy()
    assert leak(tables, "48 clips", "two folds")


def test_absent_class_is_a_warning(tables):
    manifest, folds, away = tables
    val = folds[1].loc[folds[1]["split"] == "val", "utt"]
    manifest.loc[manifest["utt"].isin(val), "label"] = "sad"
    manifest["text_id"] = ""  # or relabelled clips would look like near-duplicates
    report = audit_folds(manifest, folds, away, "t", CLASSES)
    assert report["violations"] == []
    assert [line for line in report["warnings"] if "fold 1: val" in line and "anger" in line]


def test_composition_counts_and_ratios(tables):
    manifest, folds, _ = tables
    table = composition(manifest, folds, CLASSES).set_index("corpus")
    assert list(table.index) == ["t", "x", BEFORE, AFTER]
    assert table.loc["t"].tolist() == ["60", "60", "60", "60", "240", "1.0 : 1.0 : 1.0 : 1.0"]
    assert table.loc[BEFORE, "total"] == "280"
    # a fold holds 48 + 40 clips of t and 10 of x per class outside test: 58, 54, 39, 58
    per_class = [70 - 12 - drop + 12 for drop in (0, 4, 19, 0)]
    assert table.loc[AFTER].tolist()[:5] == [f"{n}.0" for n in [*per_class, sum(per_class)]]
    assert ratio_text([3, 2.8, 2, 0]) == "1.5 : 1.4 : 1.0 : 0.0"
    assert ratio_text([0, 0]) == "0.0 : 0.0"


@pytest.mark.parametrize(("split", "tested"), [("paper", 48), ("released", 24)])
def test_scripts_from_manifest_to_audit(tmp_path, split, tested):
    manifest = tmp_path / "manifest.tsv"
    write_tsv(manifest, sessions_manifest())
    settings = {
        "folds": {"by": "session"},
        "val": {"share": 0.1, "extra": True},
        "balance": {"method": "ratio"},
    }
    paths = {n: (tmp_path / f"fold{n}.tsv", tmp_path / f"fold{n}.balance.tsv") for n in (1, 2)}
    for number, (fold, balance) in paths.items():
        script("make_fold").main(
            SimpleNamespace(
                input=SimpleNamespace(manifest=manifest),
                params=SimpleNamespace(dataset="m", target="t", settings=settings, classes=CLASSES),
                wildcards=SimpleNamespace(fold=str(number), split=split),
                output=SimpleNamespace(fold=fold, balance=balance),
            )
        )
    job = SimpleNamespace(
        input=SimpleNamespace(
            manifest=manifest,
            folds=[fold for fold, _ in paths.values()],
            balance=[balance for _, balance in paths.values()],
        ),
        params=SimpleNamespace(folds=list(paths), target="t", classes=CLASSES),
        wildcards=SimpleNamespace(split=split),
        output=SimpleNamespace(
            audit=tmp_path / "audit.json", composition=tmp_path / "composition.tsv"
        ),
    )
    failed = tmp_path / "audit.failed.json"
    good = read_tsv(paths[1][0])
    leaked = good.copy()
    leaked.loc[leaked["split"] == "test", "split"] = ["train"] + ["test"] * (tested - 1)
    write_tsv(paths[1][0], leaked)
    with pytest.raises(InputError, match=r"the folds leak.*audit\.failed\.json"):
        script("audit_dataset").main(job)
    assert json.loads(failed.read_text())["violations"] and not job.output.audit.exists()
    write_tsv(paths[1][0], good)
    script("audit_dataset").main(job)
    assert not failed.exists()
    report = json.loads(job.output.audit.read_text())
    assert report["violations"] == []
    assert ("expected" in report) == (split == "released")
    assert read_tsv(job.output.composition)["corpus"].tolist()[0] == "t"
