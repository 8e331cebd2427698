"""What people answered to one round's query -> everything labelled so far, and what was said."""

from after_ser.data.datasets.tables import read_fold, read_labelled
from after_ser.run.atomic import read_json, read_tsv, write_json, write_tsv
from after_ser.run.script import run_script
from after_ser.studies.annotation.labelled import answered_round, read_published


def main(snakemake):
    p, given = snakemake.params, snakemake.input
    published = read_published(p.run, p.asked, p.classes, p.oracle)
    query = read_tsv(given.query, columns=("utt", "rank", "score"))
    if p.asked == "round0":
        fold = read_fold(given.fold)
        train = set(fold.loc[fold["split"] == "train", "utt"])
        labelled, said = answered_round(published, query, train=train, manifest=given.manifest)
    else:
        known = read_labelled(given.known, p.classes)
        before = read_json(given.known_answers)
        labelled, said = answered_round(published, query, known=known, before=before)
    write_tsv(snakemake.output.labelled, labelled)
    write_json(snakemake.output.answers, said)


run_script(main, globals())
