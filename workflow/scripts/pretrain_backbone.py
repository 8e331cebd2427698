"""Pre-train a small wav2vec 2.0 from scratch on unlabelled speech."""

from pathlib import Path

from after_ser.learn.tapt.clips import corpus_clips
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.train import pretrain
from after_ser.learn.tapt.validation import hold_out
from after_ser.model.save import write_origin
from after_ser.run.atomic import write_text
from after_ser.run.environment import gpus_per_pretraining
from after_ser.run.script import run_script

GUMBEL_END = 0.5  # the quantiser's temperature falls to this, as in wav2vec 2.0's recipe


def main(snakemake):
    p = snakemake.params
    settings = {
        key: value for key, value in p.settings.items() if key not in ("seed", "validation_share")
    }
    settings |= {"accumulation": snakemake.resources.accumulation, "gumbel_end": GUMBEL_END}
    out = Path(snakemake.output.weights).parent
    clips = corpus_clips(snakemake.input.manifests, p.corpora, p.use)
    seed = ("backbone", int(p.seed))
    learnt, held_out, kind = hold_out(clips, p.settings["validation_share"], *seed)
    pretrain(
        start=p.arch,
        clips=learnt,
        validation=held_out,
        settings=PretrainSettings.of(settings),
        seed=seed,
        out_folder=out,
        state_folder=p.state,
        device=p.device,
        threads=p.threads,
        processes=gpus_per_pretraining(),
    )
    if not held_out:
        write_text(snakemake.output.validation, "step\tloss\n")
    seconds = sum(clip.seconds for clip in learnt)
    write_origin(
        out, "scratch", "random initialisation", "",
        architecture=dict(p.arch), corpora=dict(p.use), clips=len(learnt),
        audio_s=round(seconds, 3), seed=int(p.seed), held_out={"clips": len(held_out), "by": kind},
    )  # fmt: skip


run_script(main, globals())
