"""`make open-quick`: the workflow on real speech, if there is any."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from workflow_runs import REPO, planned_jobs, resolved, snakemake

from after_ser.judge.grid import cells
from after_ser.run.atomic import read_tsv

pytestmark = pytest.mark.slow

PRESET = REPO / "config/open-quick.yaml"
DATA = Path(os.environ.get("AFTER_SER_TEST_DATA", REPO.parent / "shared/data"))
CORPORA = ("emodb", "ravdess", "cremad")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    missing = [name for name in CORPORA if not (DATA / name).is_dir()]
    if missing:
        pytest.skip(f"no {missing[0]} in {DATA}: set AFTER_SER_TEST_DATA to a folder with it")
    folder = tmp_path_factory.mktemp("open")
    run = snakemake(folder, PRESET, "--config", f"corpora_root={DATA.resolve()}", cores=2)
    assert run.status == 0, run.output[-6000:]
    return folder, run


@pytest.fixture(scope="module")
def config():
    return resolved(yaml.safe_load(PRESET.read_text(encoding="utf-8")))


def test_every_cell_of_real_speech_is_scored(finished, config):
    folder, run = finished
    assert planned_jobs(run.output)["tapt"] == len(config["folds"])
    measured = ("ua", "wa", "macro_f1", "fold")
    scores = read_tsv(folder / f"results/{config['run']}/scores.tsv", measured)
    assert len(scores) == len(list(cells(config)))
    assert set(scores["fold"]) == set(config["folds"]) == {1, 2}
    values = scores[["ua", "wa", "macro_f1"]].to_numpy()
    assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
    # nothing is said about who wins; a model with every label must know more than nothing
    full = scores[scores["budget"].astype(float) == max(config["budget"])]
    assert len(full) and full["ua"].mean() > 0.2


def test_the_tables_say_what_they_were_made_with(finished, config):
    folder, _ = finished
    for name in config["tables"]:
        for kind in ("tsv", "md", "tex", "html"):
            assert (folder / f"results/{config['run']}/tables/{name}.{kind}").stat().st_size > 0
    text = (folder / f"results/{config['run']}/tables/table4.md").read_text(encoding="utf-8")
    assert "from scratch" in text and config["note"].split(",")[0] in text
    for name in config["figures"]:
        for kind in ("svg", "png", "html", "tsv"):
            assert (folder / f"results/{config['run']}/figures/{name}.{kind}").stat().st_size > 0


def test_real_clips_are_read_whole_and_reserved_speakers_are_in_no_fold(finished, config):
    folder, _ = finished
    for corpus in CORPORA:
        kept = read_tsv(folder / f"results/corpora/{corpus}/manifest.tsv")
        assert len(kept) > 100, corpus
    reserved = config["backbones"][config["backbone"]]["pretraining"]["corpora"]
    dataset = next(iter(config["datasets"]))
    merged = read_tsv(folder / f"results/{config['run']}/paper/datasets/{dataset}/manifest.tsv")
    used = {f"{corpus}/{name}" for corpus, names in reserved.items() for name in names}
    assert used and not used & set(merged["speaker"])
    audit = folder / f"results/{config['run']}/paper/datasets/{dataset}/audit.json"
    assert not json.loads(audit.read_text(encoding="utf-8"))["violations"]
