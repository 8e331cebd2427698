"""Draws of the few-shot tasks: nested, shared by all starts, nothing tested is trained on."""

import pandas as pd
import pytest
from fewshot_study import EMOTIONS, manifest

from after_ser.core.errors import InputError
from after_ser.studies.fewshot.draws import draw_tasks
from after_ser.studies.fewshot.sources import check_apart, chosen, split_source

SPEAKERS = ["a", "b"]


def draw(rows=None, **changes):
    given = {"corpus": "esd", "speakers": SPEAKERS, "labels": None, "k": [2, 4, 8], "trials": 2,
             "val_clips": 2, "test_clips": None, "seed": 0}  # fmt: skip
    rows = manifest(SPEAKERS, 12) if rows is None else rows
    return draw_tasks(rows, **{**given, **changes})


def tasks(draws):
    named = draws[draws["emotion"] != ""]
    for (speaker, emotion, trial), own in named.groupby(["speaker", "emotion", "trial"]):
        shared = draws[(draws["speaker"] == speaker) & (draws["emotion"] == "")]
        yield emotion, trial, pd.concat([own, shared])


def test_every_k_is_half_the_emotion_and_part_of_the_next():
    draws, left_out = draw()
    assert left_out.empty
    count = 0
    for emotion, _, own in tasks(draws):
        train = own[own["role"] == "train"].sort_values("rank")
        assert list(train["rank"]) == list(range(8))
        for k in (2, 4, 8):
            assert (train.iloc[:k]["label"] == emotion).sum() == k // 2
        count += 1
    assert count == 2 * 3 * 2


@pytest.mark.parametrize("test_clips", [None, 3])
def test_roles_never_share_a_clip_and_stay_with_their_speaker(test_clips):
    draws, _ = draw(test_clips=test_clips)
    for _, _, own in tasks(draws):
        assert not own["utt"].duplicated().any()
        assert {utt.split("-")[0] for utt in own["utt"]} == set(own["speaker"])
        assert (own["role"] == "val").sum() == 2 * 3
        expected = 3 * 12 - 8 - 6 if test_clips is None else 3 * 3
        assert (own["role"] == "test").sum() == expected
    for utt, label in zip(draws["utt"], draws["label"], strict=True):
        assert utt.split("-")[1] == label


def test_trials_differ_and_one_seed_gives_the_same_draws():
    first, _ = draw()
    again, _ = draw(manifest(SPEAKERS, 12).sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(first, again)
    other, _ = draw(seed=1)
    assert not other["utt"].equals(first["utt"])
    train = first[first["role"] == "train"]
    sets = train.groupby(["speaker", "emotion", "trial"])["utt"].apply(frozenset)
    assert sets.nunique() == len(sets)


def test_a_larger_k_and_another_speaker_change_no_smaller_draw():
    # with a fixed test set nothing but the new rows is new
    small, _ = draw(test_clips=2, k=[2, 4])
    large, _ = draw(manifest(["a", "b", "c"], 12), test_clips=2, k=[2, 4, 8],
                    speakers=["a", "b", "c"])  # fmt: skip
    known = set(map(tuple, large.to_numpy().tolist()))
    assert set(map(tuple, small.to_numpy().tolist())) < known


def test_too_few_clips_are_left_out_and_named():
    rows = manifest(SPEAKERS, 12)
    few = (rows["speaker"] == "b") & (rows["raw_label"] == "Sad")
    rows = rows.drop(rows[few].index[:6])  # 6 are left, 4 + 2 + 1 are needed
    draws, left_out = draw(rows)
    assert left_out.to_dict("records") == [
        {"speaker": "b", "emotion": "Sad", "utt": "", "reason": "6 clips, 7 are needed"}
    ]
    of_b = draws[draws["speaker"] == "b"]
    assert set(of_b["label"]) == {"Angry", "Happy"}, "its clips are no negatives either"
    draws, left_out = draw(manifest(SPEAKERS, 6))
    assert draws.empty and left_out["reason"].str.contains("0 emotions").any()
    assert set(left_out["speaker"]) == set(SPEAKERS)


def test_a_clip_that_is_there_twice_is_used_once():
    rows = manifest(SPEAKERS, 12)
    twin = rows.iloc[[3]].assign(utt="a-Angry-99", sha256="other")  # the same take, saved again
    draws, left_out = draw(pd.concat([rows, twin]))
    assert list(left_out["utt"]) == ["a-Angry-99"]
    assert "near-duplicate" in left_out["reason"].iloc[0]
    assert "a-Angry-99" not in set(draws["utt"])


def test_only_labels_and_speakers_that_were_asked_for():
    draws, _ = draw(labels=["Angry", "Sad"], speakers=["b"])
    assert set(draws["label"]) == {"Angry", "Sad"} and set(draws["speaker"]) == {"b"}
    for key, wrong in (("labels", ["Angry", "Joy"]), ("speakers", ["b", "z"])):
        with pytest.raises(InputError, match=r"fewshot\.target\.\w+s: the corpus has no") as error:
            draw(**{key: wrong})
        assert wrong[1] in str(error.value) and "\n" not in str(error.value)


def test_sources_are_split_by_class():
    rows = manifest(["s", "t"], 10)
    source = split_source("x", rows, 0.1, 0)
    assert source.classes == EMOTIONS
    assert not {utt for utt, _ in source.train} & {utt for utt, _ in source.val}
    assert len(source.train) + len(source.val) == len(rows)
    assert [label for _, label in source.val].count("Sad") == 2
    assert split_source("x", rows.sample(frac=1, random_state=0), 0.1, 0) == source
    with pytest.raises(InputError, match="source x has 1 classes"):
        split_source("x", rows[rows["raw_label"] == "Sad"], 0.1, 0)
    unlabelled = rows.assign(raw_label="")
    assert chosen(unlabelled, None, None, "x").empty


def test_a_target_speaker_among_the_sources_stops_the_run():
    target, other = manifest(["a"], 3), manifest(["s"], 3, prefix="x")
    check_apart(target, "esd", {"x": (other, "esd")})
    same = manifest(["s", "a"], 3, prefix="y")
    check_apart(target, "esd", {"y": (same, "emodb")})  # another corpus's speaker "a"
    with pytest.raises(InputError, match="target speaker a .*source y") as error:
        check_apart(target, "esd", {"x": (other, "esd"), "y": (same, "esd")})
    assert "\n" not in str(error.value)
    copied = other.assign(sha256=[*target["sha256"][:1], *other["sha256"][1:]])
    with pytest.raises(InputError, match="has the samples of"):
        check_apart(target, "esd", {"x": (copied, "emodb")})
