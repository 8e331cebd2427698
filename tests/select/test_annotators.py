"""Annotators that err: exactly as often as asked, always on the same clips."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.select.annotators import simulate
from after_ser.select.oracle import COLUMNS, answer, read_answers

CLASSES = ["anger", "neutral", "sad", "happy"]
TRUTH = {f"c/{i:04d}": CLASSES[i % 4] for i in range(400)}


def wrong(answers, truth=TRUTH):
    return {clip for clip, label in answers.labels.items() if label != truth[clip]}


@given(st.floats(0, 0.99), st.integers(1, 60))
def test_the_share_of_wrong_labels_is_exact(share, count):
    truth = dict(list(TRUTH.items())[:count])
    found = simulate(truth, CLASSES, {"label_noise": share}, "d")
    assert abs(len(wrong(found, truth)) - share * count) <= 0.5 + 1e-6
    assert set(found.labels) == set(truth) and set(found.labels.values()) <= set(CLASSES)


def test_which_clips_are_wrong_is_named_by_dataset_and_clip():
    found = simulate(TRUTH, CLASSES, {"label_noise": 0.2}, "d")
    backwards = simulate(dict(reversed(TRUTH.items())), CLASSES, {"label_noise": 0.2}, "d")
    assert len(wrong(found)) == 80 and found.labels == backwards.labels
    more = simulate(TRUTH, CLASSES, {"label_noise": 0.4}, "d")
    assert wrong(found) < wrong(more)
    assert all(more.labels[clip] == found.labels[clip] for clip in wrong(found))
    assert wrong(simulate(TRUTH, CLASSES, {"label_noise": 0.2}, "e")) != wrong(found)


def test_the_wrong_class_is_uniform_over_the_others():
    truth = {f"c/{i}": "sad" for i in range(3000)}
    found = simulate(truth, CLASSES, {"label_noise": 0.9}, "d")
    counts = Counter(label for label in found.labels.values() if label != "sad")
    assert sum(counts.values()) == 2700 and set(counts) == set(CLASSES) - {"sad"}
    assert min(counts.values()) > 820 and max(counts.values()) < 980


def test_an_annotator_errs_by_his_confusion():
    confusion = {"anger": {"anger": 0.7, "happy": 0.3}, "sad": {"neutral": 1.0}}
    found = simulate(TRUTH, CLASSES, {"annotators": [{"confusion": confusion}]}, "d")
    said = {name: Counter() for name in CLASSES}
    for clip, label in TRUTH.items():
        said[label][found.labels[clip]] += 1
    assert said["sad"] == {"neutral": 100}
    assert said["neutral"] == {"neutral": 100} and said["happy"] == {"happy": 100}
    assert set(said["anger"]) == {"anger", "happy"} and 15 <= said["anger"]["happy"] <= 45
    assert found.votes["c/0002"] == "neutral:1"


def test_annotators_disagree_and_the_majority_wins():
    poor = {name: dict.fromkeys(CLASSES, 0.25) for name in CLASSES}
    good = {"confusion": {}}
    two = simulate(TRUTH, CLASSES, {"annotators": [good, {"confusion": poor}, good]}, "d")
    assert two.labels == TRUTH
    disagreed = [votes for votes in two.votes.values() if "," in votes]
    assert 0.6 * 400 < len(disagreed) < 0.9 * 400
    assert all(votes.count(":2") == 1 for votes in disagreed)
    three = simulate(TRUTH, CLASSES, {"annotators": [{"confusion": poor}] * 3}, "d")
    assert len(wrong(three)) > 200
    apart = [votes for votes in three.votes.values() if "," in votes]
    assert len(apart) > 300, "annotators err independently"


def test_ties_are_broken_by_the_clip_and_favour_no_class():
    always = [{"confusion": {name: {said: 1.0} for name in CLASSES}} for said in ("anger", "sad")]
    found = simulate(TRUTH, CLASSES, {"annotators": always}, "d")
    counts = Counter(found.labels.values())
    assert set(counts) == {"anger", "sad"} and 150 < counts["anger"] < 250
    turned = simulate(TRUTH, CLASSES, {"annotators": always[::-1]}, "d")
    assert turned.labels == found.labels
    assert set(found.votes.values()) == {"anger:1,sad:1"}


def manifest(folder):
    write_tsv(folder / "manifest.tsv", pd.DataFrame({"utt": list(TRUTH), "label": TRUTH.values()}))
    return folder / "manifest.tsv"


def query(clips):
    return pd.DataFrame({"utt": clips, "rank": range(1, len(clips) + 1), "score": 0.5})


def test_a_true_oracle_writes_what_it_always_wrote(tmp_path):
    oracle = {"kind": "simulated", "label_noise": 0.0, "annotators": [], "aggregate": "majority"}
    answers = read_answers(manifest(tmp_path), CLASSES, oracle, "d")
    assert answers.labels == TRUTH and answers.votes is None
    labelled = answer(query(["c/0001", "c/0002"]), None, answers.labels, 0, answers.votes)
    assert list(labelled.columns) == COLUMNS
    write_tsv(tmp_path / "labelled.tsv", labelled)
    assert (tmp_path / "labelled.tsv").read_text() == (
        "utt\tlabel\tacquired_in_round\trank\tscore\n"
        "c/0001\tneutral\t0\t1\t0.500000\nc/0002\tsad\t0\t2\t0.500000\n"
    )


def test_answers_are_the_same_whoever_asks_and_when(tmp_path):
    answers = read_answers(manifest(tmp_path), CLASSES, {"label_noise": 0.5}, "d")
    clips = list(TRUTH)[:20]
    first = answer(query(clips[:10]), None, answers.labels, 0, answers.votes)
    write_tsv(tmp_path / "first.tsv", first)
    second = answer(
        query(clips[10:]), read_tsv(tmp_path / "first.tsv"), answers.labels, 1, answers.votes
    )
    at_once = answer(query(clips[::-1]), None, answers.labels, 0, answers.votes)
    assert dict(zip(second["utt"], second["label"], strict=True)) == dict(
        zip(at_once["utt"], at_once["label"], strict=True)
    )
    assert 0 < sum(second["label"] != [TRUTH[clip] for clip in second["utt"]]) < 20
    assert list(second.columns) == [*COLUMNS, "votes"]
    assert list(second["votes"]) == [f"{label}:1" for label in second["label"]]
    with pytest.raises(ValueError, match="no label"):
        answer(query(["c/9999"]), None, answers.labels, 0, answers.votes)
