"""Scores under noise -> the robustness table as TSV, Markdown, LaTeX and HTML."""

from after_ser.evaluation.resolved import read_config
from after_ser.evaluation.robustness import gather_robustness
from after_ser.reporting import table
from after_ser.reporting.robustness import robustness_table
from after_ser.runtime.script import run_script


def main(snakemake):
    out = snakemake.output
    config = read_config(snakemake.input.config)
    result = robustness_table(config, gather_robustness(config), list(snakemake.input.summaries))
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
