"""Metrics of an arm's last round, all folds and seeds -> its confusion matrix."""

from after_ser.config.resolved import read_config
from after_ser.judge.cells import arm_label
from after_ser.judge.figures.confusion import write_confusion
from after_ser.run.script import run_script


def main(snakemake):
    out = snakemake.output
    config = read_config(snakemake.input.config)
    w = snakemake.wildcards
    name = f"{arm_label(config, w.arm)} on {w.dataset}"
    write_confusion(config, snakemake.input.metrics, name, out.svg, out.png, out.tsv)


run_script(main, globals())
