"""Few-shot fine-tuning to one target speaker from one start: every emotion, trial and k."""

from pathlib import Path

from after_ser.model.latents import MEANS, Latents
from after_ser.model.save import file_sha256
from after_ser.run.atomic import read_tsv, write_json, write_tsv
from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.run.progress import Progress
from after_ser.run.script import run_script
from after_ser.run.termination import Termination
from after_ser.run.timing import Stopwatch
from after_ser.studies.fewshot.adapt import adapt_speaker


def main(snakemake):
    watch = Stopwatch()
    p, given = snakemake.params, snakemake.input
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    draws = read_tsv(given.draws, ("rank",))
    out, start = Path(snakemake.output.scores), Path(given.weights).parent
    what = {
        "name": p.start,
        "n_sources": p.n_sources,
        "speaker": p.speaker,
        "k": list(p.k),
        "settings": dict(p.settings),
        "seed": ("fewshot", p.corpus, p.seed),
    }
    files = (given.draws, given.weights, Path(given.latents).with_name(MEANS))
    with Latents(Path(given.latents).parent) as latents, Termination() as termination:
        progress = Progress(
            "fewshot",
            out.parent / "state" / out.stem,
            lambda: {**what, "files": [file_sha256(path) for path in files]},
            watch,
            termination,
        )
        with watch.computing():
            scores = adapt_speaker(
                start=start, draws=draws, latents=latents, device=device, progress=progress, **what
            )
        write_tsv(out, scores)
        write_json(snakemake.output.timing, watch.read("fewshot", device_name(device), p.threads))
        progress.finish()


run_script(main, globals())
