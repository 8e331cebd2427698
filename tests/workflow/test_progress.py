"""The page after a round, made by the workflow from the rounds of a finished run."""

import json

import pytest
from workflow_runs import AL, TINY, copy_run, snakemake

pytestmark = pytest.mark.slow

SEED = f"{AL}/tapt/merged/fold1/kmeans/seed0"


def test_the_page_follows_the_rounds(tiny_run, tmp_path):
    folder = copy_run(tiny_run, tmp_path / "run")
    pages = [f"{SEED}/{place}/progress.html" for place in ("round0", "entropy/round1")]
    run = snakemake(folder, TINY, *pages)
    assert run.status == 0, run.output[-4000:]
    facts = [json.loads((folder / page).with_suffix(".json").read_text()) for page in pages]

    metrics = json.loads((folder / SEED / "entropy/round1/metrics.json").read_text())
    assert [len(one["rounds"]) for one in facts] == [1, 2]
    assert facts[1]["rounds"][0] == facts[0]["rounds"][0], "round 0 is drawn alike"
    assert facts[1]["rounds"][1]["labelled"] == metrics["labelled"]
    assert facts[1]["rounds"][1]["ua"] == pytest.approx(metrics["val"]["ua"])
    assert facts[1]["next"]["planned"] and facts[1]["next"]["labelled"] > metrics["labelled"]
    again = snakemake(folder, TINY, *pages, "--dry-run")
    assert "Nothing to be done" in again.output, "nothing else is made again"
