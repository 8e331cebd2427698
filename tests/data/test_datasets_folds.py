"""Folds: who is held out, that every clip is in one split, and how val is drawn."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from datasets_tables import CLASSES, clip, sessions_manifest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from after_ser.core.errors import InputError
from after_ser.data.datasets.folds import Fold, make_fold, session_groups, speaker_groups

NONE = {"method": "none"}
EMODB = {
    "03": "male", "08": "female", "09": "female", "10": "male", "11": "male",
    "12": "male", "13": "female", "14": "female", "15": "male", "16": "female",
}  # fmt: skip


def speakers(genders: dict[str, str], per_class: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        [
            clip(f"{speaker}{label}{i}", label, speaker, gender=gender)
            for speaker, gender in genders.items()
            for label in CLASSES
            for i in range(per_class)
        ]
    )


def sides(fold: Fold, manifest: pd.DataFrame) -> dict[str, pd.DataFrame]:
    joined = fold.splits.merge(manifest, on="utt", validate="1:1")
    return {name: joined[joined["split"] == name] for name in ("train", "val", "test")}


def test_emodb_makes_five_pairs():
    pairs = [[name.removeprefix("t/") for name in group] for group in
             speaker_groups(speakers(EMODB), 5)]  # fmt: skip
    assert pairs == [["03", "08"], ["09", "10"], ["11", "13"], ["12", "14"], ["15", "16"]]
    assert all({EMODB[a], EMODB[b]} == {"male", "female"} for a, b in pairs)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["female", "male", ""]), min_size=2, max_size=14),
    st.integers(2, 14),
    st.randoms(use_true_random=False),
)
def test_speaker_groups_are_balanced_and_stable(genders, groups, random):
    groups = min(groups, len(genders))
    by_name = {f"{i:02d}": gender for i, gender in enumerate(genders)}
    clips = speakers(by_name, 1)
    made = speaker_groups(clips, groups)
    names = [name for group in made for name in group]
    assert sorted(names) == sorted(set(clips["speaker"])) and len(made) == groups
    for wanted in ("female", "male", "female male"):
        counts = [
            sum(by_name[name[2:]] in wanted.split() or wanted == "female male" for name in group)
            for group in made
        ]
        assert max(counts) - min(counts) <= 1
    order = list(clips.index)
    random.shuffle(order)
    assert speaker_groups(clips.loc[order], groups) == made


def test_leave_one_speaker_out():
    clips = speakers({"JK": "male", "DC": "male", "KL": "", "JE": "male"})
    for groups in (4, None):
        assert speaker_groups(clips, groups) == [["t/DC"], ["t/JE"], ["t/JK"], ["t/KL"]]


def test_sessions_come_sorted():
    groups = session_groups(sessions_manifest().query("corpus == 't'").iloc[::-1])
    assert groups[0] == ["t/Ses01F", "t/Ses01M"] and groups[4] == ["t/Ses05F", "t/Ses05M"]


def test_input_errors():
    clips = sessions_manifest(sessions=2)

    def fold(manifest=clips, number=1, target="t", **more):
        make_fold(manifest, number, "m", target, CLASSES, **more)

    with pytest.raises(InputError, match="folds 1 to 2"):
        fold(number=3)
    with pytest.raises(InputError, match="folds 1 to 2"):
        fold(number=0)
    with pytest.raises(InputError, match="target corpus q"):
        fold(target="q")
    with pytest.raises(InputError, match="has no session"):
        fold(target="x")
    with pytest.raises(InputError, match="1 session, .* 2"):
        fold(sessions_manifest(sessions=1))
    with pytest.raises(InputError, match="4 speakers for 5 groups"):
        fold(by="speaker", groups=5)
    with pytest.raises(InputError, match="4 speakers for 1 groups"):
        fold(by="speaker", groups=1)
    with pytest.raises(InputError, match="expected session or speaker"):
        fold(by="dialogue")
    with pytest.raises(InputError, match=r"val\.share is 1"):
        fold(val_share=1)
    with pytest.raises(InputError, match="less than one clip"):
        fold(val_share=0.001)
    with pytest.raises(InputError, match="can be spared"):
        fold(val_share=0.99)
    moved = clips.copy()
    moved.loc[moved["speaker"] == "t/Ses01F", "session"] = ["t/Ses1", "t/Ses2"] * 12
    with pytest.raises(InputError, match="t/Ses01F .*t/Ses1, t/Ses2"):
        fold(moved)


@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    per_class=st.integers(2, 6),
    extra=st.integers(0, 3),
    share=st.floats(0.05, 0.4),
    val_extra=st.booleans(),
    number=st.integers(1, 3),
    by=st.sampled_from(["session", "speaker"]),
    method=st.sampled_from(["ratio", "none", "cap"]),
    random=st.randoms(use_true_random=False),
)
def test_guarantees(per_class, extra, share, val_extra, number, by, method, random):
    manifest = sessions_manifest(3, per_class, extra)
    more = {
        "by": by,
        "groups": 3 if by == "speaker" else None,
        "val_share": share,
        "val_extra": val_extra,
        "balance": {"method": method, "cap": 7 if method == "cap" else None},
    }
    fold = make_fold(manifest, number, "m", "t", CLASSES, **more)
    part = sides(fold, manifest)
    # every clip in exactly one split or balanced away
    assert fold.splits["utt"].is_unique
    assert sorted([*fold.splits["utt"], *fold.balanced_away["utt"]]) == sorted(manifest["utt"])
    # the whole held-out group, and nobody of it elsewhere
    held_out = set(part["test"]["speaker"])
    assert len(held_out) == 2 and part["test"]["corpus"].eq("t").all()
    assert len(part["test"]) == manifest["speaker"].isin(held_out).sum()
    assert not held_out & set(fold.balanced_away["speaker"])
    # the exact share, each class in val where the total allows, and in train
    eligible = pd.concat([part["train"], part["val"]])
    if not val_extra:
        assert part["val"]["corpus"].eq("t").all()
        eligible = eligible[eligible["corpus"] == "t"]
    assert len(part["val"]) == math.floor(share * len(eligible) + 0.5)
    assert set(part["train"]["label"]) == set(CLASSES)
    assert part["val"]["label"].nunique() == min(4, len(part["val"]))
    for label, own in eligible.groupby("label"):
        expected = len(part["val"]) * len(own) / len(eligible)
        got = part["val"]["label"].eq(label).sum()
        assert got == 1 or abs(got - expected) < 1 or len(part["val"]) < 8
    # the rows' order does not matter
    order = list(manifest.index)
    random.shuffle(order)
    again = make_fold(manifest.loc[order], number, "m", "t", CLASSES, **more)
    pd.testing.assert_frame_equal(fold.splits, again.splits)
    pd.testing.assert_frame_equal(fold.balanced_away, again.balanced_away)


def test_val_is_stratified_by_corpus():
    manifest = sessions_manifest(per_class=10, extra=4, extra_per_class=10)
    part = sides(make_fold(manifest, 1, "m", "t", CLASSES, balance=NONE), manifest)
    counts = part["val"].groupby(["label", "corpus"]).size()
    assert counts.xs("t", level="corpus").tolist() == [8] * 4
    assert counts.xs("x", level="corpus").tolist() == [4] * 4


def test_a_lone_clip_of_a_class_stays_in_train():
    manifest = sessions_manifest(extra=0)
    sad = manifest[(manifest["label"] == "sad") & (manifest["session"] != "t/Ses1")]
    manifest = manifest.drop(index=sad.index[1:])
    part = sides(make_fold(manifest, 1, "m", "t", CLASSES, balance=NONE), manifest)
    assert part["train"]["label"].eq("sad").sum() == 1
    assert not part["val"]["label"].eq("sad").any()


def test_a_rare_class_is_in_val():
    manifest = sessions_manifest(per_class=20, extra=0)
    sad = manifest[(manifest["label"] == "sad") & (manifest["session"] != "t/Ses1")]
    manifest = manifest.drop(index=sad.index[2:])
    part = sides(make_fold(manifest, 1, "m", "t", CLASSES, val_share=0.05, balance=NONE), manifest)
    assert part["val"]["label"].eq("sad").sum() == part["train"]["label"].eq("sad").sum() == 1
    assert len(part["val"]) == 24


def test_draws_depend_on_dataset_and_fold_only():
    manifest = sessions_manifest()
    first, same, other = (
        make_fold(manifest, 1, name, "t", CLASSES, balance=NONE).splits for name in "mmn"
    )
    assert first.equals(same) and not first.equals(other)


def test_an_extra_corpus_does_not_reshuffle_the_target():
    few, many = sessions_manifest(extra=0), sessions_manifest(extra=3)
    vals = []
    for manifest in (few, many):
        fold = make_fold(manifest, 1, "m", "t", CLASSES, val_extra=False, balance=NONE)
        vals.append(set(fold.splits.query("split == 'val'")["utt"]))
    assert vals[0] == vals[1]


def test_near_duplicates_stay_together_in_train():
    manifest = sessions_manifest(extra=0)
    copies = manifest[(manifest["session"] == "t/Ses2") & manifest["text_id"].isin(["s0", "s1"])]
    copies = copies.assign(utt=copies["utt"] + "_again", sha256="again " + copies["sha256"])
    manifest = pd.concat([manifest, copies], ignore_index=True)
    for number in (1, 3):
        fold = make_fold(manifest, number, "m", "t", CLASSES, val_share=0.3, balance=NONE)
        split = fold.splits.set_index("utt")["split"]
        assert set(split[copies["utt"]]) == {"train"}
        assert set(split[copies["utt"].str.removesuffix("_again")]) == {"train"}


def test_byte_identical_clips_on_two_sides_are_refused():
    manifest = sessions_manifest()
    pair = manifest["utt"].isin(["t/Ses01F_anger0", "t/Ses04M_anger0"])
    manifest.loc[pair, "sha256"] = "same"
    with pytest.raises(AssertionError, match="copies on two sides"):
        make_fold(manifest, 1, "m", "t", CLASSES, balance=NONE)
