"""Proof, from the written files alone, that no fold leaks; and what the folds consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.duplicates import near_duplicate_keys
from after_ser.data.datasets.folds import SPLITS
from after_ser.data.datasets.own import OWN

PAIRS = list(combinations(SPLITS, 2))
#: What the released split's halves of one group may share.
OF_HALVES = {("val", "test", column) for column in ("near", "speaker", "session")}


def audit_folds(
    manifest: pd.DataFrame,
    folds: Mapping[int, pd.DataFrame],
    balanced_away: Mapping[int, pd.DataFrame],
    target: str,
    classes: Sequence[str],
    injected: pd.DataFrame | None = None,
    split: str = "paper",
) -> dict[str, Any]:
    """Return the contents of audit.json for a dataset's folds.

    `folds` maps fold number -> table (utt, split), `balanced_away` fold number -> what balancing
    dropped (utt, ...). "violations" lists every broken guarantee in a line of its own: a clip on
    two sides, or one with the same samples, or nearly; a test speaker or session in train or val;
    test clips of an extra corpus, dropped by balancing, or tested in two folds; clips that are
    missing, unknown or listed twice; an empty train or test. "warnings" lists what the paper's
    protocol allows but a reader must know: classes missing from a split. Speakers shared by
    train and val and sentences shared with train are counted, not forbidden.
    `injected` (utt, kind, source) names clips put in on purpose, which may be in train only, a
    near-duplicate only with its source; they do not count as clips of their corpus.

    With `split` "released" val and test are halves of one group: what they share of speakers,
    sessions and near-duplicates is listed under "expected" and is not a violation. In exchange,
    val may share no speaker or session with train. With `split` "own" there is no test, val may
    share no speaker with train, and labels are ignored: there may be none.
    """
    violations: list[str] = []
    expected: list[str] = []
    warnings: list[str] = []
    reports: dict[str, Any] = {}
    keyed = manifest.assign(near=near_duplicate_keys(manifest))
    added = pd.DataFrame(columns=["utt", "kind", "source"]) if injected is None else injected
    for fold in sorted(folds):
        auditor = _FoldAudit(keyed, folds[fold], balanced_away[fold], target, classes, added, split)
        reports[str(fold)] = auditor.report()
        violations += [f"fold {fold}: {line}" for line in auditor.violations]
        warnings += [f"fold {fold}: {line}" for line in auditor.warnings]
        expected += [f"fold {fold}: {line}" for line in auditor.expected]
    tested = pd.concat([table.loc[table["split"] == "test", "utt"] for table in folds.values()])
    twice = sorted(set(tested[tested.duplicated()]))
    if twice:
        violations.append(f"{len(twice)} clips are in test in two folds, such as {twice[0]}")
    manifest = manifest[~manifest["utt"].isin(added["utt"])]
    return {
        "target": target,
        "classes": list(classes),
        "clips": len(manifest),
        "corpora": {
            str(corpus): _label_counts(rows, classes)
            for corpus, rows in manifest.groupby("corpus", sort=False)
        },
        "folds": reports,
        "tested_clips": len(tested),
        "target_clips": int((manifest["corpus"] == target).sum()),
        "warnings": warnings,
        **({"expected": expected} if split == "released" else {}),
        "violations": violations,
    }


def check_audit(audit: Mapping[str, Any], path: str | Path) -> None:
    """Raise InputError naming `path`, where the audit was written, if it found a violation."""
    violations = list(audit["violations"])
    if violations:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        raise InputError(f"the folds leak: {violations[0]}{more}; expected none, see {path}")


def _label_counts(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, int]:
    return {name: int((rows["label"] == name).sum()) for name in classes}


class _FoldAudit:
    """One fold's tables against the manifest; collects violations and warnings as it reports."""

    def __init__(
        self,
        manifest: pd.DataFrame,
        table: pd.DataFrame,
        away: pd.DataFrame,
        target: str,
        classes: Sequence[str],
        injected: pd.DataFrame,
        split: str,
    ) -> None:
        self.manifest, self.table, self.away, self.injected = manifest, table, away, injected
        self.released, self.unlabelled = split == "released", split == OWN
        self.expected: list[str] = []
        self.target, self.classes = target, classes
        self.violations: list[str] = []
        self.warnings: list[str] = []
        # A clip written on two sides stays on both here, so that every check below sees it.
        joined = table.drop_duplicates().merge(manifest, on="utt", how="left", indicator=True)
        self.unknown = list(joined.loc[joined["_merge"] == "left_only", "utt"])
        clips = joined[joined["_merge"] == "both"]
        self.splits = {name: clips[clips["split"] == name] for name in SPLITS}
        self.other = sorted(set(table["split"]) - set(SPLITS))

    def report(self) -> dict[str, Any]:
        """Return the fold's entry of audit.json; fills `violations` and `warnings`."""
        self._check_completeness()
        counts = self._check_injected()
        test = self.splits["test"]
        # in the paper's protocol train and val may share speakers; the released split's may not
        apart = PAIRS if self.released else PAIRS[1:]
        speakers = PAIRS if self.unlabelled else apart
        overlap = {
            "clips": self._overlap("utt", "the same clips are", forbidden=PAIRS),
            "duplicates": self._overlap("sha256", "equal clips are", forbidden=PAIRS),
            "near_duplicates": self._overlap("near", "near-duplicates are", forbidden=PAIRS),
            "speakers": self._overlap("speaker", "test speakers are", forbidden=speakers),
            "sessions": self._overlap("session", "test sessions are", forbidden=apart),
        }
        return {
            "splits": {name: self._composition(name) for name in SPLITS},
            "test_speakers": sorted(set(test["speaker"])),
            "test_sessions": sorted(set(test["session"]) - {""}),
            "overlap": overlap,
            "text_overlap": {
                "test_in_train": self._text_overlap("test"),
                "val_in_train": self._text_overlap("val"),
            },
            "val_labels": len(self.splits["val"]),
            **({} if self.injected.empty else {"injected": counts}),
            "balanced_away": {
                "clips": len(self.away),
                "labels": _label_counts(self.away, self.classes),
                "corpora": {
                    str(corpus): _label_counts(rows, self.classes)
                    for corpus, rows in self.away.groupby("corpus")
                },
            },
        }

    def _complain(self, utts: Sequence[str], what: str) -> None:
        if utts:
            self.violations.append(f"{len(utts)} clips {what}, such as {sorted(utts)[0]}")

    def _check_completeness(self) -> None:
        """Every clip of the manifest is in one split or was dropped by balancing."""
        used, away = self.table["utt"], set(self.away["utt"])
        clips, test = set(self.manifest["utt"]) - set(self.injected["utt"]), self.splits["test"]
        self._complain(self.unknown, "are not in the manifest")
        self._complain(list(used[used.duplicated()]), "are listed twice")
        self._complain(list(clips - set(used) - away), "are neither in a split nor balanced away")
        self._complain(list(away & set(used)), "are both in a split and balanced away")
        self._complain(list(away - clips), "were balanced away but are not in the manifest")
        dropped = self.manifest[self.manifest["utt"].isin(away)]
        hit = dropped[dropped["speaker"].isin(set(test["speaker"]))]
        self._complain(list(hit["utt"]), "of the test speakers were balanced away")
        self._complain(
            list(test.loc[test["corpus"] != self.target, "utt"]), "of extra corpora in test"
        )
        if self.other:
            self.violations.append(f"unknown split {self.other[0]!r}, expected {', '.join(SPLITS)}")
        for name in SPLITS:
            rows = self.splits[name]
            if self.unlabelled and rows.empty == (name != "test"):
                self.violations.append(f"{name} is {'empty' if rows.empty else 'not empty'}")
            if rows.empty and name != "val" and not self.unlabelled:
                self.violations.append(f"{name} is empty")
            for label in () if self.unlabelled else self.classes:
                if rows.empty or not (rows["label"] == label).any():
                    self.warnings.append(f"{name} has no clip of the class {label}")

    def _check_injected(self) -> dict[str, int]:
        """Check that injected clips are in train only, copies with their source; return counts."""
        utts = {name: set(rows["utt"]) for name, rows in self.splits.items()}
        added = self.injected
        for name in ("val", "test"):
            self._complain(
                sorted(set(added["utt"]) & utts[name]), f"were injected and are in {name}"
            )
        here = added[added["utt"].isin(utts["train"])]
        alone = here[(here["source"] != "") & ~here["source"].isin(utts["train"])]
        self._complain(list(alone["utt"]), "are near-duplicates of clips that are not in train")
        return {str(kind): int(count) for kind, count in here["kind"].value_counts().items()}

    def _overlap(
        self, column: str, what: str, forbidden: Sequence[tuple[str, str]]
    ) -> dict[str, int]:
        """Count the values of `column` that each pair of splits shares ("" is no value)."""
        counts = {}
        for pair in PAIRS:
            first, second = (set(self.splits[name][column]) - {""} for name in pair)
            shared = sorted(first & second)
            counts["-".join(pair)] = len(shared)
            if shared and pair in forbidden:
                utt = self.splits[pair[1]].loc[self.splits[pair[1]][column] == shared[0], "utt"]
                example = shared[0] if column in ("speaker", "session") else utt.iloc[0]
                allowed = self.released and (*pair, column) in OF_HALVES
                (self.expected if allowed else self.violations).append(
                    f"{what} in both {pair[0]} and {pair[1]}: {len(shared)}, such as {example}"
                )
        return counts

    def _text_overlap(self, name: str) -> dict[str, Any]:
        """Share of a split's clips with a known text whose corpus and text occur in train."""
        sets = {}
        for part in (name, "train"):
            rows = self.splits[part]
            sets[part] = (rows["corpus"] + "\t" + rows["text_id"])[rows["text_id"] != ""]
        shared = int(sets[name].isin(set(sets["train"])).sum())
        with_text = len(sets[name])
        return {
            "clips": shared,
            "clips_with_text": with_text,
            "share": round(shared / with_text, 6) if with_text else None,
        }

    def _composition(self, name: str) -> dict[str, Any]:
        rows = self.splits[name]
        seconds = pd.to_numeric(rows["duration_s"])
        return {
            "clips": len(rows),
            "minutes": round(float(seconds.sum()) / 60, 3),
            "speakers": int(rows["speaker"].nunique()),
            "labels": _label_counts(rows, self.classes),
            "corpora": {
                str(corpus): {
                    "clips": len(part),
                    "speakers": int(part["speaker"].nunique()),
                    "labels": _label_counts(part, self.classes),
                }
                for corpus, part in rows.groupby("corpus")
            },
        }
