"""Scores, times and the table of outliers -> the paper's claims, each with a verdict."""

from after_ser.evaluation.baselines import read_baselines
from after_ser.evaluation.resolved import read_config
from after_ser.reporting.cells import read_cells
from after_ser.reporting.claims.evidence import Evidence
from after_ser.reporting.claims.render import write
from after_ser.reporting.claims.report import claims_report
from after_ser.reporting.table import read
from after_ser.runtime.script import run_script


def main(snakemake):
    source, out = snakemake.input, snakemake.output
    outliers = [read(path) for path in source.outliers]
    evidence = Evidence(
        read_config(source.config),
        read_cells(source.scores),
        read_cells(source.times),
        outliers[0] if outliers else None,
        read_baselines(source.baselines) if source.baselines else None,
    )
    report = claims_report(evidence, list(getattr(source, "summaries", [])))
    write(report, out.tsv, out.parts, out.md, out.tex, out.html)


run_script(main, globals())
