"""What a figure is made of -> the figure as SVG, PNG, interactive HTML and data."""

from pathlib import Path

from after_ser.evaluation.resolved import read_config
from after_ser.reporting.read import read_all
from after_ser.reporting.registry import FIGURES, base_name, for_variant
from after_ser.runtime.script import run_script


def main(snakemake):
    out = snakemake.output
    name = Path(out.tsv).stem
    figure = FIGURES[base_name(name)]
    config = for_variant(read_config(snakemake.input.config), "figures", name)
    given = read_all(config, figure.reads, snakemake.input)
    figure.build()(config, *given, out.svg, out.png, out.html, out.tsv)


run_script(main, globals())
