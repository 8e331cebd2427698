"""`make bench`: every figure in a process of its own, then the page of what was measured.

python benchmarks/run.py [--quick] [figure ...] [--data folder] [--repeats n] [--threads n]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from harness import options
from page import write_page

from after_ser.run.environment import set_job_environment

HERE = Path(__file__).resolve().parent
FIGURES = (
    *("finetuning", "pretraining", "scoring", "latents"),
    *("resampling", "planning", "utilisation", "growth"),
)


def main(arguments: list[str] | None = None) -> int:
    """Return 1 where a figure could not be measured; the others are measured all the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", help=f"some of {', '.join(FIGURES)}; default: all")
    given = options(parser).parse_args(arguments)
    unknown = sorted(set(given.figures) - set(FIGURES))
    if unknown:
        parser.error(f"no figure {unknown[0]}; expected some of {', '.join(FIGURES)}")
    set_job_environment(given.threads)
    environment = os.environ | {
        "AFTER_SER_BENCHMARK": "1",
        "OMP_NUM_THREADS": str(given.threads),
    }
    failed = []
    for name in given.figures or FIGURES:
        begun = time.perf_counter()
        command = [sys.executable, str(HERE / f"{name}.py"), *_handed_on(given)]
        done = subprocess.run(command, env=environment, check=False)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        if done.returncode != 0:
            failed.append(name)
    if not given.quick and given.out is None:
        write_page()
    if failed:
        print(f"error: not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _handed_on(given: argparse.Namespace) -> list[str]:
    """Return the options as a figure takes them."""
    found = ["--quick"] if given.quick else []
    for name in ("threads", "repeats", "data", "device", "out"):
        value = getattr(given, name)
        found += [] if value is None else [f"--{name}", str(value)]
    return found + (["--sizes", *given.sizes] if given.sizes else [])


if __name__ == "__main__":
    raise SystemExit(main())
