"""The card of a model whose run had no test clips, as with recordings of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from workflow_runs import copy_run

from after_ser.core.metrics import score
from after_ser.judge.grid import cells
from after_ser.run.atomic import read_json, read_tsv, write_json, write_tsv
from after_ser.tools.export.choose import Wanted, choose, read_predictions, read_run
from after_ser.tools.export.command import export

MANIFEST = Path("results/tiny/paper/datasets/merged/manifest.tsv")


@pytest.fixture
def untested(exportable_run, tmp_path, monkeypatch):
    """A copy of the run without test clips, the process in it; returns the chosen model."""
    monkeypatch.chdir(copy_run(exportable_run, tmp_path / "copy"))
    config = read_run("tiny")
    for cell in cells(config):
        table = read_tsv(cell.predictions)
        write_tsv(cell.predictions, table[table["split"] == "val"])
        metrics = read_json(cell.metrics)
        metrics.pop("test", None)
        write_json(cell.metrics, metrics)
    return config, choose(config, Wanted())


def card():
    text = (export("tiny", Wanted(), Path("out"))[0] / "README.md").read_text(encoding="utf-8")
    return text, text.split("## How good it is")[1].split("## Data")[0]


def test_the_validation_scores_are_on_the_card_and_called_what_they_are(untested):
    config, chosen = untested
    classes = config["classes"]
    whole, quality = card()
    assert "new speakers is not known" in quality
    assert "The scores below flatter." in quality
    assert "The test row" not in quality and "| test |" not in quality
    for fold in (1, 2):
        found = []
        for cell in (one for one in chosen.peers if one.fold == fold):
            table, probs = read_predictions(cell, classes, "val")
            found.append(score(list(table["label"]), probs, classes))
        mean = 100 * np.mean([one["ua"] for one in found])
        this = " (this model)" * (fold == chosen.cell.fold)
        assert f"| {fold}{this} | 1 | 24 | 2 | {mean:.1f} [" in quality
    for name, row in zip(classes, read_json(chosen.cell.metrics)["val"]["confusion"], strict=True):
        assert f"| {name} | {' | '.join(map(str, row))} |" in quality
    assert "By speaker, validation clips" in quality and "| speaker 1 | 1 |" in quality
    assert "None of these clips" in quality


@pytest.mark.parametrize(
    ("speaker", "text"),
    [("", "Some speakers are not known"), ("one", "of people whose other clips")],
)
def test_the_card_does_not_claim_speakers_apart_that_it_does_not_know(untested, speaker, text):
    table = read_tsv(MANIFEST)
    table["speaker"] = speaker
    write_tsv(MANIFEST, table)
    whole, quality = card()
    assert f"| toy-emodb | {len(speaker) // 3} |" in whole, "nobody known is no speaker"
    assert text in quality and "None of these clips" not in quality
    assert ("| not stated | 0 |" in quality) is (speaker == "")


def test_what_people_were_asked_is_told(untested):
    _, chosen = untested
    assert "people's answers" not in card()[0]
    said = {"given": 3, "left_out": {"a": "skipped", "b": "unusable"}}
    Path(chosen.cell.labelled).with_name("answers.json").write_text(json.dumps(said))
    text, _ = card()
    assert "The labels are people's answers" in text and "3 of them" in text
    assert "2 clips were skipped" in text
