"""Fit one baseline on one fold and score val and test."""

from pathlib import Path

from after_ser.core.seeding import derive_seed
from after_ser.data.datasets.tables import read_fold, read_manifest
from after_ser.run.atomic import write_json
from after_ser.run.device import device_name, set_threads, used_device
from after_ser.run.script import run_script
from after_ser.run.timing import Stopwatch
from after_ser.studies.baselines.clips import read_clips
from after_ser.studies.baselines.registry import load
from after_ser.studies.baselines.run import run_baseline, with_features, write_result


def main(snakemake):
    watch = Stopwatch()
    w, p, given = snakemake.wildcards, snakemake.params, snakemake.input
    set_threads(p.threads)
    classes = list(p.classes)
    manifest = read_manifest(given.manifest, classes)
    fold = read_fold(given.fold, set(manifest["utt"]))
    parts = read_clips(fold, manifest, classes)
    method = load(p.method)
    if given.features:
        folder = Path(given.features[0]).parent
        parts = {name: with_features(clips, folder) for name, clips in parts.items()}
    with watch.computing():
        result = run_baseline(
            w.baseline,
            method,
            parts,
            classes=classes,
            settings=dict(p.settings),
            seed=derive_seed("baseline", w.dataset, int(w.fold), int(w.seed)),
            device=p.device,
        )
    write_result(Path(snakemake.output.metrics).parent, result, parts, classes)
    device = device_name(used_device())  # the CPU, for a method that never asked for another
    write_json(snakemake.output.timing, watch.read("fit", device, p.threads))


run_script(main, globals())
