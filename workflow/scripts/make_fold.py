"""A dataset's manifest -> one fold: which clip is in train, val or test, and what was balanced."""

from after_ser.datasets.folds import make_fold
from after_ser.runtime.atomic import read_tsv, write_tsv
from after_ser.runtime.script import run_script


def main(snakemake):
    params = snakemake.params
    folds, val = params.settings["folds"], params.settings["val"]
    fold = make_fold(
        read_tsv(snakemake.input.manifest),
        int(snakemake.wildcards.fold),
        params.dataset,
        params.target,
        params.classes,
        by=folds["by"],
        groups=folds.get("groups"),
        val_share=val["share"],
        val_extra=val["extra"],
        balance=params.settings["balance"],
    )
    write_tsv(snakemake.output.fold, fold.splits)
    write_tsv(snakemake.output.balance, fold.balanced_away)


run_script(main, globals())
