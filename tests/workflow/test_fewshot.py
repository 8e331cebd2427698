"""The few-shot study in the workflow: planned where it is shown, and its rules run."""

import json

import numpy as np
import pytest
import soundfile as sf
import yaml
from fewshot_study import ADAPT, PREFINETUNE
from finetune_clips import write_start
from workflow_runs import (
    REPO,
    pending,
    snakemake,
    succeed,
    table,
    write_config,
)

pytestmark = pytest.mark.slow

OUT = "results/few/fewshot/toy"


def small():
    path = REPO / "tests/config/fewshot.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def write_corpus(root, speakers, seed):
    """Twelve tones per speaker, in layout csv: the label is the pitch."""
    draw = np.random.default_rng(seed)
    lines = ["path,speaker,label"]
    root.mkdir(parents=True)
    for speaker in speakers:
        for number in range(12):
            label = ("low", "high")[number % 2]
            pitch = (150 if label == "low" else 400) * draw.uniform(0.9, 1.1)
            time = np.arange(16_000) / 16_000
            tone = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * draw.normal(size=16_000)
            sf.write(root / f"{speaker}{number:02d}.wav", tone, 16_000)
            lines.append(f"{speaker}{number:02d}.wav,{speaker},{label}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return str(root)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One source, one speaker, from a checkpoint folder: as few jobs as there are rules."""
    folder = tmp_path_factory.mktemp("few")
    config = small()
    config["corpora"] = {
        "mine": {"layout": "csv", "root": write_corpus(folder / "mine", ["a"], 0)},
        "other": {"layout": "csv", "root": write_corpus(folder / "other", ["a", "b"], 1)},
    }
    config["classes"] = ["low", "high"]
    config["backbones"] = {"toy": {"folder": str(write_start(folder / "checkpoint"))}}
    config["fewshot"] |= {
        "target": {"corpus": "mine", "speakers": ["a"]},
        "sources": {"other": {"speakers": ["b"]}},
        "prefinetune": PREFINETUNE,
        "adapt": ADAPT,
    }
    path = write_config(folder / "few.yaml", config)
    succeed(folder, path)
    return folder, path, config


def test_every_rule_has_run_and_nothing_is_left_to_do(run):
    folder, path, _ = run
    results = folder / "results/few"
    for kind in ("tsv", "md", "tex", "html"):
        assert (results / f"tables/fewshot.{kind}").stat().st_size > 0
    for kind in ("svg", "png", "html", "tsv"):
        assert (results / f"figures/fewshot.{kind}").stat().st_size > 0
    base, other = (table(folder, f"{OUT}/scores/{start}/a.tsv") for start in ("baseline", "other"))
    assert set(base["start"]) == {"baseline"} and set(other["sources"]) == {"1"}
    assert len(base) == len(other) == 2 * 2 * 2  # emotions, k, trials
    summary = json.loads((folder / OUT / "prefinetuned/other/summary.json").read_text())
    # of the source's speakers only b, with a tenth of each class for val
    assert summary["sources"]["other"]["train"] == 10
    assert not (results / "state").exists() or not list((results / "state").rglob("*.pt"))
    assert "Nothing to be done" in snakemake(folder, path).output


def test_what_is_trained_again_when_a_setting_changes(run, tmp_path):
    folder, _, config = run
    changed = {**config, "fewshot": {**config["fewshot"], "adapt": {**ADAPT, "few_epochs": 5}}}
    found = pending(folder, write_config(tmp_path / "adapt.yaml", changed))
    rules = set(found.values())
    assert "fewshot_adapt" in rules
    assert not rules & {"fewshot_prefinetune", "fewshot_latents", "fewshot_draws"}
