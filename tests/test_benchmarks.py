"""The benchmark of the acquisition strategies, at a size that says nothing."""

import csv
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "benchmarks/acquisition.py"


def test_the_benchmark_has_a_row_per_strategy(tmp_path):
    out = tmp_path / "table.tsv"
    size = "--clips 80 --labelled 12 --k 30 --dimensions 16 --dropout 0.3 --repeats 2 --threads 1"
    command = [sys.executable, str(SCRIPT), *size.split(), "--out", str(out)]
    options = ["--options", '{"batchbald": {"samples": 500}}']
    subprocess.run([*command, *options, "--strategies", "entropy", "batchbald"], check=True)
    with open(out, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["strategy"] for row in rows] == ["entropy", "batchbald"]
    assert all(float(row["seconds"]) >= 0 and float(row["peak_gib"]) > 0.02 for row in rows)
    assert not rows[0]["remark"] and "then PowerBALD" in rows[1]["remark"]
