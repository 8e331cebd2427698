"""Times -> Figure 3 (time) as SVG, PNG, interactive HTML and data."""

from after_ser.config import as_shown
from after_ser.evaluation.resolved import read_config
from after_ser.reporting.cells import read_cells
from after_ser.reporting.figure3 import write_figure3
from after_ser.runtime.script import run_script


def main(snakemake):
    out = snakemake.output
    config = as_shown(read_config(snakemake.input.config), "figures", snakemake.wildcards.figure)
    write_figure3(config, read_cells(snakemake.input.times), out.svg, out.png, out.html, out.tsv)


run_script(main, globals())
