"""P-TAPT, between its stages: clusters of the emotion states of a fold's train clips."""

from pathlib import Path

from after_ser.learn.tapt.clips import train_clips
from after_ser.run.script import run_script
from after_ser.studies.ptapt.cluster import cluster_states


def main(snakemake):
    p, given = snakemake.params, snakemake.input
    cluster_states(
        states_folder=Path(given.weights).parent,
        clips=train_clips(given.manifest, given.fold),
        sizes=list(p.clusters),
        iterations=int(p.iterations),
        seed=("ptapt", p.dataset, int(p.fold), int(p.seed)),
        out_folder=Path(snakemake.output.clusters).parent,
        device=p.device,
        threads=p.threads,
    )


run_script(main, globals())
