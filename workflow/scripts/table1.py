"""The dataset's composition -> Table 1 as TSV, Markdown, LaTeX and HTML."""

from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.table1 import read_composition, table1
from after_ser.runtime.script import run_script


def main(snakemake):
    config = read_config(snakemake.input.config)
    composition = read_composition(snakemake.input.composition, config["classes"])
    out = snakemake.output
    result = table1(config, composition, config["tables"][snakemake.wildcards.table]["dataset"])
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
