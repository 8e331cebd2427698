"""Claims 9, 11 and 16: AFTER beside the systems of Table 3, held, reversed, and without data."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from after_ser.judge.baselines import SCORES
from after_ser.judge.claims.verdict import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from after_ser.studies.baselines.registry import METHODS, Entry
from tests.judge.claims_run import as_claimed, config, judged, made_up

SYSTEMS = {"glam": "GLAM", "lssed": "LSSED", "rhemo": "RH-emo", "light_sernet": "Light",
           "ptapt": "Pseudo-TAPT", "w2v2": "w2v2-L-r-12"}  # fmt: skip


@pytest.fixture(autouse=True)
def every_system(monkeypatch):
    """All six systems of the paper as registered methods, whichever there are."""
    for method, printed in SYSTEMS.items():
        known = METHODS.get(method, Entry(method, "1"))
        monkeypatch.setitem(METHODS, method, replace(known, published=printed, seeded=True))


def run(below=10.0, collapse=30.0, systems=SYSTEMS, datasets=("big", "alone"), folds=5):
    """AFTER `below` points above every system; LSSED and RH-emo fall by `collapse` on Merged."""
    settings = config(folds)
    settings["baselines"] = {name: {"method": name} for name in systems}
    rows = {name: {"baseline": name} for name in systems}
    settings["tables"] = settings["tables"] | {
        "table3": {
            "datasets": {name: name for name in datasets},
            "rows": rows | {"ours": {"arm": "a0", "budget": 0.2}},
            "reference": "ours",
        }
    }
    draw = np.random.default_rng(5)
    fits = []
    for name, dataset, fold in itertools.product(systems, datasets, settings["folds"]):
        ua = as_claimed(settings["arms"]["a0"], dataset, 0.2) + fold - below
        ua += draw.normal(0, 0.05)
        if name in ("lssed", "rhemo") and dataset == "big":
            ua -= collapse
        fits.append(
            [name, name, "paper", dataset, str(fold), "0", 300, 30, ua / 100, ua / 100 - 0.01]
            + [ua / 100, 3, 9, ""]
        )
    return replace(made_up(settings), baselines=pd.DataFrame(fits, columns=SCORES))


def test_after_above_every_system_on_both_datasets_supports_the_claim():
    found = judged(9, run())
    assert found.verdict == SUPPORTED and len(found.outcomes) == 6 * 2 * 2


def test_one_system_above_after_refutes_it():
    evidence = run()
    fits = evidence.baselines
    light = (fits["baseline"] == "light_sernet") & (fits["dataset"] == "alone")
    better = fits.assign(ua=fits["ua"] + 0.15 * light)
    found = judged(9, replace(evidence, baselines=better))
    assert found.verdict == NOT_SUPPORTED and found.decisive.name == "Light on alone, UA"
    assert found.decisive.published == pytest.approx(76.07 - 70.76)


def test_systems_and_datasets_that_were_not_run_leave_it_open():
    found = judged(9, run(systems=("glam",), datasets=("big",)))
    assert found.verdict == UNDECIDED
    assert all(f"{name} on big" in found.reason for name in ("LSSED", "RH-emo", "Light"))
    assert "a dataset of one corpus" in found.reason


def test_rows_that_are_no_system_of_the_paper_do_not_count(monkeypatch):
    monkeypatch.setitem(METHODS, "glam", replace(METHODS["glam"], published=None))
    assert judged(9, run(systems=("glam",))).startswith("no row of table3 ")


def test_a_run_without_table_3_says_so():
    evidence = made_up(config())
    for number in (9, 11, 16):
        assert "no table3" in judged(number, evidence)


def test_a_fall_of_thirty_points_is_a_collapse_and_one_of_two_is_none():
    # as_claimed is 3 points higher on the merged dataset
    assert judged(11, run(collapse=33)).verdict == SUPPORTED
    found = judged(11, run(collapse=5))
    assert found.verdict == NOT_SUPPORTED and "more than 10 points" in found.reason
    assert judged(11, run(systems=("glam",))).endswith("neither LSSED nor RH-emo")
    assert "no dataset" not in judged(11, run(systems=("lssed",))).reason
    assert "not run here: RH-emo" in judged(11, run(systems=("lssed",))).reason


def test_the_headline_is_met_by_nine_points_and_not_by_three():
    assert judged(16, run(below=9.0)).verdict == SUPPORTED
    found = judged(16, run(below=3.0))
    assert found.verdict == NOT_SUPPORTED
    assert {part for part in ("GLAM, UA", "Light, WA")} >= {found.decisive.name}
    assert "not run here: Light, WA" in judged(16, run(below=9.0, systems=("glam",))).reason
    assert "beside GLAM" in judged(16, run(systems=("lssed",)))


def test_fits_on_another_split_are_not_taken():
    evidence = run(systems=("glam",))
    other = evidence.baselines.assign(split="released")
    assert judged(16, replace(evidence, baselines=other)).startswith("AFTER at 20 % ")
