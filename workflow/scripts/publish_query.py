"""A query -> annotations/{run}/{asked}/, where people find it. What is there is left alone."""

from after_ser.data.datasets.tables import read_manifest
from after_ser.run.atomic import read_tsv, write_json
from after_ser.run.script import run_script
from after_ser.studies.annotation.answers import read_answered
from after_ser.studies.annotation.places import ROOT
from after_ser.studies.annotation.publish import publish
from after_ser.studies.annotation.resolve import resolve_answers


def main(snakemake):
    p, asked = snakemake.params, snakemake.wildcards.asked
    query = read_tsv(snakemake.input.query, columns=("utt", "rank", "score"))
    answers = read_answered(ROOT / p.run, p.classes).by_clip
    # answered before they were asked for, e.g. in a file of an earlier round
    known = resolve_answers(list(query["utt"]), answers, p.oracle)
    folder = publish(
        query,
        read_manifest(snakemake.input.manifest),
        run=p.run,
        asked=asked,
        classes=p.classes,
        known={*known.labels, *known.out},
    )
    write_json(snakemake.output.published, {"folder": folder.as_posix(), "clips": len(query)})


run_script(main, globals())
