"""Surprisal embeddings of a dataset's clips, for ALPs."""

from pathlib import Path

from after_ser.runtime.atomic import write_json
from after_ser.runtime.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.runtime.script import run_script
from after_ser.runtime.timing import Stopwatch
from after_ser.tapt.surprisal import extract_surprisal


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
