"""A dataset's manifest -> one audited fold: train, val and test, and what was balanced away."""

from pathlib import Path

import pandas as pd

from after_ser.data.datasets.audit import audit_folds, check_audit
from after_ser.data.datasets.folds import make_fold
from after_ser.data.datasets.own import OWN, make_own_fold
from after_ser.run.atomic import read_tsv, write_json, write_tsv
from after_ser.run.script import run_script
from after_ser.studies.outliers.inject import injected_of_fold


def main(snakemake):
    params = snakemake.params
    folds, val = params.settings["folds"], params.settings["val"]
    manifest, number = read_tsv(snakemake.input.manifest), int(snakemake.wildcards.fold)
    listed = getattr(snakemake.input, "injected", [])
    injected = read_tsv(listed) if listed else None
    own = manifest if injected is None else manifest[~manifest["utt"].isin(injected["utt"])]
    split = snakemake.wildcards.split
    common = {
        "by": folds["by"],
        "groups": folds.get("groups"),
        "balance": params.settings["balance"],
    }
    what = (own, number, params.dataset, params.target, params.classes)
    if split == "released":
        fold = make_fold(*what, **common, halves=True)
    elif split == OWN:
        fold = make_own_fold(own, params.dataset, val["share"])
    else:
        fold = make_fold(*what, **common, val_share=val["share"], val_extra=val["extra"])
    splits = fold.splits
    if injected is not None:
        train = splits.loc[splits["split"] == "train", "utt"]
        joined = injected_of_fold(train, injected, params.settings["inject"], params.dataset)
        more = pd.DataFrame({"utt": joined, "split": "train"})
        splits = pd.concat([splits, more]).sort_values("utt").reset_index(drop=True)
    # A fold that exists has passed its audit, so that nothing is ever trained on a leaking one.
    audit = audit_folds(
        manifest,
        {number: splits},
        {number: fold.balanced_away},
        params.target,
        params.classes,
        injected,
        split,
    )
    failed = Path(snakemake.output.fold).with_suffix(".audit.failed.json")
    failed.unlink(missing_ok=True)
    if audit["violations"]:
        write_json(failed, audit)
        check_audit(audit, failed)
    write_tsv(snakemake.output.fold, splits)
    write_tsv(snakemake.output.balance, fold.balanced_away)


run_script(main, globals())
