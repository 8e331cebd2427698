"""Table 1 as counted: clips per class of every corpus and of the merged dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

BEFORE = "Merged (before balancing)"
AFTER = "Merged (train+val+test, mean over folds)"


def ratio_text(counts: Sequence[float]) -> str:
    """Return counts as a ratio to the smallest that is not zero, e.g. "1.5 : 1.4 : 1.0 : 1.5"."""
    unit = min((count for count in counts if count), default=1)
    return " : ".join(f"{count / unit:.1f}" for count in counts)


def composition(
    manifest: pd.DataFrame, folds: Mapping[int, pd.DataFrame], classes: Sequence[str]
) -> pd.DataFrame:
    """Return Table 1: corpus, one column per class, total, ratio; a row per corpus, two merged.

    Corpora count their usable clips (labels mapped, duplicates and reserved speakers out), in
    the manifest's order; the last row is the mean over `folds` (number -> utt, split) of what
    balancing left, test included, with one decimal. Numbers are text, ready to be printed.
    """
    rows = [
        _row(str(corpus), _counts(own["label"], classes), "d")
        for corpus, own in manifest.groupby("corpus", sort=False)
    ]
    rows.append(_row(BEFORE, _counts(manifest["label"], classes), "d"))
    labels = manifest.set_index("utt")["label"]
    sums = pd.Series(0, index=list(classes))
    for table in folds.values():
        sums += _counts(table["utt"].map(labels), classes)
    rows.append(_row(AFTER, sums / len(folds), ".1f"))
    return pd.DataFrame(rows, columns=["corpus", *classes, "total", "ratio"])


def _counts(labels: pd.Series, classes: Sequence[str]) -> pd.Series:
    return labels.value_counts().reindex(list(classes), fill_value=0)


def _row(name: str, counts: pd.Series, form: str) -> dict[str, str]:
    row = {"corpus": name}
    row |= {str(label): format(count, form) for label, count in counts.items()}
    return row | {"total": format(counts.sum(), form), "ratio": ratio_text(list(counts))}
