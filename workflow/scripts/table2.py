"""Scores and times -> Table 2; its time cells are data of their own (table2_time.tsv)."""

from after_ser.config import as_shown
from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.cells import read_cells
from after_ser.reporting.table2 import table2
from after_ser.runtime.atomic import write_tsv
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    result = table2(
        as_shown(read_config(source.config), "tables", snakemake.wildcards.table),
        read_cells(source.scores),
        read_cells(source.times),
        list(getattr(source, "summaries", [])),
    )
    table.write(result, out.tsv, out.md, out.tex, out.html)
    write_tsv(out.time, result.rendered_only)


run_script(main, globals())
