"""Injected clips: exact shares of train, never a leak, and the audit that proves it."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from datasets_tables import CLASSES, corpus_manifest, sessions_manifest
from selfsupervised_clips import waveform

from after_ser.core.errors import InputError
from after_ser.data.datasets.audit import audit_folds
from after_ser.data.datasets.folds import make_fold
from after_ser.studies.outliers.inject import (
    foreign_rows,
    inject,
    injected_counts,
    injected_of_fold,
    sources,
)

SETTINGS = {"duplicates": 0.1, "foreign": {"corpus": "f", "share": 0.05}}
FOLDS = range(1, 6)


def split(manifest, fold):
    return make_fold(
        manifest, fold, "d", "t", CLASSES, by="session", groups=5, balance={"method": "ratio"}
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("inject")
    own = sessions_manifest()
    soundfile.write(root / "clip.flac", waveform(0.5, 0), 16_000, subtype="PCM_16")
    own = own.assign(path=str(root / "clip.flac"))
    foreign = corpus_manifest(*[(f"n{i:02d}", "X", f"s{i % 4}") for i in range(40)])
    foreign = foreign_rows("f", foreign, "results/corpora/f", ["s3"])
    folds = {fold: split(own, fold) for fold in FOLDS}
    trains = [train_of(one.splits) for one in folds.values()]
    (root / "injected").mkdir()
    manifest, injected = inject(
        own, trains, foreign, SETTINGS, "d", CLASSES, root / "injected", "results/injected"
    )
    return {"own": own, "foreign": foreign, "folds": folds, "trains": trains, "root": root,
            "manifest": manifest, "injected": injected}  # fmt: skip


def train_of(splits):
    return list(splits.loc[splits["split"] == "train", "utt"])


def with_injected(world, fold):
    splits = world["folds"][fold].splits
    more = injected_of_fold(train_of(splits), world["injected"], SETTINGS, "d")
    return pd.concat([splits, pd.DataFrame({"utt": more, "split": "train"})], ignore_index=True)


def audit(world, tables):
    away = {fold: world["folds"][fold].balanced_away for fold in tables}
    return audit_folds(world["manifest"], tables, away, "t", CLASSES, world["injected"])


def test_shares_are_of_the_train_split_as_it_becomes(world):
    kinds = world["injected"].set_index("utt")["kind"]
    for fold in FOLDS:
        train = train_of(with_injected(world, fold))
        found = kinds.reindex(train).value_counts()
        assert found["duplicate"] == pytest.approx(0.1 * len(train), abs=0.51)
        assert found["foreign"] == pytest.approx(0.05 * len(train), abs=0.51)
    assert injected_counts(85, SETTINGS) == (10, 5)
    assert injected_counts(90, {"duplicates": 0.1}) == (10, 0)


def test_a_near_duplicate_is_in_train_only_with_its_source(world):
    source = world["injected"].set_index("utt")["source"]
    tested = 0
    for fold in FOLDS:
        table = with_injected(world, fold).set_index("utt")["split"]
        here = [utt for utt in table.index if source.get(utt)]
        assert {table[utt] for utt in here} == {"train"}
        assert {table[source[utt]] for utt in here} == {"train"}
        test = set(table[table == "test"].index)
        tested += len(set(source) & test)
        assert not {source.get(utt) for utt in table.index} & test
    assert tested > 0, "some sources are tested in another fold, where their copy must be absent"


def test_the_audit_passes_and_counts(world):
    report = audit(world, {fold: with_injected(world, fold) for fold in FOLDS})
    assert report["violations"] == []
    counts = report["folds"]["1"]["injected"]
    assert set(counts) == {"duplicate", "foreign"} and min(counts.values()) > 0
    assert report["clips"] == len(world["own"]) and report["target_clips"] == report["tested_clips"]


def leak_test_source(world, table):
    """A near-duplicate of a test clip gets into train."""
    test = set(table.loc[table["split"] == "test", "utt"])
    rows = world["injected"]
    utt = rows.loc[rows["source"].isin(test), "utt"].iloc[0]
    return pd.concat([table, pd.DataFrame({"utt": [utt], "split": ["train"]})])


def leak_val(world, table):
    foreign = world["injected"].loc[world["injected"]["kind"] == "foreign", "utt"]
    return table.assign(split=table["split"].mask(table["utt"].isin(foreign), "val"))


def leak_test(world, table):
    return table.assign(split=table["split"].mask(table["utt"].str.endswith("~near"), "test"))


@pytest.mark.parametrize(
    ("leak", "message"),
    [
        (leak_test_source, "not in train"),
        (leak_val, "injected and are in val"),
        (leak_test, "injected and are in test"),
    ],
)
def test_the_audit_finds_every_leak(world, leak, message):
    report = audit(world, {1: leak(world, with_injected(world, 1))})
    assert any(message in line for line in report["violations"])


def test_a_near_duplicate_is_its_source_a_little_changed(world):
    near = world["injected"][world["injected"]["kind"] == "duplicate"]
    manifest = world["manifest"].set_index("utt")
    original, _ = soundfile.read(world["root"] / "clip.flac")
    files = {path.name for path in (world["root"] / "injected").iterdir()}
    assert len(files) == len(near)
    gains, hashes = [], set()
    for row in near.itertuples():
        copy, source = manifest.loc[row.utt], manifest.loc[row.source]
        for name in ("speaker", "session", "label", "text_id", "duration_s", "corpus"):
            assert copy[name] == source[name]
        name = copy["path"].removeprefix("results/injected/")
        samples, rate = soundfile.read(world["root"] / "injected" / name)
        assert rate == 16_000 and len(samples) == len(original)
        assert 0.999 < np.corrcoef(samples, original)[0, 1] < 1 - 1e-6
        gains.append(20 * np.log10(samples.std() / original.std()))
        hashes.add(copy["sha256"])
    assert max(map(abs, gains)) < 3.1 and max(gains) - min(gains) > 1
    assert len(hashes) == len(near) and not hashes & set(world["own"]["sha256"])


def test_foreign_clips_have_a_random_class_and_no_reserved_speaker(world):
    rows = world["manifest"][world["manifest"]["corpus"] == "f"]
    assert set(rows["utt"]) == set(
        world["injected"].loc[world["injected"]["kind"] == "foreign", "utt"]
    )
    assert set(rows["label"]) <= set(CLASSES) and rows["label"].nunique() > 1
    assert not (rows["speaker"] == "f/s3").any()
    assert rows["path"].str.startswith("results/corpora/f/audio/").all()


def test_a_copy_of_an_own_clip_is_no_foreign_clip(world, tmp_path):
    foreign = world["foreign"].copy()
    foreign["sha256"] = world["own"]["sha256"].iloc[0]
    with pytest.raises(InputError, match="f has 0 "):
        inject(
            world["own"], world["trains"], foreign, {"foreign": SETTINGS["foreign"]}, "d", CLASSES,
            tmp_path, tmp_path,
        )  # fmt: skip


def test_what_a_fold_gets_depends_on_its_own_train_clips_alone(world):
    train = world["trains"][0]
    assert sources(train, SETTINGS, "d") == sources(train[::-1], SETTINGS, "d")
    assert injected_of_fold(train, world["injected"], SETTINGS, "d") == injected_of_fold(
        train[::-1], world["injected"].iloc[::-1], SETTINGS, "d"
    )
    with pytest.raises(ValueError, match="incomplete"):
        injected_of_fold(train, world["injected"].iloc[:1], SETTINGS, "d")
