"""The tables of the protocol's switches and of TAPT's objectives: numbers by hand, and notes."""

import copy

import numpy as np
import pandas as pd
import pytest
from made_up_run import BUDGETS, arm, config, frames
from scipy import stats

from after_ser.judge.tables.protocol_effect import protocol_effect
from after_ser.judge.tables.tapt_ablation import tapt_ablation
from after_ser.run.atomic import write_tsv
from after_ser.select.overlap import COLUMNS, selection_overlaps
from after_ser.select.query import make_query

NOTHING = pd.DataFrame(columns=COLUMNS)
PAPER = {"warm_start": True, "shuffle": True, "selection": "top-k", "keep_models": "all"}


def pick(cells, row, column, metric):
    found = cells[(cells["row"] == row) & (cells["column"] == column) & (cells["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0].to_dict()


def effect_run(folds=3):
    settings = config(folds=folds)
    settings["protocols"] = {
        "paper": PAPER,
        "slips": {**PAPER, "shuffle": False, "selection": "argpartition", "keep_models": "last"},
    }
    settings["arms"] = {
        "after": {**arm("AFTER", "tapt", "entropy"), "split": "paper"},
        "slips": {**arm("two slips", "tapt", "entropy"), "protocol": "slips", "split": "paper"},
        "halves": {**arm("halved test", "tapt", "entropy"), "split": "released"},
    }
    settings["tables"]["protocol_effect"] = {
        "dataset": "merged",
        "baseline": "after",
        "arms": ["slips", "halves"],
        "budgets": [0.1, 0.2],
    }
    scores, _ = frames(settings)
    rows = scores["arm"] == "halves"
    scores.loc[rows, "split"] = "released"
    scores.loc[scores["arm"] == "slips", "protocol"] = "slips"
    scores.loc[(scores["arm"] == "slips") & (scores["budget"] == 0.1), "labelled"] = 60
    return settings, scores


def made_up_overlaps(folds=("1", "2", "3")):
    rows = [
        {"arm": name, "fold": fold, "seed": seed, "budget": 0.1, "overlap": share, "chance": 0.05}
        for name, share in (("after", 1.0), ("slips", 0.25))
        for fold in folds
        for seed in ("0", "1")
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_differences_are_paired_by_fold_and_seed_with_an_interval_over_folds():
    settings, scores = effect_run()
    cells = protocol_effect(settings, scores, NOTHING).cells
    here = scores[scores["budget"] == 0.1].set_index(["arm", "fold", "seed"])["wa"]
    folds = 100 * (here["slips"] - here["after"]).groupby("fold").mean()
    low, high = stats.t.interval(0.95, 2, loc=folds.mean(), scale=stats.sem(folds))
    found = pick(cells, "two slips", "10 %", "dWA")
    assert found["mean"] == pytest.approx(folds.mean())
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (found["n"], found["folds"], found["seeds"]) == (6, 3, 2)
    assert pick(cells, "two slips", "10 %", "WA")["mean"] == pytest.approx(
        100 * here["slips"].mean()
    )
    baseline = pick(cells, "AFTER", "10 %", "dUA")
    assert np.isnan(baseline["mean"]) and baseline["note"] == "the baseline"
    assert list(dict.fromkeys(cells["column"])) == ["10 %", "20 %"]


def test_another_split_has_no_paired_difference_and_the_table_says_why():
    settings, scores = effect_run()
    result = protocol_effect(settings, scores, NOTHING)
    means = 100 * scores[scores["budget"] == 0.2].groupby("arm")["ua"].mean()
    found = pick(result.cells, "halved test", "20 %", "dUA")
    assert found["mean"] == pytest.approx(means["halves"] - means["after"])
    assert np.isnan(found["ci_low"]) and np.isnan(found["sd"])
    assert found["note"] == "other test clips: not paired"
    assert any(note.startswith("Tested on other clips") and "halved test" in note
               for note in result.footnotes)  # fmt: skip
    settings["tables"]["protocol_effect"]["arms"] = ["slips"]
    assert "other clips" not in " ".join(protocol_effect(settings, scores, NOTHING).footnotes)


def test_what_differs_is_read_from_the_config():
    notes = protocol_effect(*effect_run(), NOTHING).footnotes
    assert notes[0].startswith("two slips ") and notes[1].startswith("halved test ")
    assert "shuffle off (on), selection argpartition (top-k)" in notes[0]
    assert "split released (paper)" in notes[1]


def test_the_share_really_labelled_and_the_overlap_stand_beside_the_scores():
    settings, scores = effect_run()
    result = protocol_effect(settings, scores, made_up_overlaps())
    assert pick(result.cells, "two slips", "10 %", "labelled")["mean"] == pytest.approx(20)
    labelled = pick(result.cells, "AFTER", "10 %", "labelled")
    assert labelled["mean"] == pytest.approx(10) and np.isnan(labelled["ci_low"])
    assert pick(result.cells, "two slips", "10 %", "overlap")["mean"] == pytest.approx(25)
    assert "overlap" not in set(result.cells.query("column == '20 %'")["metric"])
    assert any("random choice would have 5 %" in note for note in result.footnotes)
    assert not any("random choice" in note
                   for note in protocol_effect(settings, scores, NOTHING).footnotes)  # fmt: skip


def test_one_fold_is_told_and_every_form_is_written(tmp_path):
    settings, scores = effect_run(folds=1)
    result = protocol_effect(settings, scores, made_up_overlaps(["1"]))
    assert result.cells["ci_low"].isna().all() and "No interval: one fold." in result.notes
    paths = [tmp_path / f"t.{suffix}" for suffix in ("tsv", "md", "tex", "html")]
    result.write(*paths)
    text = paths[1].read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| two slips"))
    difference = pick(result.cells, "two slips", "10 %", "dUA")["mean"]
    assert f"{difference:+.1f}".replace("-", "−") in row, "differences carry their sign"
    heads = next(line for line in text.splitlines() if line.startswith("| Protocol"))
    assert heads.index("UA difference (points)") < heads.index("labelled (%)")
    assert "overlap with top k" in paths[3].read_text(encoding="utf-8")
    assert "_" not in paths[2].read_text(encoding="utf-8").replace("\\_", "")


def test_two_arms_of_one_label_keep_rows_of_their_own():
    settings, scores = effect_run()
    settings["arms"]["slips"]["label"] = "AFTER"
    rows = set(protocol_effect(settings, scores, NOTHING).cells["row"])
    assert rows == {"AFTER (after)", "AFTER (slips)", "halved test"}


class Cell:
    """The part of a grid cell that overlaps are made of."""

    def __init__(self, folder, strategy="entropy", index=1):
        self.arm, self.fold, self.seed, self.budget = "a", 2, 0, 0.1
        self.strategy = strategy
        files = (f"{folder}/pool.tsv", f"{folder}/query.tsv")
        self.selection_files = files if index else None


def test_overlaps_are_read_from_the_pool_and_the_query(tmp_path):
    probs = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    pool = pd.DataFrame({"utt": [f"c/{i:02d}" for i in range(40)]})
    pool = pool.assign(**{f"p_{i}": probs[:, i] for i in range(3)})
    query = make_query(pool, "entropy", 8, ("x",))
    query.loc[[0, 1], "utt"] = make_query(pool, "entropy", 40, ("x",))["utt"].iloc[-2:].to_numpy()
    write_tsv(tmp_path / "pool.tsv", pool, "%.9g")
    write_tsv(tmp_path / "query.tsv", query, "%.9g")
    found = selection_overlaps([Cell(tmp_path), Cell(tmp_path, "random"), Cell("missing", index=0)])
    assert found.to_dict("records") == [
        {"arm": "a", "fold": "2", "seed": "0", "budget": 0.1, "overlap": 0.75, "chance": 0.2}
    ]


def ablation_run(folds=3):
    settings = config(folds=folds)
    settings["tapt"] = {
        "tapt": {"objective": "eq1+eq2", "mask_share": 0.15, "steps": 9},
        "eq1": {"objective": "eq1", "mask_share": 0.15, "steps": 9},
    }
    settings["arms"] = {
        "ft": arm("FT", "pretrained", "random"),
        "eq1": arm("Eq. 1", "eq1", "random"),
        "both": arm("both", "tapt", "random"),
    }
    settings["tables"]["tapt_ablation"] = {
        "dataset": "merged",
        "arms": {"None": "ft", "Eq. 1": "eq1", "Eq. 1 + Eq. 2": "both"},
        "budgets": [1.0],
    }
    return settings, frames(settings)[0]


def test_ablation_has_every_fold_the_mean_over_folds_and_the_paired_difference():
    settings, scores = ablation_run()
    result = tapt_ablation(settings, scores)
    here = 100 * scores[scores["budget"] == 1.0].set_index(["arm", "fold", "seed"])["ua"]
    for fold in ("1", "2", "3"):
        found = pick(result.cells, "Eq. 1", f"fold {fold}", "UA")
        assert found["mean"] == pytest.approx(here["eq1"][fold].mean()) and found["n"] == 2
    means = here["eq1"].groupby("fold").mean()
    low, _ = stats.t.interval(0.95, 2, loc=means.mean(), scale=stats.sem(means))
    over = pick(result.cells, "Eq. 1", "over folds", "UA")
    assert (over["mean"], over["ci_low"]) == (pytest.approx(means.mean()), pytest.approx(low))
    paired = (here["both"] - here["ft"]).groupby("fold").mean()
    low, _ = stats.t.interval(0.95, 2, loc=paired.mean(), scale=stats.sem(paired))
    found = pick(result.cells, "Eq. 1 + Eq. 2", "minus None", "dUA")
    assert (found["mean"], found["ci_low"]) == (pytest.approx(paired.mean()), pytest.approx(low))
    assert "minus None" not in set(result.cells.query("row == 'None'")["column"])
    one = pick(result.tsv_only, "None", "fold 2, seed 1", "UA")
    assert one["mean"] == pytest.approx(here["ft"]["2"]["1"]) and one["n"] == 1


def test_ablation_says_what_the_rows_are_and_keeps_budgets_apart():
    settings, scores = ablation_run()
    none, first, both = tapt_ablation(settings, scores).footnotes[0].split("; ")
    assert none.startswith("None: ")
    assert first.startswith("Eq. 1: objective eq1, 15 %") and first.endswith("9 steps")
    assert both.startswith("Eq. 1 + Eq. 2: objective eq1+eq2,")
    settings = copy.deepcopy(settings)
    settings["tables"]["tapt_ablation"]["budgets"] = [BUDGETS[2], 1.0]
    rows = dict.fromkeys(tapt_ablation(settings, scores).cells["row"])
    assert list(rows)[:2] == ["None, 20 %", "Eq. 1, 20 %"] and "None, 100 %" in rows
    one_fold = tapt_ablation(*ablation_run(folds=1))
    assert "No interval: one fold." in one_fold.notes and one_fold.cells["ci_low"].isna().all()


def test_a_budget_that_was_not_run_has_no_difference_either():
    settings, scores = effect_run()
    rest = scores[~((scores["arm"] != "after") & (scores["budget"] == 0.2))]
    cells = protocol_effect(settings, rest, NOTHING).cells
    for row in ("two slips", "halved test"):
        for metric in ("UA", "dUA"):
            found = pick(cells, row, "20 %", metric)
            assert np.isnan(found["mean"]) and found["note"] == "no run"
