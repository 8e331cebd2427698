"""Scores, pools and queries -> the protocol effect as TSV, Markdown, LaTeX and HTML."""

from after_ser.acquisition.overlap import selection_overlaps
from after_ser.config import as_shown
from after_ser.evaluation.resolved import read_config
from after_ser.grid import cells_of
from after_ser.reporting import table
from after_ser.reporting.cells import read_cells
from after_ser.reporting.protocol_effect import protocol_effect
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    config = as_shown(read_config(source.config), "tables", snakemake.wildcards.table)
    overlaps = selection_overlaps(cells_of(config, config["tables"]["protocol_effect"]))
    summaries = list(getattr(source, "summaries", []))
    result = protocol_effect(config, read_cells(source.scores), overlaps, summaries)
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
