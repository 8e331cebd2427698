"""Metrics and timing files of every cell -> scores.tsv and times.tsv."""

from after_ser.config.resolved import read_config
from after_ser.judge.gather import gather
from after_ser.run.atomic import write_tsv
from after_ser.run.script import run_script


def main(snakemake):
    scores, times = gather(read_config(snakemake.input.config))
    write_tsv(snakemake.output.scores, scores)
    write_tsv(snakemake.output.times, times, "%.3f")


run_script(main, globals())
