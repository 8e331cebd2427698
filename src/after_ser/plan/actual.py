"""What jobs did cost, from Snakemake's records and the workflow's own timing files."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA = Path(".snakemake/metadata")


@dataclass
class Actual:
    """Of one rule: finished jobs, their seconds in all, and those inside of their steps."""

    jobs: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0


def finished_jobs(
    logs: Collection[str], folder: Path = METADATA
) -> tuple[dict[str, Actual], float]:
    """Return what each rule's finished jobs took, and the seconds in which any of them ran.

    logs: the log files of the jobs that count, those of the plan: what another run made of the
    corpora, and what this one made under other settings, is compared with nothing. A job took from
    its start to its last output; breaks between two calls of Snakemake do not count.
    """
    known_logs = set(logs)
    jobs: dict[tuple[str, str], tuple[float, float]] = {}
    steps: dict[str, float] = {}
    for output, record in _records(folder):
        log = str((record.get("log") or [""])[0])
        begun, ended = record.get("starttime"), record.get("endtime")
        if log not in known_logs or not begun or not ended:
            continue
        rule, key = record["rule"], (record["rule"], log)
        known = jobs.get(key, (begun, ended))
        jobs[key] = min(known[0], begun), max(known[1], ended)
        if output.endswith("timing.json"):
            steps[rule] = steps.get(rule, 0.0) + _wall(Path(output))
    found: dict[str, Actual] = {}
    for (rule, _), (begun, ended) in jobs.items():
        one = found.setdefault(rule, Actual())
        one.jobs += 1
        one.seconds += ended - begun
    for rule, seconds in steps.items():
        found[rule].step_seconds = seconds
    return found, _covered(list(jobs.values()))


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield output path and record; a path too long for one file name is spread over folders."""
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        parts = [part.removeprefix("@") for part in file.relative_to(folder).parts]
        try:
            output = base64.b64decode("".join(parts), altchars=b"-_").decode("utf-8")
            yield output, json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, binascii.Error, OSError):
            continue


def _wall(path: Path) -> float:
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["wall_s"])
    except (OSError, ValueError, KeyError):
        return 0.0


def _covered(spans: list[tuple[float, float]]) -> float:
    total, until = 0.0, float("-inf")
    for begun, ended in sorted(spans):
        total += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return total
