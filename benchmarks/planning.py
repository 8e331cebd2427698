"""Planning time: the paper's grid against the demo, job for job.

python benchmarks/planning.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import ROOT, Figure, Setting, interleaved, main

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
    figure.add("dry run", timed, "demo")
    for row in figure.rows:
        row.ratios[:] = [ratio * jobs[row.name] / jobs["demo"] for ratio in row.ratios]
    figure.facts = {"jobs": jobs}
    return figure


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
