"""Scores -> V-FT, TAPT and P-TAPT by session as TSV, Markdown, LaTeX and HTML."""

from after_ser.config import as_shown
from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.cells import read_cells
from after_ser.reporting.tapt_sessions import tapt_sessions
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    summaries = list(getattr(source, "summaries", []))
    result = tapt_sessions(
        as_shown(read_config(source.config), "tables", snakemake.wildcards.table),
        read_cells(source.scores),
        summaries,
    )
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
