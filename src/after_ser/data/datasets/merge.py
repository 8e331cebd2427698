"""One dataset from a target corpus and extra corpora: every clip is kept, or dropped by name."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.duplicates import duplicate_reasons
from after_ser.data.datasets.labels import label_table, map_labels

MANIFEST_COLUMNS = [
    "utt",
    "corpus",
    "path",
    "speaker",
    "session",
    "gender",
    "language",
    "text_id",
    "label",
    "valence",
    "arousal",
    "dominance",
    "duration_s",
    "sha256",
]
DROPPED_COLUMNS = ["utt", "corpus", "raw_label", "reason"]


@dataclass(frozen=True)
class CorpusPart:
    """One corpus of a dataset: its manifest and rejects (as read), and the config's say on it.

    `reserved` lists the speakers (as in the manifest, unprefixed) the backbone is pre-trained on,
    or is "all". With `exact_names` two spellings of a name are two speakers or sessions.
    `audio_root` is the folder that the manifest's paths are relative to.
    """

    name: str
    manifest: pd.DataFrame
    rejected: pd.DataFrame
    audio_root: str | os.PathLike[str]
    rejected_path: str | os.PathLike[str]
    default_labels: Mapping[str, str | None] | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    reserved: Sequence[str] | str = ()
    max_rejected_share: float = 0.05
    exact_names: bool = False


def folded(name: str) -> str:
    """Return a name without what its spellings may differ in: Unicode form, case, spaces."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def one_spelling(names: pd.Series, what: str) -> pd.Series:
    """Return each name as it was first written, where others differ only as `folded` says.

    Two spellings of a speaker would be two people, one in train and one in test. Prints a notice
    of what (e.g. "corpus emodb: speaker") was taken together.
    """
    keys = names.map(folded)
    first = names.groupby(keys, sort=False).transform("first")
    together = {
        key: list(spelt) for key, spelt in names.groupby(keys).unique().items() if len(spelt) > 1
    }
    if together:
        listed = "; ".join(" = ".join(map(repr, spelt)) for spelt in together.values())
        print(
            f"notice: {what}: taken as one: {listed} (exact_names of the corpus keeps them apart)",
            file=sys.stderr,
        )
    return first


def merge_corpora(
    parts: Sequence[CorpusPart], classes: Sequence[str], unlabelled: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the dataset's manifest and what was dropped with the reason; `parts[0]` is the target.

    Utterances, speakers and sessions are prefixed with their corpus; spellings of one name become
    the first. Rows keep the order of
    `parts`, by utterance within a corpus. Dropped are, in this order of precedence: labels that
    are not used, speakers reserved for backbone pre-training, and copies with the same samples (the
    target's or first copy stays; copies with different labels all go). Every input row ends up
    in exactly one of the two tables. With `unlabelled` clips without a label (raw_label "") stay,
    with the label "", and no class has to be there.

    Raises InputError for too many rejected clips, an unknown label or reserved speaker, and for
    a class or the target left without a clip.
    """
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise InputError(f"dataset: a corpus is listed twice in {names}, expected each once")
    for part in parts:
        check_rejected_share(part)
    merged = pd.concat([_prepare(part, classes, unlabelled) for part in parts], ignore_index=True)
    copies = duplicate_reasons(merged)
    reason = pd.Series([copies.get(utt, "") for utt in merged["utt"]], merged.index, dtype=str)
    reason = reason.mask(merged["reserved"], "speaker reserved for backbone pre-training")
    unused = (merged["label"] == "") & ~(unlabelled & (merged["raw_label"] == ""))
    reason = reason.mask(unused, "label " + merged["raw_label"] + " is not used")
    manifest = merged.loc[reason == "", MANIFEST_COLUMNS].reset_index(drop=True)
    dropped = merged.assign(reason=reason).loc[reason != "", DROPPED_COLUMNS]
    _check_classes(manifest, dropped, names, [] if unlabelled else classes)
    return manifest, dropped.reset_index(drop=True)


def check_rejected_share(part: CorpusPart) -> None:
    """Raise InputError where more of a corpus was rejected than its `max_rejected_share`.

    Copies count only where most clips are: EmoV-DB as released has 6 % of them.
    """
    reasons = part.rejected.get("reason", pd.Series(dtype=str))
    copies = int(reasons.str.startswith("duplicate of ").sum())
    whole = len(part.rejected) + len(part.manifest)
    rejected = len(part.rejected) - (copies if 2 * copies < whole else 0)
    if whole and rejected / whole > part.max_rejected_share:
        raise InputError(
            f"corpus {part.name}: {rejected} of {whole} clips were rejected, more than "
            f" corpora.{part.name}.max_rejected_share {part.max_rejected_share:g}; see "
            f"the reasons in {part.rejected_path}"
        )


def _prepare(part: CorpusPart, classes: Sequence[str], unlabelled: bool) -> pd.DataFrame:
    """Return a corpus's rows with prefixed names, mapped labels ("" = not used) and `reserved`."""
    rows = part.manifest.sort_values("utt", kind="stable").reset_index(drop=True)
    if rows["utt"].duplicated().any():
        clip = rows.loc[rows["utt"].duplicated(), "utt"].iloc[0]
        raise InputError(f"corpus {part.name}: the clip name {clip} occurs twice in its manifest")
    table = label_table(
        part.name, part.default_labels, part.labels, classes, set(rows["raw_label"])
    )
    if unlabelled:
        table.setdefault("", None)
    root = Path(part.audio_root)
    speakers, sessions = rows["speaker"], rows["session"]
    if not part.exact_names:
        speakers = one_spelling(speakers, f"corpus {part.name}: speaker")
        sessions = one_spelling(sessions, f"corpus {part.name}: session")
    return rows.assign(
        corpus=part.name,
        utt=part.name + "/" + rows["utt"],
        path=[(root / path).as_posix() for path in rows["path"]],
        label=map_labels(rows, table, part.name),
        reserved=_reserved(part, rows["speaker"], speakers),
        speaker=_prefixed(part.name, speakers),
        session=_prefixed(part.name, sessions),
    )


def _prefixed(corpus: str, names: pd.Series) -> pd.Series:
    return (corpus + "/" + names).where(names != "", "")


def _reserved(part: CorpusPart, written: pd.Series, speakers: pd.Series) -> pd.Series:
    """Return which rows belong to speakers reserved for backbone pre-training.

    speakers: the rows' speakers in one spelling, where `written` has the corpus's own.
    """
    if isinstance(part.reserved, str):
        if part.reserved != "all":
            raise InputError(
                f"corpus {part.name}: reserved speakers are {part.reserved!r}, "
                "expected a list of speakers or all"
            )
        return pd.Series(True, index=speakers.index)
    wanted = [str(speaker) for speaker in part.reserved]
    missing = sorted(set(wanted) - set(written))
    if missing:
        raise InputError(
            f"corpus {part.name}: speaker {missing[0]!r} is reserved for backbone pre-training "
            f"but has no clip; expected some of {', '.join(sorted(set(written)))}"
        )
    return speakers.isin(speakers[written.isin(wanted)])


def _check_classes(
    manifest: pd.DataFrame, dropped: pd.DataFrame, names: Sequence[str], classes: Sequence[str]
) -> None:
    target = manifest[manifest["corpus"] == names[0]]
    empty = [name for name in classes if name not in set(target["label"])]
    if not empty and not target.empty:
        return
    what = "clip" if target.empty else f"clip of the class {empty[0]}"
    counts = dropped.loc[dropped["corpus"] == names[0], "reason"].value_counts()
    most = ", ".join(f"{count} x {reason}" for reason, count in counts.head(3).items())
    raise InputError(
        f"dataset: the target corpus {names[0]} has no usable {what}, expected every class of the "
        f"run to be testable (see corpora.{names[0]}.labels); dropped: {most or 'nothing'}"
    )
