"""Scores of arms and baselines -> Table 3 as TSV, Markdown, LaTeX and HTML."""

from after_ser.evaluation.baselines import read_baselines
from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.cells import read_cells
from after_ser.reporting.table3 import table3
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    result = table3(
        read_config(source.config),
        read_cells(source.scores),
        read_baselines(source.baselines),
        list(getattr(source, "summaries", [])),
    )
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
