"""From a corpus's own labels to the classes of the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from after_ser.core.errors import InputError


def label_table(
    corpus: str,
    defaults: Mapping[str, str | None] | None,
    overrides: Mapping[str, str | None] | None,
    classes: Sequence[str],
    present: Collection[str] = (),
) -> dict[str, str | None]:
    """Return raw label -> class, or None for a label that is not used.

    `defaults` is the adapter's table; a corpus without one (the user's own) takes class names as
    they are. `overrides` is `corpora.<corpus>.labels` of the config and wins. A default class
    that the run does not have is not used; an override to such a class is a slip and raises
    InputError, as does an override of a label that neither the adapter knows nor the corpus has
    (`present`).
    """
    table: dict[str, str | None] = (
        {raw: name if name in classes else None for raw, name in defaults.items()}
        if defaults
        else {name: name for name in classes}
    )
    for raw, name in (overrides or {}).items():
        key = str(raw)
        if name is not None and name not in classes:
            raise InputError(
                f"corpora.{corpus}.labels: {key} is mapped to {name!r}, "
                f"expected one of the classes {', '.join(classes)} or null"
            )
        if key not in table and key not in present:
            quote = " (quote it: to YAML yes, no, on and off are true or false, 02 is 2)"
            raise InputError(
                f"corpora.{corpus}.labels: no clip has the label {key!r}, "
                f"expected one of {', '.join(sorted({*table, *present}))}"
                f"{'' if isinstance(raw, str) and not raw.isdigit() else quote}"
            )
        table[key] = name
    return table


def map_labels(manifest: pd.DataFrame, table: Mapping[str, str | None], corpus: str) -> pd.Series:
    """Return the class of each row of a corpus manifest, "" where its label is not used.

    Raises InputError naming the first clip whose raw label is not in `table`, because a label
    nobody decided about must neither vanish nor be guessed.
    """
    unknown = manifest[~manifest["raw_label"].isin(list(table))]
    if len(unknown):
        clip = unknown.sort_values("utt").iloc[0]
        raise InputError(
            f"corpus {corpus}: clip {clip['utt']} has the unknown label {clip['raw_label']!r}; "
            f"known labels: {', '.join(sorted(table))} "
            f"(add it to corpora.{corpus}.labels with a class, or null to leave it out)"
        )
    return manifest["raw_label"].map({raw: name or "" for raw, name in table.items()}).astype(str)
