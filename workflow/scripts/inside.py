"""What an arm's runs have left -> the page that looks inside it."""

from after_ser.config.resolved import read_config
from after_ser.judge.grid import cells
from after_ser.run.script import run_script
from after_ser.studies.inside.page import write_page


def main(snakemake):
    config = read_config(snakemake.input.config)
    w, given = snakemake.wildcards, set(snakemake.input.files)
    # of a run that asks people, only the rounds that they have answered are planned
    own = [
        cell
        for cell in cells(config)
        if (cell.dataset, cell.arm) == (w.dataset, w.arm) and cell.metrics in given
    ]
    write_page(config, own, snakemake.output.html)


run_script(main, globals())
