"""The generated part of docs/benchmarks.md, from the files in benchmarks/results.

python benchmarks/page.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from after_ser.run.atomic import write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "benchmarks/results", ROOT / "docs/benchmarks.md"
BEGIN = "<!-- begin: written by make bench, do not edit -->"
END = "<!-- end: written by make bench -->"


def write_page(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Replace what lies between the two marks of the page; the words around it stay."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page}: expected the lines {BEGIN} and {END}")
    records = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))
    ]
    made = "\n".join(part for record in records for part in _section(record))
    write_text(page, f"{before}{BEGIN}\n\n{made}\n{END}{after}")


def _section(record: dict[str, Any]) -> list[str]:
    machine = record["machine"]
    where = machine["gpu"] or machine["cpu"]
    load = machine["load_before"][0]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [
        f"### {record['title']}",
        "",
        f"`python benchmarks/{record['figure']}.py`; ratio: {record['ratio']}. {where}, "
        f"{machine['cores']} cores, {machine['threads']} threads, load {load} before; {versions}.",
        "",
        "| | | median, s | ratio | repetitions from – to | target |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    targets = {(group, name): least for group, name, least in record["targets"]}
    for row in record["rows"]:
        least = targets.get((row["group"], row["name"]))
        lines.append(
            f"| {row['group']} | {_name(row)} | {row['median_s']:.3g} | {_number(row['ratio'])} | "
            f"{_spread(row['ratios'])} | {_verdict(row['ratio'], least)} |"
        )
    lines.append("")
    for name, value in record["facts"].items():
        if isinstance(value, dict):
            parts = ", ".join(
                f"{key.replace('_', ' ')}: {_fact(one)}" for key, one in value.items()
            )
            lines.append(f"- {name.replace('_', ' ')}: {parts}")
        else:
            lines.append(f"- {name.replace('_', ' ')}: {_fact(value)}")
    return [*lines, ""]


def _name(row: dict[str, Any]) -> str:
    return f"{row['name']} ({row['note']})" if row["note"] else str(row["name"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} – {max(values):.2f}" if values else "–"


def _verdict(ratio: float | None, least: float | None) -> str:
    """Say what was aimed at and, where it was missed, by how much."""
    if least is None or ratio is None:
        return ""
    if ratio >= least:
        return f"{least:g}, met"
    return f"{least:g}, missed by {100 * (1 - ratio / least):.0f} %"


def _fact(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    write_page()
