"""Surprisal embeddings of a dataset's clips, for ALPs."""

from pathlib import Path

from after_ser.learn.tapt.surprisal import extract_surprisal
from after_ser.run.atomic import write_json
from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.run.script import run_script
from after_ser.run.timing import Stopwatch


def main(snakemake):
    watch = Stopwatch()
    p, given, out = snakemake.params, snakemake.input, snakemake.output
    set_threads(p.threads)
    make_deterministic()
    device = choose_device(p.device)
    extract_surprisal(
        Path(given.weights).parent,
        Path(given.latents).parent,
        out.surprisal,
        device=device,
        watch=watch,
        **p.options,
    )
    write_json(out.timing, watch.read("query", device_name(device), p.threads))


run_script(main, globals())
