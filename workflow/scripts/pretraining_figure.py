"""log.tsv and validation.tsv of a backbone -> the figure of its pre-training."""

from pathlib import Path

from after_ser.judge.figures.pretraining import write_pretraining_figure
from after_ser.run.script import run_script


def main(snakemake):
    folder = Path(snakemake.input.log).parent
    name = f"{snakemake.wildcards.backbone} ({snakemake.params.run})"
    write_pretraining_figure(folder, name, snakemake.output.svg, snakemake.output.png)


run_script(main, globals())
