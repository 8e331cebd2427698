"""The finished rounds of an arm -> the page about them, and its numbers."""

from pathlib import Path

from after_ser.judge.bootstrap import read_speakers
from after_ser.run.atomic import read_json
from after_ser.run.script import run_script
from after_ser.studies.annotation.finished_rounds import planned_labels
from after_ser.studies.annotation.progress_page import write_progress


def main(snakemake):
    given, out, p = snakemake.input, snakemake.output, snakemake.params
    after = None
    if p.next_fraction is not None:
        said = read_json(given.answers[0]) if given.answers else None
        after = planned_labels(read_json(given.metrics[-1]), p.next_fraction, said)
    write_progress(
        out.page,
        out.facts,
        [Path(path).parent for path in given.metrics],
        title=p.title,
        classes=p.classes,
        speakers=read_speakers(given.manifest),
        next_labelled=after,
        name=p.random_name,
    )


run_script(main, globals())
