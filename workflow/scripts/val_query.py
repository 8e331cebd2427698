"""A fold's val clips without a label, in random order: the first thing people are asked for."""

from pathlib import Path

from after_ser.annotation.unscored import given_labels, unscored_query
from after_ser.datasets.sampling import shuffled
from after_ser.datasets.tables import read_fold
from after_ser.runtime.atomic import read_tsv, write_tsv
from after_ser.runtime.script import run_script


def main(snakemake):
    frozen = Path(snakemake.params.frozen)
    if frozen.exists():
        write_tsv(snakemake.output.query, read_tsv(frozen))
        return
    fold = read_fold(snakemake.input.fold)
    given = given_labels(snakemake.input.manifest)
    val = [utt for utt in fold.loc[fold["split"] == "val", "utt"] if utt not in given]
    query = unscored_query(shuffled(val, "own val order", snakemake.wildcards.dataset))
    write_tsv(snakemake.output.query, query)


run_script(main, globals())
