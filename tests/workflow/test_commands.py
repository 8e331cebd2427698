"""The commands around the workflow: choosing a preset, pruning models."""

from pathlib import Path

import pytest
import yaml

from after_ser.__main__ import choose_preset, main, write_report
from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.judge.grid import cells, robustness_cells
from after_ser.model.classifier import load_classifier
from after_ser.tools.prune import prune

ROOT = Path(__file__).parents[2]


def demo(keep):
    given = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    given["protocols"]["paper"]["keep_models"] = keep
    return resolve(given)


def write_models(config):
    for cell in cells(config):
        weights = Path(cell.folder) / "model/model.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(b"x" * 10)


def test_pruning_keeps_round_0_the_last_round_of_each_arm_and_what_is_tested_under_noise(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = demo("last")
    write_models(config)
    example = next(c for c in cells(config) if c.arm == "after" and c.round == 1)
    weights = Path(example.folder) / "model/model.safetensors"
    before = weights.stat().st_mtime_ns
    count, freed = prune(config)
    assert freed == 10 * count > 0
    assert weights.stat().st_size == 0 and weights.stat().st_mtime_ns == before
    tested = robustness_cells(config)
    assert {cell.round for cell in tested if cell.arm == "after"} == {2}
    for cell in cells(config):
        size = (Path(cell.folder) / "model/model.safetensors").stat().st_size
        last = max(c.round for c in cells(config) if c.arm == cell.arm)
        kept = cell.schedule == "oneshot" or cell.round in (0, last) or cell in tested
        assert size == (10 if kept else 0), cell
    assert prune(config) == (0, 0)
    with pytest.raises(InputError, match="was pruned"):
        load_classifier(weights, weights.with_name("config.json"))


def test_pruning_touches_nothing_where_all_models_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(demo("all"))
    assert prune(demo("all")) == (0, 0)


@pytest.mark.parametrize("reachable", [True, False])
def test_the_preset_falls_back_only_where_the_hub_cannot_be_reached(
    reachable, tmp_path, monkeypatch, capsys
):
    import huggingface_hub

    def download(*args, **kwargs):
        if not reachable:
            raise OSError("no network")
        return tmp_path

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    preferred, fallback = ROOT / "config/open.yaml", ROOT / "config/open-scratch.yaml"
    assert choose_preset(preferred, fallback) == (preferred if reachable else fallback)
    assert ("cannot be reached" in capsys.readouterr().err) is not reachable


def test_a_report_of_a_run_that_does_not_exist_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no tables or figures"):
        write_report("demo", [])
    assert main(["report", "demo"]) == 1
    assert capsys.readouterr().err.startswith("error: results/demo: ")
