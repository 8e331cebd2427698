"""What was picked, and what of it is of no use -> the table of outliers."""

from after_ser.evaluation.outliers import gather_outliers
from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.outliers import outliers_table
from after_ser.runtime.script import run_script


def main(snakemake):
    out = snakemake.output
    config = read_config(snakemake.input.config)
    result = outliers_table(config, gather_outliers(config), list(snakemake.input.summaries))
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
