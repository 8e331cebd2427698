"""Metrics and answers of every round -> the table rounds as TSV, Markdown, LaTeX and HTML."""

from after_ser.datasets.tables import read_manifest
from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.rounds import rounds
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    result = rounds(
        read_config(source.config),
        list(source.metrics),
        list(source.answers),
        read_manifest(source.manifest),
    )
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
