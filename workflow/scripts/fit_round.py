"""Fit one round of one arm and score val, test and the pool."""

from contextlib import contextmanager
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.core.seeding import derive_seed
from after_ser.data.datasets.tables import read_fold, read_labelled, read_manifest
from after_ser.learn.finetune.round import read_split, round_identity, run_round, write_round
from after_ser.model.latents import Latents
from after_ser.run.atomic import write_json
from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.run.progress import Progress
from after_ser.run.script import run_script
from after_ser.run.termination import Termination
from after_ser.run.timing import Stopwatch
from after_ser.select.complete import expect_labelled


@contextmanager
def _named(fit):
    """Say which fit it was that an InputError is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{fit}: {error}") from None


def main(snakemake):
    watch = Stopwatch()
    w, p, given = snakemake.wildcards, snakemake.params, snakemake.input
    strategy, round_index = p.step
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    # of people's own speech most clips have no label; val's are the ones that people gave
    unlabelled = [""] if w.split == "own" else []
    manifest = read_manifest(given.manifest, [*p.classes, *unlabelled])
    split = read_split(read_fold(given.fold, set(manifest["utt"])), manifest, given.manifest)
    labelled = read_labelled(given.labelled, p.classes)
    queried = w.init != "oneshot" and round_index > 0
    expect_labelled(Path(given.labelled), labelled, p.fraction, len(split.train), queried)
    previous = list(given.get("previous", []))
    parts = (w.dataset, int(w.fold), w.init, int(w.seed))
    what = {
        "split": split,
        "labelled": labelled,
        "start": Path(given.start).parent,
        "previous": (Path(previous[0]), Path(previous[1])) if previous else None,
        "classes": list(p.classes),
        "settings": dict(p.settings),
        "head_seed": derive_seed("head", w.dataset, int(w.fold), int(w.seed)),
        "seed_parts": ("fit", *parts, w.start, strategy, round_index),
    }
    latents, folder = Path(given.latents).parent, Path(snakemake.output.metrics).parent
    with Termination() as termination:
        progress = Progress(
            "fit",
            folder / "state",
            lambda: round_identity(latents=latents, **what),
            watch,
            termination,
        )
        with watch.computing(), _named(f"round {round_index} of {w.dataset}, fold {w.fold}"):
            model, fitted, frames = run_round(
                latents=Latents(latents), device=device, progress=progress, **what
            )
        write_round(
            folder,
            model=model,
            fitted=fitted,
            frames=frames,
            split=split,
            labelled=labelled,
            budget=p.fraction,
            round_index=round_index,
        )
        write_json(snakemake.output.timing, watch.read("fit", device_name(device), p.threads))
        progress.finish()


run_script(main, globals())
