"""Few-shot scores -> the table as TSV, Markdown, LaTeX and HTML."""

from after_ser.evaluation.fewshot import gather_fewshot
from after_ser.evaluation.resolved import read_config
from after_ser.reporting import table
from after_ser.reporting.fewshot import fewshot_table
from after_ser.runtime.atomic import read_tsv
from after_ser.runtime.script import run_script


def main(snakemake):
    given, out = snakemake.input, snakemake.output
    config = read_config(given.config)
    left_out = read_tsv(given.left_out)
    result = fewshot_table(config, gather_fewshot(config), left_out, list(given.summaries))
    table.write(result, out.tsv, out.md, out.tex, out.html)


run_script(main, globals())
