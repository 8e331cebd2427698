"""Scores and predictions -> the table comparisons as TSV, Markdown, LaTeX and HTML."""

from after_ser.config import as_shown
from after_ser.evaluation.bootstrap import gather_counts, read_speakers
from after_ser.evaluation.resolved import read_config
from after_ser.grid import cells_of
from after_ser.reporting import table
from after_ser.reporting.cells import read_cells
from after_ser.reporting.comparisons import comparisons
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    config = as_shown(read_config(source.config), "tables", snakemake.wildcards.table)
    shown = cells_of(config, config["tables"]["comparisons"])
    counts = gather_counts(shown, read_speakers(source.manifest), config["classes"])
    summaries = list(getattr(source, "summaries", []))
    result = comparisons(config, read_cells(source.scores), summaries, counts)
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
