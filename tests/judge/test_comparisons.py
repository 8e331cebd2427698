"""The tables comparisons, learning and penalty: numbers by hand, and what they say of few folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up_run import BUDGETS, config, frames, run_script, speaker_counts
from scipy import stats
from statsmodels.stats.multitest import multipletests

from after_ser.judge.bootstrap import COUNTS, bootstrap_ua_difference
from after_ser.judge.cells import unique_labels
from after_ser.judge.comparison import nadeau_bengio
from after_ser.judge.grid import cells_of
from after_ser.judge.learning_curve import area
from after_ser.judge.tables import significance, table
from after_ser.judge.tables.comparisons import comparisons
from after_ser.judge.tables.learning import learning
from after_ser.judge.tables.penalty import LOSSES, WINS, penalty
from after_ser.run.atomic import write_tsv

OTHER = "entropy + random"


def pick(cells: pd.DataFrame, row: str, column: str, metric: str) -> dict:
    found = cells[(cells["row"] == row) & (cells["column"] == column) & (cells["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0].to_dict()


def runs(scores: pd.DataFrame, arm: str, budget: float, metric: str = "ua") -> pd.DataFrame:
    rows = scores[(scores["arm"] == arm) & (scores["budget"] == budget)]
    return rows[["fold", "seed"]].assign(value=100 * rows[metric])


def test_a_comparison_by_hand():
    settings = config(folds=5)
    scores, _ = frames(settings)
    counts = speaker_counts(settings)
    result = comparisons(settings, scores, counts=counts)
    cell = pick(result.cells, "AFTER & co", "20 %", "UA")
    pair = [runs(scores, arm, 0.2) for arm in ("after", "tapt-ft")]
    means = [one.groupby("fold")["value"].mean() for one in pair]
    test = stats.ttest_rel(*means)
    assert cell["mean"] == pytest.approx((means[0] - means[1]).mean())
    assert cell["ci_low"] == pytest.approx(test.confidence_interval(0.95).low)
    assert cell["p"] == pytest.approx(test.pvalue)
    assert cell["p_nb"] == pytest.approx(nadeau_bengio(*pair, 1 / 4)["p"])
    here = counts[counts["budget"] == 0.2]
    boot = bootstrap_ua_difference(
        *(here[here["arm"] == arm][COUNTS] for arm in ("after", "tapt-ft")),
        "comparisons",
        "merged",
    )
    assert (cell["boot_low"], cell["boot_high"]) == (
        pytest.approx(100 * boot["ci_low"]),
        pytest.approx(100 * boot["ci_high"]),
    )
    assert cell["speakers"] == 10 and cell["boot_mean"] == pytest.approx(100 * boot["mean"])
    assert np.isnan(pick(result.cells, "AFTER & co", "20 %", "WA")["boot_low"])


def test_the_family_is_the_tables_tests_of_one_metric():
    settings = config(folds=5)
    scores, _ = frames(settings)
    result = comparisons(settings, scores)
    for metric in ("UA", "WA"):
        own = result.cells[result.cells["metric"] == metric]
        assert len(own) == 6
        adjusted = multipletests(own["p"], method="holm")[1]
        assert own["p_holm"].to_numpy() == pytest.approx(adjusted)
    words = " ".join(result.footnotes)
    assert "6 for UA, 6 for WA" in words
    text = result.shown("md")
    assert text.count("†") == (result.cells["p_holm"] < 0.05).sum() + 1 > 1
    assert "speakers" not in text.lower(), "without predictions nothing is said of speakers"


def test_arms_that_share_a_model_are_outside_the_family():
    settings = config(folds=5)
    scores, _ = frames(settings)
    shared = scores["budget"] == 0.1
    same = scores[shared & (scores["arm"] == "tapt-ft")][["ua", "wa"]].to_numpy()
    scores.loc[shared & (scores["arm"] == "after"), ["ua", "wa"]] = same
    result = comparisons(settings, scores)
    cell = pick(result.cells, "AFTER & co", "10 %", "UA")
    assert np.isnan(cell["p"]) and np.isnan(cell["p_holm"]) and cell["mean"] == 0
    assert "no difference in any fold" in cell["note"]
    assert "±0.0 · no test" in result.shown("md")
    words = " ".join(result.footnotes)
    assert "5 for UA, 5 for WA" in words and "2 differences without a test" in words


@pytest.mark.parametrize("folds", [1, 2])
def test_too_few_folds_or_speakers_are_said_instead_of_p_values(folds):
    settings = config(folds=folds)
    settings["seeds"] = [0]
    scores, _ = frames(settings)
    counts = speaker_counts(settings)
    for result in (comparisons(settings, scores, counts=counts), learning(settings, scores)):
        assert result.cells["p"].isna().all() and result.cells["p_holm"].isna().all()
        words = " ".join(result.footnotes)
        assert "No p-values: " in words
        assert "One seed" in words and "Holm" not in words
        assert "no test" in result.shown("html")
        assert "N–B" not in result.shown("html")
    words = " ".join(comparisons(settings, scores, counts=counts).footnotes)
    assert f"{2 * folds} speakers: " in words and "not trustworthy" in words
    result = penalty(settings, scores)
    assert pick(result.cells, "TAPT+FT", "AFTER & co", "penalty")["n"] > 0
    assert result.notes[-1].startswith("Not computed: ")
    off_diagonal = result.cells[result.cells["row"] != result.cells["column"]]
    assert off_diagonal["mean"].isna().all()


def test_a_cell_that_was_not_run_is_shown_as_such():
    settings = config(folds=3)
    scores, _ = frames(settings)
    gone = scores[~((scores["arm"] == "after") & (scores["budget"] == 1.0))]
    cell = pick(comparisons(settings, gone).cells, "AFTER & co", "100 %", "UA")
    assert (cell["n"], cell["note"]) == (0, "no run") and np.isnan(cell["mean"])


def test_learning_table_by_hand():
    settings = config(folds=3)
    scores, _ = frames(settings)
    scores.loc[scores["arm"] == "after", "ua"] += 0.1
    result = learning(settings, scores)

    def areas(arm):
        parts = [runs(scores, arm, budget).assign(budget=budget) for budget in BUDGETS]
        return area(pd.concat(parts).assign(labelled=1)).groupby("fold")["value"].mean()

    assert pick(result.cells, "AFTER & co", "UA", "area")["mean"] == pytest.approx(
        areas("after").mean()
    )
    cell = pick(result.cells, "AFTER & co", "UA", "difference")
    test = stats.ttest_rel(areas("after"), areas("tapt-ft"))
    assert cell["p"] == pytest.approx(test.pvalue)
    assert cell["mean"] == pytest.approx((areas("after") - areas("tapt-ft")).mean())
    family = result.cells[(result.cells["column"] == "UA") & result.cells["p"].notna()]
    assert cell["p_holm"] == pytest.approx(multipletests(family["p"], method="holm")[1][0])
    mean = {
        arm: [runs(scores, arm, budget)["value"].mean() for budget in BUDGETS]
        for arm in ("after", "tapt-ft")
    }
    below = {arm: sum(mean["tapt-ft"][-1] - value for value in mean[arm]) for arm in mean}
    cell = pick(result.cells, "AFTER & co", "UA", "deficiency")
    assert cell["mean"] == pytest.approx(below["after"] / below["tapt-ft"])
    assert pick(result.cells, "TAPT+FT", "UA", "deficiency")["mean"] == pytest.approx(1)
    target = mean["tapt-ft"][-1]
    reached = next(b for b, v in zip(BUDGETS, mean["after"], strict=True) if v >= target)
    cell = pick(result.cells, "AFTER & co", "UA", "labels needed")
    assert reached < 1 and cell["mean"] == pytest.approx(100 * reached)
    assert cell["labels"] == pytest.approx(300 * reached)
    assert cell["utilisation"] == pytest.approx(reached)
    assert pick(result.cells, "TAPT+FT", "UA", "labels needed")["mean"] == pytest.approx(100)


def test_labels_needed_without_all_labels_or_without_success():
    settings = config(folds=3)
    settings["tables"]["learning"]["budgets"] = [0.05, 0.1, 0.2]
    scores, _ = frames(settings)
    result = learning(settings, scores)
    cell = pick(result.cells, "AFTER & co", "UA", "labels needed")
    assert np.isnan(cell["mean"]) and cell["note"].startswith("no full-data score")
    assert "Labels needed: not known" in " ".join(result.footnotes)
    settings["tables"]["learning"]["full_data"] = 1.0
    scores.loc[(scores["arm"] == "tapt-ft") & (scores["budget"] == 1.0), "ua"] = 0.99
    result = learning(settings, scores)
    cell = pick(result.cells, "AFTER & co", "UA", "labels needed")
    assert np.isnan(cell["mean"]) and cell["note"] == "not reached by 20 %"
    assert "not reached by 20 %" in result.shown("html")
    assert pick(result.cells, "TAPT+FT", "UA", "labels needed")["mean"] == pytest.approx(100)
    # the deficiency's last budget is the table's, not the full-data one
    assert pick(result.cells, "TAPT+FT", "UA", "deficiency")["mean"] == pytest.approx(1)


def test_a_random_arm_that_does_not_rise_has_no_deficiency():
    settings = config(folds=3)
    scores, _ = frames(settings)
    scores.loc[scores["arm"] == "tapt-ft", "ua"] = 0.6
    result = learning(settings, scores)
    assert np.isnan(pick(result.cells, "AFTER & co", "UA", "deficiency")["mean"])
    assert "– · the random arm " in result.shown("md")


def test_penalty_table_sums_rows_and_columns():
    settings = config(folds=5)
    scores, _ = frames(settings)
    scores.loc[scores["arm"] == "after", "ua"] += 0.3
    cells = penalty(settings, scores).cells
    assert pick(cells, "AFTER & co", "TAPT+FT", "penalty")["mean"] == pytest.approx(1)
    assert pick(cells, "AFTER & co", OTHER, "penalty")["mean"] == pytest.approx(1)
    assert pick(cells, "AFTER & co", WINS, "sum")["mean"] == pytest.approx(2)
    assert pick(cells, LOSSES, "AFTER & co", "penalty")["mean"] == pytest.approx(0)
    against = [pick(cells, row, "TAPT+FT", "penalty")["mean"] for row in ("AFTER & co", OTHER)]
    assert pick(cells, LOSSES, "TAPT+FT", "penalty")["mean"] == pytest.approx(sum(against))
    assert "| AFTER & co | 1.00 | – | 1.00 | 2.00 |" in penalty(settings, scores).shown("md")


def test_arms_with_one_label_stay_apart():
    settings = config()
    settings["arms"]["after-random"]["label"] = "AFTER & co"
    names = unique_labels(settings, ["after", "after-random", "ft"])
    assert list(names.values()) == ["AFTER & co (after)", "AFTER & co (after-random)", "FT"]


def test_p_values_as_text(tmp_path):
    assert significance.p_text(0.04949) == "0.049" and significance.p_text(0.0004) == "< 0.001"
    settings = config(folds=3)
    result = comparisons(settings, frames(settings)[0])
    result.cells.loc[0, "p"] = 1.23e-9
    forms = [tmp_path / f"x.{form}" for form in ("tsv", "md", "tex", "html")]
    result.write(*forms)
    assert pd.read_csv(forms[0], sep="\t")["p"][0] == 1.23e-9, "a small p is not written as 0"


def test_the_script_reads_predictions_and_writes_the_same_bytes_twice(tmp_path, monkeypatch):
    settings = config(folds=3)
    settings["tables"] = {"comparisons": settings["tables"]["comparisons"]}
    settings["figures"] = {}
    for protocol in settings["protocols"].values():
        protocol["oracle"] = {"kind": "simulated"}
    scores, _ = frames(settings)
    monkeypatch.chdir(tmp_path)
    write_tsv("scores.tsv", scores)
    Path("config.yaml").write_text(yaml.safe_dump(settings))
    noise = np.random.default_rng(0)
    utts = {fold: [f"c/{fold}{index}" for index in range(12)] for fold in (1, 2, 3)}
    speakers = [(utt, f"c/s{fold}{utt[-1] in '02468'}") for fold in utts for utt in utts[fold]]
    write_tsv("manifest.tsv", pd.DataFrame(speakers, columns=["utt", "speaker"]))
    for cell in cells_of(settings, settings["tables"]["comparisons"]):
        frame = pd.DataFrame({"utt": utts[cell.fold], "split": "test"})
        frame["label"] = [settings["classes"][index % 4] for index in range(12)]
        frame[[f"p_{name}" for name in settings["classes"]]] = noise.dirichlet([1] * 4, 12)
        write_tsv(cell.predictions, frame)
    source = {"config": "config.yaml", "scores": ["scores.tsv"], "summaries": []}
    source |= {"counts": ["manifest.tsv"]}
    written = []
    for turn in ("a", "b"):
        forms = ("tsv", "md", "tex", "html")
        run_script("comparisons", source, {form: f"{turn}/comparisons.{form}" for form in forms})
        written.append([path.read_bytes() for path in sorted(Path(turn).iterdir())])
    assert written[0] == written[1] and len(written[0]) == 4
    tidy = pd.read_csv("a/comparisons.tsv", sep="\t")
    assert list(tidy.columns) == [
        *table.COLUMNS, "p", "p_holm", "p_nb", "speakers", "boot_mean", "boot_low", "boot_high"
    ]  # fmt: skip
    assert set(tidy[tidy["metric"] == "UA"]["speakers"]) == {6}
    tex = Path("a/comparisons.tex").read_text(encoding="utf-8")
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert not [sign for sign in body if ord(sign) > 126]
