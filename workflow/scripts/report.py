"""What a table or figure is made of -> all forms of it."""

from pathlib import Path

from after_ser.config.resolved import read_config
from after_ser.judge.read import read_all
from after_ser.judge.registry import for_variant, of_rule
from after_ser.run.script import run_script


def main(snakemake):
    section, report = of_rule(snakemake.rule)
    name = Path(snakemake.output.tsv).stem
    config = for_variant(read_config(snakemake.input.config), section, name)
    made = report.build()(config, *read_all(config, report.reads, snakemake.input))
    made.write(**dict(snakemake.output.items()))


run_script(main, globals())
