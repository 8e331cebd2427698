"""The benchmark of the acquisition strategies, at a size that says nothing."""

import csv
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

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


FOLDER = SCRIPT.parent
sys.path.insert(0, str(FOLDER))
QUICK = ("finetuning", "pretraining", "scoring", "latents", "utilisation")


@pytest.fixture
def setting(tmp_path):
    from harness import Setting

    return Setting(True, 1, 1, ("toy",), None, "cpu", tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_a_figure_measures_every_way_it_names(name, setting):
    if name == "finetuning":
        pytest.importorskip("accelerate", reason="only make bench installs it")
    figure = importlib.import_module(name).measure(setting)
    assert figure.name == name and figure.rows
    known = {(row.group, row.name) for row in figure.rows}
    for row in figure.rows:
        assert len(row.seconds) == 1 and row.seconds[0] > 0 and row.ratios[0] > 0
    assert {(group, way) for group, way, _ in figure.targets} <= known
    if name == "finetuning":
        facts = figure.facts["toy"]
        assert facts["padding_here"] < facts["padding_of_random_batches"]
    if name == "latents":
        assert figure.facts["toy"]["float16_largest_difference_of_a_logit"] < 1e-2
    if name == "scoring":
        assert figure.facts["toy"]["largest_difference_of_a_probability_by_batch"] < 1e-5


def test_a_round_of_the_growth_figure_has_a_peak_of_its_own(tmp_path):
    import growth

    found = growth.child(24, 1, tmp_path)
    assert found["labelled"] == 5 and found["seconds"] > 0 and found["peak_gib"] > 0.1


def test_ways_take_turns_and_ratios_are_taken_within_a_repetition():
    from harness import Figure, interleaved

    order = []
    timed = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4, "the first of each warms up"
    assert {name: len(seconds) for name, seconds in timed.items()} == {"a": 3, "b": 3}
    figure = Figure("x", "X", "a / way")
    figure.add("g", {"a": [10.0, 40.0, 10.0], "b": [2.0, 10.0, 5.0]}, "a")
    assert figure.rows[1].ratios == [5.0, 4.0, 2.0]
    assert figure.rows[1].as_dict()["ratio"] == 4.0


def test_the_page_keeps_its_words_and_says_what_was_missed(tmp_path):
    import page
    from harness import Figure, machine

    figure = Figure("x", "A figure", "a / way", targets=[("g", "b", 8.0), ("g", "a", 0.5)])
    figure.add("g", {"a": [4.0, 4.0], "b": [1.0, 1.0]}, "a")
    record = {
        **{"figure": "x", "title": figure.title, "ratio": figure.ratio, "quick": False},
        **{"machine": machine(1), "rows": [row.as_dict() for row in figure.rows]},
        **{"targets": figure.targets, "facts": {"clips": 3}},
    }
    (tmp_path / "x.json").write_text(json.dumps(record))
    text = tmp_path / "page.md"
    text.write_text(f"# Words\n\n{page.BEGIN}\nold\n{page.END}\n\nmore words\n")
    page.write_page(tmp_path, text)
    page.write_page(tmp_path, text)
    found = text.read_text()
    assert found.startswith("# Words") and found.endswith("more words\n") and "old" not in found
    assert "8, missed by 50 %" in found and "0.5, met" in found and "- clips: 3" in found
    text.write_text("no marks")
    with pytest.raises(SystemExit):
        page.write_page(tmp_path, text)


def test_packages_of_the_benchmark_are_pinned_and_nowhere_else():
    folder = SCRIPT.parent.parent / "envs"
    pinned = (folder / "requirements-bench.txt").read_text().split()
    own = {
        line.split("==")[0].lower() for line in (folder / "requirements.txt").read_text().split()
    }
    names = {line.split("==")[0] for line in pinned}
    assert all("==" in line for line in pinned) and {"librosa", "soxr", "accelerate"} <= names
    assert not names & own
