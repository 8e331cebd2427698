"""Few-shot scores -> the figure as SVG, PNG, interactive HTML and data."""

from after_ser.evaluation.fewshot import gather_fewshot
from after_ser.evaluation.resolved import read_config
from after_ser.reporting.fewshot_figure import write_fewshot_figure
from after_ser.runtime.script import run_script


def main(snakemake):
    out = snakemake.output
    config = read_config(snakemake.input.config)
    write_fewshot_figure(config, gather_fewshot(config), out.svg, out.png, out.html, out.tsv)


run_script(main, globals())
