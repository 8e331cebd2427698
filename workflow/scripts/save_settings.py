"""Write what a pool's scores depend on, so that a change of it repeats every query."""

from after_ser.run.atomic import write_json
from after_ser.run.script import run_script


def main(snakemake):
    write_json(snakemake.output.settings, dict(snakemake.params.settings))


run_script(main, globals())
