"""What people answered to the val query -> the fold and manifest that fits read val from."""

from after_ser.data.datasets.tables import read_fold, read_manifest
from after_ser.run.atomic import write_json, write_tsv
from after_ser.run.script import run_script
from after_ser.studies.annotation.labelled import answered_val, read_published


def main(snakemake):
    p, given, out = snakemake.params, snakemake.input, snakemake.output
    published = read_published(p.run, "val", p.classes, p.oracle)
    fold, manifest, said = answered_val(
        published, read_fold(given.fold), read_manifest(given.manifest)
    )
    write_tsv(out.fold, fold)
    write_tsv(out.manifest, manifest)
    write_json(out.answers, said)


run_script(main, globals())
