"""P-TAPT, stage 1: emotion states from the clips and labels of a fold's train split."""

from pathlib import Path

from after_ser.learn.tapt.clips import train_clips
from after_ser.learn.tapt.config import FirstStage
from after_ser.run.script import run_script
from after_ser.studies.ptapt.train import train_labels, train_states


def main(snakemake):
    p, given = snakemake.params, snakemake.input
    train_states(
        clips=train_clips(given.manifest, given.fold),
        labels=train_labels(given.manifest, given.fold),
        classes=list(p.classes),
        settings=FirstStage.model_validate(dict(p.settings)),
        seed=("ptapt", p.dataset, int(p.fold), int(p.seed)),
        out_folder=Path(snakemake.output.weights).parent,
        state_folder=p.state,
        device=p.device,
        threads=p.threads,
    )


run_script(main, globals())
