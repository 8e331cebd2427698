"""Repeated clips: the same samples across corpora, and nearly within a speaker."""

from __future__ import annotations

import pandas as pd


def duplicate_reasons(clips: pd.DataFrame) -> dict[str, str]:
    """Return utt -> reason for every clip to drop because its samples occur more than once.

    `clips` has utt, sha256, label ("" = not used), raw_label and reserved (bool), in order of
    precedence: the first copy is kept. Copies with different labels are all dropped, since there is
    no telling which is right; a label that is not used counts as a label of its own. A copy of a
    clip reserved for backbone pre-training is dropped too: the backbone has heard it.
    """
    reasons: dict[str, str] = {}
    hashed = clips[clips["sha256"] != ""]
    repeated = hashed[hashed.duplicated("sha256", keep=False)]
    for _, group in repeated.groupby("sha256", sort=False):
        rows = group.to_dict("records")
        if group["label"].nunique() > 1:
            for row in rows:
                other = next(r for r in rows if r["label"] != row["label"])
                name = other["label"] or other["raw_label"]
                reasons[row["utt"]] = f"duplicate of {other['utt']} with another label ({name})"
            continue
        reserved = next((row for row in rows if row["reserved"]), None)
        kept = reserved or rows[0]
        suffix = " (reserved for backbone pre-training)" if reserved else ""
        for row in rows:
            if row is not kept and not row["reserved"]:
                reasons[row["utt"]] = f"duplicate of {kept['utt']}{suffix}"
    return reasons


def near_duplicate_keys(clips: pd.DataFrame) -> pd.Series:
    """Return a key per row that near-duplicates share, "" for clips that have none.

    Near-duplicates are taken to be clips of one speaker with the same sentence, label and
    duration to the microsecond: the same recording, saved again. Two takes of a sentence rarely
    have the same length (none of EmoDB's, 8 % of RAVDESS's clips, whose files end on video frames);
    such a pair counts as near-duplicates too, which only keeps it out of val. Needs the columns
    speaker, text_id, label and duration_s; clips without a text id have no key.
    """
    keys = clips["speaker"] + "\t" + clips["text_id"] + "\t" + clips["label"]
    keys = keys + "\t" + clips["duration_s"].astype(str)
    shared = (clips["text_id"] != "") & keys.duplicated(keep=False)
    return keys.where(shared, "")
