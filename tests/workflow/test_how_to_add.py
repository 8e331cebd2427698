"""The worked examples of docs/how-to-add.md, put into a copy of the code as the page says."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from made_up_run import config, frames
from workflow_runs import REPO, planned_jobs, resolved, tiny, write_config

from after_ser.config import step_settings
from after_ser.run.atomic import read_tsv, write_tsv
from tests.data.corpora_trees import touch_clips

PAGE = (REPO / "docs/how-to-add.md").read_text(encoding="utf-8")
MAKE_TABLE = """
from made_up_run import run_script

outputs = {kind: f"by_seed.{kind}" for kind in ("tsv", "md", "tex", "html")}
run_script("by_seed", {"config": "made.yaml", "scores": ["scores.tsv"], "summaries": []}, outputs)
"""
USE_ALL = """
import json, sys
from pathlib import Path
import pandas as pd
import yaml
from finetune_clips import CLASSES, CPU, SETTINGS, labels, random_clips, write_start
from after_ser.config.resolve import resolve
from after_ser.data.corpora.registry import corpus_adapter
from after_ser.judge.grid import cells
from after_ser.learn.finetune.train import fit
from after_ser.model.classifier import start_classifier
from after_ser.select.query import make_query

pool = pd.DataFrame({"utt": ["a", "b", "c"], "p_x": [0.9, 0.5, 0.3], "p_y": [0.1, 0.5, 0.7]})
query = make_query(pool, "gini", 2, ("s",), features={})
model = start_classifier(write_start(Path("start")), CLASSES, "loudest", 7)
train, val = random_clips(13, seed=1), random_clips(8, seed=2)
fitted = fit(model, train, labels(13), val, labels(8), SETTINGS, 25.0, ("fit", 1), CPU)
config = resolve(yaml.safe_load(Path("all.yaml").read_text()))
clips = corpus_adapter("studio").scan(Path("made"), {})
print(json.dumps({
    "query": list(query["utt"]),
    "head": type(model.head).__name__,
    "losses": list(fitted.history["train_loss"]),
    "clips": [(clip.speaker, clip.raw_label) for clip in clips],
    "cells": sorted({(cell.arm, cell.strategy, cell.protocol) for cell in cells(config)}),
}))
"""
FIT = """
import json, sys
from pathlib import Path
import yaml
from finetune_clips import CLASSES, CPU, SETTINGS, labels, random_clips, write_start
from after_ser.config.resolve import resolve
from after_ser.config.step_settings import of_fit
from after_ser.learn.finetune.train import fit
from after_ser.model.classifier import start_classifier

configs = [resolve(yaml.safe_load(Path(file).read_text())) for file in sys.argv[1:]]
start, clips = write_start(Path("start")), (random_clips(13, seed=1), random_clips(8, seed=2))
epochs = []
for gain in ({}, {"min_gain": 100.0}):
    model = start_classifier(start, CLASSES, SETTINGS["head"], 7)
    given = SETTINGS | {"max_epochs": 6, "patience": 2} | gain
    fitted = fit(model, clips[0], labels(13), clips[1], labels(8), given, 25.0, ("fit", 1), CPU)
    epochs.append(len(fitted.history))
print(json.dumps([[of_fit(config, "paper") for config in configs], epochs]))
"""


def blocks(heading):
    """Return the code of one section of the page, in order."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def copy(tmp_path):
    """A copy of what the examples change and of what is made of it."""
    for name in ("src", "config", "rules", "workflow"):
        shutil.copytree(REPO / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs").mkdir()
    for name in ("Snakefile", "docs/config.md", "docs/config.md.j2"):
        shutil.copy(REPO / name, tmp_path / name)
    return tmp_path


def replace(file, old, new):
    """Replace `old`, which is in the file once."""
    before = file.read_text(encoding="utf-8")
    assert before.count(old) == 1, f"{file}: {old!r}"
    file.write_text(before.replace(old, new), encoding="utf-8")


def python(copy, *arguments):
    """Run Python on the copy's code, in the copy; return what it prints."""
    path = os.pathsep.join([str(copy / "src"), str(REPO / "tests")])
    command = [sys.executable, *map(str, arguments)]
    run = subprocess.run(
        command, cwd=copy, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return run.stdout + run.stderr


def add(copy, heading, registry, entries):
    """Write the file of a section's example and its line of a registry; return its config."""
    code, line, shown = blocks(heading)
    (name,) = re.findall(rf"## {heading}\n.*?A new file, `(.*?)`", PAGE, re.DOTALL)
    (copy / "src/after_ser" / name).write_text(code, encoding="utf-8")
    opening = f"\n{entries} = {{\n"
    replace(copy / "src/after_ser" / registry, opening, opening + line)
    return yaml.safe_load(shown)


def test_a_strategy_a_head_and_a_corpus_are_a_file_and_a_line_each(copy):
    gini = add(copy, "A strategy", "select/registry.py", "STRATEGIES")
    loudest = add(copy, "A classifier head", "model/registry.py", "HEADS")
    studio = add(copy, "A corpus", "data/corpora/registry.py", "LAYOUTS")
    settings = tiny()
    for example in (gini, loudest, studio):
        for section, entries in example.items():
            settings[section] |= entries
    settings["figures"] = {
        "figure2": {"dataset": "merged", "arms": ["gini", "loudest"], "budgets": settings["budget"]}
    }
    write_config(copy / "all.yaml", settings)
    touch_clips(copy / "made", ["studio/anna_12_angry.wav", "studio/ben_03_bored.wav"])
    made = json.loads(python(copy, "-c", USE_ALL).splitlines()[-1])
    assert made["query"] == ["b", "c"]
    assert made["head"] == "Loudest" and made["losses"][-1] < made["losses"][0]
    assert made["clips"] == [["anna", "angry"], ["ben", "bored"]]
    assert ["gini", "gini", "paper"] in made["cells"]
    assert ["loudest", "entropy", "loudest"] in made["cells"]


def test_a_table_is_a_file_a_model_an_entry_and_a_line_of_a_config(copy):
    code, model, entry, line = blocks("A table or figure")
    shown = yaml.safe_load(line)["tables"]
    judge = copy / "src/after_ser/judge"
    (judge / "tables/by_seed.py").write_text(code, encoding="utf-8")
    with (judge / "config.py").open("a", encoding="utf-8") as file:
        file.write(f"\n\n{model}")
    replace(judge / "registry.py", "TABLES = _by_name(\n", entry)
    python(copy, "-m", "after_ser", "config-docs")
    for page in ("docs/config.md", "config/schema.json"):
        assert "by_seed" in (copy / page).read_text(encoding="utf-8"), page

    settings = tiny()
    settings["tables"] = shown | {"by_seed": shown["by_seed"] | {"budgets": settings["budget"][:2]}}
    file = write_config(copy / "tiny.yaml", settings)
    plan = python(copy, "-m", "snakemake", "--configfile", file, "--dry-run", "--quiet", "rules")
    assert planned_jobs(plan)["by_seed"] == 1

    settings = config() | {"tables": shown}
    scores, _ = frames(settings)
    write_tsv(copy / "scores.tsv", scores)
    write_config(copy / "made.yaml", settings)
    python(copy, "-c", MAKE_TABLE)
    made = read_tsv(copy / "by_seed.tsv", ("mean",)).set_index(["row", "column"])["mean"]
    after = scores[scores["arm"] == "after"]
    for seed in ("0", "1"):
        own = after[(after["seed"] == seed) & (after["budget"] == 0.2)]["ua"]
        assert made[f"seed {seed}", "20 %"] == pytest.approx(100 * own.mean(), abs=1e-4)


def test_a_config_key_is_a_line_of_its_model_and_the_code_that_reads_it(copy):
    line, change = blocks("A config key")
    finetune = copy / "src/after_ser/learn/finetune"
    doc = '    """How models are fine-tuned."""\n\n'
    replace(finetune / "config.py", doc, doc + line)
    old, new = ("".join(re.findall(rf"^\{sign}(.*\n)", change, re.MULTILINE)) for sign in "-+")
    replace(finetune / "train.py", old, new)
    python(copy, "-m", "after_ser", "config-docs")
    for page in ("docs/config.md", "config/schema.json"):
        assert "min_gain" in (copy / page).read_text(encoding="utf-8"), page

    plain, gained = tiny(), tiny()
    gained["protocols"]["paper"]["min_gain"] = 0.01
    files = [write_config(copy / "a.yaml", plain), write_config(copy / "b.yaml", gained)]
    fits, epochs = json.loads(python(copy, "-c", FIT, *files))
    before = step_settings.of_fit(resolved(plain), "paper")
    assert fits == [before, before | {"min_gain": 0.01}], "finished runs stay"
    assert epochs == [6, 3], "the first epoch is kept, two are waited for"
