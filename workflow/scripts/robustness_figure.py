"""Scores under noise -> the robustness figure as SVG, PNG, interactive HTML and data."""

from after_ser.evaluation.resolved import read_config
from after_ser.evaluation.robustness import gather_robustness
from after_ser.reporting.robustness_figure import write_robustness_figure
from after_ser.runtime.script import run_script


def main(snakemake):
    out = snakemake.output
    config = read_config(snakemake.input.config)
    write_robustness_figure(config, gather_robustness(config), out.svg, out.png, out.html, out.tsv)


run_script(main, globals())
