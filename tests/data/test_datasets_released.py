"""The released code's folds: halves of one group, and an audit that knows what to expect."""

import re

import pandas as pd
import pytest
from datasets_tables import CLASSES, clip, sessions_manifest

from after_ser.data.datasets.audit import audit_folds
from after_ser.data.datasets.folds import make_fold


@pytest.fixture
def manifest():
    return sessions_manifest()


def made(manifest, fold=2, balance=None):
    balance = balance or {"method": "none"}
    return make_fold(manifest, fold, "m", "t", CLASSES, balance=balance, halves=True)


def parts(fold, manifest):
    joined = fold.splits.merge(manifest, on="utt")
    return {name: joined[joined["split"] == name] for name in ("train", "val", "test")}


def test_test_and_val_are_halves_of_the_held_out_session_and_train_is_all_the_rest(manifest):
    sides = parts(made(manifest), manifest)
    for name in ("val", "test"):
        assert set(sides[name]["session"]) == {"t/Ses2"} and len(sides[name]) == 24
    assert set(sides["train"]["utt"]) == set(manifest["utt"]) - set(
        manifest.loc[manifest["session"] == "t/Ses2", "utt"]
    )
    assert set(sides["val"]["speaker"]) == set(sides["test"]["speaker"]) == {"t/Ses02F", "t/Ses02M"}


def test_the_odd_clip_is_tested_and_the_order_of_rows_does_not_matter(manifest):
    odd = manifest[manifest["utt"] != "t/Ses02F_sad0"]
    sides = parts(made(odd), odd)
    assert (len(sides["test"]), len(sides["val"])) == (24, 23)
    shuffled = odd.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(made(shuffled).splits, made(odd).splits)
    other = made(odd, fold=1).splits
    assert set(other.loc[other["split"] == "test", "utt"]) != set(sides["test"]["utt"])


def test_balancing_spares_the_held_out_session(manifest):
    fold = made(manifest, balance={"method": "cap", "cap": 10})
    sides = parts(fold, manifest)
    assert len(sides["test"]) + len(sides["val"]) == 48
    assert len(fold.balanced_away) and not set(fold.balanced_away["utt"]) & set(fold.splits["utt"])
    assert sides["train"].groupby(["corpus", "label"]).size().max() <= 10


def audit(manifest, fold, split="released"):
    return audit_folds(
        manifest, {2: fold.splits}, {2: fold.balanced_away}, "t", CLASSES, split=split
    )


def test_what_val_shares_with_test_is_expected_here_and_a_leak_under_the_paper_s_rule(manifest):
    fold = made(manifest)
    report = audit(manifest, fold)
    assert report["violations"] == []
    speakers, sessions = report["expected"]
    assert speakers.startswith("fold 2: test speakers ") and "val and test: 2" in speakers
    assert sessions.startswith("fold 2: test sessions ") and "val and test: 1" in sessions
    assert "t/Ses02F" in speakers and sessions.endswith("t/Ses2")
    as_paper = audit(manifest, fold, "paper")
    assert as_paper["violations"] == report["expected"] and "expected" not in as_paper


def test_near_duplicates_in_both_halves_are_expected_and_the_same_clip_is_not(manifest):
    more = [clip(f"Ses02F_again{i}", "sad", "Ses02F", session="Ses2", text_id="s0",
                 duration_s="1.000000") for i in range(9)]  # fmt: skip
    manifest = pd.concat([manifest, pd.DataFrame(more)], ignore_index=True)
    fold = made(manifest)
    report = audit(manifest, fold)
    assert any("near-duplicates" in line for line in report["expected"])
    assert report["violations"] == []
    fold.splits.loc[len(fold.splits)] = [
        fold.splits.loc[fold.splits["split"] == "test", "utt"].iloc[0], "val",
    ]  # fmt: skip
    lines = audit(manifest, fold)["violations"]
    assert any("the same clips" in line for line in lines)


@pytest.mark.parametrize("side", ["val", "test"])
def test_a_held_out_speaker_in_train_is_a_leak_also_where_only_val_has_the_speaker(manifest, side):
    fold = made(manifest)
    sides = parts(fold, manifest)
    moved = sides[side]["utt"].iloc[0]
    fold.splits.loc[fold.splits["utt"] == moved, "split"] = "train"
    lines = "\n".join(audit(manifest, fold)["violations"])
    assert re.search("test speakers .*train and val", lines)
    assert re.search("test speakers .*train and test", lines)
