"""Planning time: the paper's grid against the demo, job for job.

python benchmarks/planning.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import ROOT, Figure, Row, Setting, interleaved, main

#: Planning takes most of a minute; three times are enough.
_REPEATS = 3


def measure(setting: Setting) -> Figure:
    """Measure a dry run of each config in a folder without any data."""
    figure = Figure("planning", "Planning", "time per job of the demo / time per job")
    demo, full = ROOT / "config/config.yaml", ROOT / "config/paper.yaml"
    configs = {"demo": demo} if setting.quick else {"demo": demo, "paper": full}
    jobs: dict[str, int] = {}

    def plan(name: str) -> None:
        jobs[name] = planned(configs[name], setting.folder)

    ways = {name: lambda name=name: plan(name) for name in configs}
    timed = interleaved(ways, min(setting.repeats, 1 if setting.quick else _REPEATS), warm=False)
    for name, seconds in timed.items():
        ratios = per_unit(timed["demo"], jobs["demo"], seconds, jobs[name])
        figure.rows.append(Row("dry run", name, seconds, ratios))
    figure.facts = {"jobs": jobs}
    return figure


def per_unit(base: list[float], units: int, seconds: list[float], own_units: int) -> list[float]:
    """Return the base's time per unit over the own one, repetition by repetition.

    1 is growth in proportion; less is worse than that.
    """
    return [(a / units) / (b / own_units) for a, b in zip(base, seconds, strict=True)]


def planned(config: Path, folder: Path) -> int:
    """Return the number of jobs that Snakemake plans for `config` in an empty `folder`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--cores", "2", "--dry-run", "--quiet", "rules", "--configfile", str(config)]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^total +(\d+)", done.stdout + done.stderr, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{config}: {done.stderr.strip() or done.stdout.strip()}")
    return int(found[1])


if __name__ == "__main__":
    main(measure)
