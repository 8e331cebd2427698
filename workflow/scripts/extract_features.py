"""A dataset's clips -> the features of a baseline that all folds share."""

from pathlib import Path

from after_ser.run.atomic import read_tsv, write_json
from after_ser.run.device import device_name, set_threads
from after_ser.run.script import run_script
from after_ser.run.timing import Stopwatch
from after_ser.studies.baselines.registry import load
from after_ser.studies.baselines.run import write_features


def main(snakemake):
    import torch

    watch = Stopwatch()
    p, out = snakemake.params, snakemake.output
    set_threads(p.threads)
    manifest = read_tsv(snakemake.input.manifest)
    with watch.computing():
        write_features(Path(out.features).parent, load(p.method), manifest)
    device = device_name(torch.device("cpu"))
    write_json(out.timing, watch.read("features", device, p.threads))


run_script(main, globals())
