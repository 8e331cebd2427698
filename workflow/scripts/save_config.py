"""Save the resolved configuration beside the results."""

import yaml

from after_ser.run.atomic import write_text
from after_ser.run.script import run_script


def main(snakemake):
    text = yaml.safe_dump(snakemake.params.config, sort_keys=False, allow_unicode=True)
    write_text(snakemake.output.config, text)


run_script(main, globals())
