"""Few-shot fine-tuning to one target speaker from one start: every emotion, trial and k."""

from pathlib import Path

from after_ser.backbone.latents import Latents
from after_ser.fewshot.adapt import adapt_speaker
from after_ser.runtime.atomic import read_tsv, write_json, write_tsv
from after_ser.runtime.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.runtime.script import run_script
from after_ser.runtime.timing import Stopwatch


def main(snakemake):
    watch = Stopwatch()
    p, given = snakemake.params, snakemake.input
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    with Latents(Path(given.latents).parent) as latents, watch.computing():
        scores = adapt_speaker(
            start=Path(given.weights).parent,
            name=p.start,
            n_sources=p.n_sources,
            speaker=p.speaker,
            draws=read_tsv(given.draws, ("rank",)),
            latents=latents,
            k=p.k,
            settings=p.settings,
            seed=("fewshot", p.corpus, p.seed),
            device=device,
        )
    write_tsv(snakemake.output.scores, scores)
    write_json(snakemake.output.timing, watch.read("fewshot", device_name(device), p.threads))


run_script(main, globals())
