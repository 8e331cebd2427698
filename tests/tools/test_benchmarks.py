"""The benchmark of the acquisition strategies, at a size that says nothing."""

import argparse
import csv
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks/acquisition.py"


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


def test_the_plans_that_grow_are_of_configs_that_are_accepted(tmp_path):
    import growth
    import yaml

    from after_ser.config.resolve import resolve
    from after_ser.judge.grid import cells
    from after_ser.studies.inside.plan import pages

    for rounds in growth.ROUNDS:
        text = growth._config(tmp_path, rounds).read_text(encoding="utf-8")
        config = resolve(yaml.safe_load(text))
        found = list(cells(config))
        assert {cell.round for cell in found} == set(range(rounds))
        assert pages(config, found) == {}


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


@pytest.mark.parametrize("options", [["--data", "F", "--quick"], ["--quick", "--data", "F"]])
def test_every_figure_is_given_the_options_and_no_option_is_a_figure(options, monkeypatch):
    """As make bench CORPORA=F has them, with and without figures."""
    import harness
    import run

    started = []
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: started.append(command[1:]) or done)
    monkeypatch.setattr(run, "set_job_environment", lambda threads: None)
    assert run.main([*options, "--threads", "3"]) == 0
    assert [Path(command[0]).stem for command in started] == list(run.FIGURES)
    started.clear()
    more = ["--repeats", "2", "--device", "cpu", "--out", "there", "--sizes", "toy", "small"]
    assert run.main(["growth", *options, *more]) == 0
    found = harness.options(argparse.ArgumentParser()).parse_args(started[0][1:])
    assert (found.quick, found.data, found.repeats) == (True, Path("F"), 2)
    assert (found.device, found.out, found.sizes) == ("cpu", Path("there"), ["toy", "small"])
    with pytest.raises(SystemExit):
        run.main(["--quick", "shrinking"])


def test_growth_is_per_clip_or_job_and_one_is_in_proportion():
    from planning import per_unit

    # four times the clips: in four times the time, in twice, in sixteen times
    assert per_unit([2.0, 2.0, 2.0], 100, [8.0, 4.0, 32.0], 400) == [1.0, 2.0, 0.25]


def test_use_is_operations_per_second_of_the_same_repetition_s_ceiling():
    from utilisation import operations, shares

    from after_ser.model.families.conv_encoder import BASE
    from after_ser.model.families.wav2vec2_fast.transformer import TransformerConfig

    assert shares(6e9, [2.0, 1.0], [10e9, 8e9]) == pytest.approx([0.3, 0.75])
    config = TransformerConfig(layerdrop=0.25)
    found = operations(BASE, config, heard=[100.0, 300.0], adapted=[200.0])
    linear = 2 * (12 * (4 * 768**2 + 2 * 768 * 3072))
    products = 12 * 2 * 2 * 768  # attention's two, times the square of a clip's frames
    projection, positions = 2 * 512 * 768, 2 * 128 * 48 * 768  # 16 groups of 48 channels
    layers = 400 * linear + (100**2 + 300**2) * products
    forward = layers + 400 * (projection + positions)
    assert found["transformer, scoring"] == pytest.approx(forward)
    # backward is twice forward, but for what is frozen; three of four layers are trained in a step
    trained = 3 * 0.75 * layers + 400 * (projection + 2 * positions)
    assert found["transformer, fine-tuning"] == pytest.approx(trained)
    cnn = BASE.cnn_flops / BASE.frames_per_second
    assert found["CNN, a clip at a time"] == pytest.approx(400 * cnn)
    one = 200 * linear + 200**2 * products
    assert found["TAPT step"] == pytest.approx(
        3 * (0.75 * one + 200 * (cnn + projection + positions))
    )
    # without attention's squares and positions it is what plans count with
    assert 400 * (linear + projection) == pytest.approx(8 * BASE.transformer_flops)


def test_half_precision_is_measured_against_its_own_ceiling(setting, monkeypatch):
    import utilisation

    ceilings = {torch.float32: 1e9, torch.bfloat16: 4e9}
    monkeypatch.setattr(utilisation, "has_bf16", lambda device: True)
    monkeypatch.setattr(utilisation, "_product", lambda side, kind, device: ceilings[kind])
    monkeypatch.setattr(
        utilisation, "interleaved", lambda ways, repeats, warm: dict.fromkeys(ways, [1.0])
    )
    rows = {row.name: row for row in utilisation.measure(setting).rows}
    assert "CNN, a clip at a time, bf16" not in rows
    for name in ("TAPT step", "transformer, scoring", "transformer, fine-tuning"):
        assert rows[f"{name}, bf16"].ratios[0] == pytest.approx(rows[name].ratios[0] / 4)


def test_a_share_of_padding_is_what_the_model_works_on_for_nothing():
    from finetuning import _padding

    lengths = np.array([1.0, 3.0, 2.0, 2.0])
    assert _padding(lengths, [np.array([0, 1]), np.array([2, 3])]) == pytest.approx(0.2)
    assert _padding(lengths, [np.array([0]), np.array([1]), np.array([2, 3])]) == 0


def test_the_page_keeps_its_words_and_says_what_was_missed(tmp_path):
    import page
    from harness import Figure, machine

    figure = Figure("x", "A figure", "a / way", targets=[("g", "b", 8.0), ("g", "a", 0.5)])
    figure.add("g", {"a": [4.0, 4.0], "b": [1.0, 1.0]}, "a", b="of two")
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
    assert "| g | b (of two) | 1 | 4.00 |" in found
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
    assert all("==" in line for line in pinned) and {"librosa", "soxr"} <= names
    assert not names & own
