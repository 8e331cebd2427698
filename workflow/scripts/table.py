"""What a table is made of -> the table as TSV, Markdown, LaTeX and HTML."""

from pathlib import Path

from after_ser.evaluation.resolved import read_config
from after_ser.reporting.read import read_all
from after_ser.reporting.registry import TABLES, base_name, for_variant
from after_ser.runtime.script import run_script


def main(snakemake):
    name = Path(snakemake.output.tsv).stem
    table = TABLES[base_name(name)]
    config = for_variant(read_config(snakemake.input.config), "tables", name)
    made = table.build()(config, *read_all(config, table.reads, snakemake.input))
    made.write(**dict(snakemake.output.items()))


run_script(main, globals())
