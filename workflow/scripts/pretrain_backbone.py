"""Pre-train a small wav2vec 2.0 from scratch on unlabelled speech."""

from pathlib import Path

from after_ser.backbone.save import write_origin
from after_ser.runtime.environment import gpus_per_pretraining
from after_ser.tapt.clips import corpus_clips
from after_ser.tapt.settings import SCRATCH_DEFAULTS, PretrainSettings
from after_ser.tapt.train import pretrain


def main(snakemake):
    p = snakemake.params
    settings = {key: value for key, value in p.settings.items() if key != "seed"}
    settings["accumulation"] = snakemake.resources.accumulation
    out = Path(snakemake.output.weights).parent
    clips = corpus_clips(snakemake.input.manifests, p.corpora, p.use)
    pretrain(
        start=p.arch,
        clips=clips,
        settings=PretrainSettings.of(settings, **SCRATCH_DEFAULTS),
        seed=("backbone", int(p.seed)),
        out_folder=out,
        state_folder=p.state,
        device=p.device,
        threads=p.threads,
        processes=gpus_per_pretraining(),
    )
    seconds = sum(clip.seconds for clip in clips)
    write_origin(
        out, "scratch", "random initialisation", "",
        architecture=dict(p.arch), corpora=dict(p.use), clips=len(clips),
        audio_s=round(seconds, 3), seed=int(p.seed),
    )  # fmt: skip


if __name__ == "__main__":
    from after_ser.runtime.script import run_script

    run_script(main, globals())
