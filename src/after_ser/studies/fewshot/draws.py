"""Which clips of a target speaker each few-shot task is trained, selected and tested on.

A task is "this emotion or not" for one speaker. The draws are made once, before any model, and
every start reads them: that makes starts comparable clip for clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from after_ser.data.datasets.duplicates import near_duplicate_keys
from after_ser.data.datasets.sampling import shuffled
from after_ser.studies.fewshot.sources import chosen

COLUMNS = ["speaker", "emotion", "trial", "role", "rank", "utt", "label"]
LEFT_OUT = ["speaker", "emotion", "utt", "reason"]


def draw_tasks(
    manifest: pd.DataFrame,
    corpus: str,
    speakers: Sequence[str],
    labels: Sequence[str] | None,
    k: Sequence[int],
    trials: int,
    val_clips: int,
    test_clips: int | None,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the draws (COLUMNS) and what is left out (LEFT_OUT).

    manifest:   of the target corpus; raw labels are the emotions.
    val_clips:  clips per emotion that choose the epoch; the same in all trials of a speaker.
    test_clips: clips per emotion that are tested on, likewise; None: every clip that is left.

    Train rows are in order of rank and take the emotion and the others in turn, so the first k
    are k/2 of each, and a larger k adds to a smaller one. With test_clips None a trial is tested
    on what none of its k is trained on, the same clips for every k. Rows for val, and for test
    with a fixed number, have no emotion and trial.

    Left out are near-duplicates (a clip again under another name could be in train and test),
    emotions of which a speaker has too few clips for the largest k (their clips are no
    negatives either), and speakers with fewer than two emotions then.
    """
    rows = chosen(manifest, speakers, labels, "fewshot.target")
    half = max(k) // 2
    needed = half + val_clips + (1 if test_clips is None else test_clips)
    drawn: list[tuple[str, str, str, str, int, str, str]] = []
    left: list[tuple[str, str, str, str]] = []
    for speaker in speakers:
        own, copies = _without_copies(rows[rows["speaker"] == speaker].sort_values("utt"))
        left += [(speaker, *copy) for copy in copies]
        pools, few = {}, []
        for label in sorted(set(rows["raw_label"])):
            utts = list(own.loc[own["raw_label"] == label, "utt"])
            if len(utts) < needed:
                few.append((speaker, label, "", f"{len(utts)} clips, {needed} are needed"))
                continue
            pools[label] = shuffled(utts, "fewshot-held-out", corpus, speaker, seed)
        left += few
        if len(pools) < 2:
            reason = f"{len(pools)} emotions have enough clips, 2 are needed"
            left.append((speaker, "", "", reason))
            continue
        fixed = val_clips + (test_clips or 0)
        for label, utts in pools.items():
            for number, utt in enumerate(utts[:fixed]):
                role, rank = ("val", number) if number < val_clips else ("test", number - val_clips)
                drawn.append((speaker, "", "", role, rank, utt, label))
        truth = {utt: label for label, utts in pools.items() for utt in utts[fixed:]}
        for emotion in pools:
            for trial in range(trials):
                source = ("fewshot", corpus, speaker, emotion, trial, seed)
                order = shuffled(truth, *source)
                train = _in_turn(order, truth, emotion, half)
                task = (speaker, emotion, str(trial))
                drawn += [(*task, "train", i, utt, truth[utt]) for i, utt in enumerate(train)]
                if test_clips is None:
                    rest = sorted(set(truth) - set(train))
                    drawn += [(*task, "test", i, utt, truth[utt]) for i, utt in enumerate(rest)]
    return pd.DataFrame(drawn, columns=COLUMNS), pd.DataFrame(left, columns=LEFT_OUT)


def _in_turn(order: Sequence[str], truth: dict[str, str], emotion: str, half: int) -> list[str]:
    positive = [utt for utt in order if truth[utt] == emotion][:half]
    negative = [utt for utt in order if truth[utt] != emotion][:half]
    return [utt for pair in zip(positive, negative, strict=True) for utt in pair]


def _without_copies(own: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """Return a speaker's clips without near-duplicates, and (emotion, clip, reason) of those."""
    keys = near_duplicate_keys(own.assign(label=own["raw_label"]))
    copies = own[(keys != "") & keys.duplicated()]
    return own.drop(copies.index), [
        (label, utt, "near-duplicate of another clip")
        for label, utt in zip(copies["raw_label"], copies["utt"], strict=True)
    ]
