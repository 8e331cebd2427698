"""Task-adaptive pre-training on the train split of a fold; P-TAPT's has pseudo-labels too."""

from pathlib import Path

from after_ser.learn.tapt.clips import train_clips
from after_ser.learn.tapt.pseudo_labels import PseudoLabels
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.train import pretrain
from after_ser.run.environment import gpus_per_pretraining
from after_ser.run.script import run_script


def main(snakemake):
    p = snakemake.params
    clusters = getattr(snakemake.input, "clusters", None)
    pretrain(
        start=Path(snakemake.input.weights).parent,
        clips=train_clips(snakemake.input.manifest, snakemake.input.fold),
        settings=PretrainSettings.of(
            {**p.settings, "accumulation": snakemake.resources.accumulation}
        ),
        seed=("tapt", p.dataset, int(p.fold), int(p.seed)),
        out_folder=Path(snakemake.output.weights).parent,
        state_folder=p.state,
        device=p.device,
        threads=p.threads,
        targets=None if clusters is None else PseudoLabels(Path(clusters).parent),
        processes=gpus_per_pretraining(),
    )


run_script(main, globals())
