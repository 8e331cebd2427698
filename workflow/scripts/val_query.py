"""A fold's val clips without a label, in random order: the first thing people are asked for."""

from after_ser.data.datasets.sampling import shuffled
from after_ser.data.datasets.tables import read_fold
from after_ser.run.atomic import write_tsv
from after_ser.run.script import run_script
from after_ser.studies.annotation.unscored import asked_before, given_labels, unscored_query


def main(snakemake):
    query = asked_before(snakemake.params.frozen)
    if query is None:
        fold = read_fold(snakemake.input.fold)
        given = given_labels(snakemake.input.manifest)
        val = [utt for utt in fold.loc[fold["split"] == "val", "utt"] if utt not in given]
        query = unscored_query(shuffled(val, "own val order", snakemake.wildcards.dataset))
    write_tsv(snakemake.output.query, query)


run_script(main, globals())
