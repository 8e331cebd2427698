"""The tables of robustness and outliers, and the figure: numbers by hand, pairs, every format."""

import numpy as np
import pandas as pd
import pytest
from made_up_run import config as made_up
from scipy import stats

from after_ser.judge.gather import KEYS
from after_ser.judge.tables import table
from after_ser.run.atomic import read_tsv
from after_ser.studies.outliers.picks import KINDS, redundant, shares
from after_ser.studies.outliers.table import outliers_table
from after_ser.studies.robustness.figure import curves, robustness_figure
from after_ser.studies.robustness.table import CLEAN, robustness_table

CONDITIONS = {"white": [20, 0], "telephone": [3400]}


def config(folds=3):
    settings = made_up(folds)
    settings["tables"]["robustness"] = {
        "dataset": "merged",
        "arms": ["after", "tapt-ft"],
        "budget": {"after": 0.2, "tapt-ft": 1.0},
        "conditions": CONDITIONS,
    }
    settings["figures"]["robustness"] = {}
    settings["datasets"]["merged"]["inject"] = {"duplicates": 0.05}
    settings["tables"]["outliers"] = {
        "dataset": "merged",
        "arms": ["after"],
        "random": "ft",
        "budgets": [0.1, 0.2],
    }
    return settings


def key(arm, fold, seed, budget):
    values = dict.fromkeys(KEYS, "x") | {"arm": arm, "dataset": "merged", "budget": budget}
    return values | {"fold": str(fold), "seed": str(seed)}


def robustness_runs(settings):
    noise = np.random.default_rng(1)
    budgets = settings["tables"]["robustness"]["budget"]
    rows = []
    for arm in ("after", "tapt-ft"):
        for fold in settings["folds"]:
            for seed in settings["seeds"]:
                for condition, level, loss in (
                    (CLEAN, "", 0.0), ("white", "20", 0.05), ("white", "0", 0.2),
                    ("telephone", "3400", 0.1),
                ):  # fmt: skip
                    ua = 0.7 + 0.05 * (arm == "after") - loss + noise.normal(0, 0.02)
                    rows.append(
                        key(arm, fold, seed, budgets[arm])
                        | {"condition": condition, "level": level, "ua": ua, "wa": ua - 0.01}
                        | {"macro_f1": ua, "n": 40}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def fold_means(runs, arm, condition, level):
    rows = runs[(runs["arm"] == arm) & (runs["condition"] == condition) & (runs["level"] == level)]
    return rows.groupby("fold")["ua"].mean().to_numpy() * 100


def pick(cells, row, column, metric):
    found = cells[(cells["row"] == row) & (cells["column"] == column) & (cells["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def test_robustness_cells_by_hand():
    settings = config()
    runs = robustness_runs(settings)
    result = robustness_table(settings, runs)
    clean, noisy = (fold_means(runs, "after", *c) for c in ((CLEAN, ""), ("white", "0")))
    cell = pick(result.cells, "white noise, SNR 0 dB", "AFTER & co, 20 %", "UA")
    low, high = stats.t.interval(0.95, 2, loc=noisy.mean(), scale=stats.sem(noisy))
    assert cell["mean"] == pytest.approx(noisy.mean())
    assert (cell["ci_low"], cell["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    lost = pick(result.cells, "white noise, SNR 0 dB", "AFTER & co, 20 %", "UA lost")
    assert lost["mean"] == pytest.approx((clean - noisy).mean())
    assert lost["sd"] == pytest.approx((clean - noisy).std(ddof=1))
    other = fold_means(runs, "tapt-ft", "white", "0")
    name = "AFTER & co, 20 % minus TAPT+FT, 100 %"
    pair = pick(result.tsv_only, "white noise, SNR 0 dB", name, "UA")
    assert pair["mean"] == pytest.approx((noisy - other).mean())
    assert pair["sd"] == pytest.approx((noisy - other).std(ddof=1))
    assert list(dict.fromkeys(result.cells["row"])) == [
        "clean", "white noise, SNR 20 dB", "white noise, SNR 0 dB",
        "telephone band, upper edge 3400 Hz",
    ]  # fmt: skip
    text = result.shown("md")
    assert "synthetic" in text and "paired by fold and seed" in text


def test_one_fold_has_no_interval():
    settings = config(folds=1)
    result = robustness_table(settings, robustness_runs(settings))
    assert result.cells["ci_low"].isna().all() and result.tsv_only["ci_low"].isna().all()
    assert "No interval: one fold." in result.shown("md")


def test_robustness_figure_data_and_files(tmp_path):
    settings = config()
    runs = robustness_runs(settings)
    data = curves(settings, runs)
    assert len(data) == 2 * (3 + 2)
    first = data[(data["arm"] == "after") & (data["condition"] == "white")]
    assert list(first["level"]) == ["clean", "20", "0"] and list(first["place"]) == [0, 1, 2]
    assert first["ua"].iloc[2] == pytest.approx(fold_means(runs, "after", "white", "0").mean())
    paths = [tmp_path / f"r.{kind}" for kind in ("svg", "png", "html", "tsv")]
    robustness_figure(settings, runs).write(*paths)
    assert len(read_tsv(paths[3])) == len(data)
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    page = paths[2].read_text()
    assert "vega" in page and r"AFTER \u0026 co, 20 %" in page


def test_shares_by_hand():
    train = ["a", "b", "c", "d", "a~near", "b~near", "f/1", "g"]
    injected = pd.DataFrame(
        {
            "utt": ["a~near", "b~near", "z~near", "f/1"],
            "kind": ["duplicate", "duplicate", "duplicate", "foreign"],
            "source": ["a", "b", "z", ""],
        }
    )
    truth = dict.fromkeys([*train, "z"], "sad")
    answers = truth | {"c": "happy", "g": "anger"}
    picks = ["a~near", "c", "a", "f/1", "b~near"]
    labelled = pd.DataFrame({"utt": picks, "label": [answers[utt] for utt in picks]})
    found = shares(labelled, train, injected, truth, answers)
    assert found["picks"] == 5
    # a repeats a~near; b~near repeats nothing, since b is not chosen
    assert [found[kind] for kind in KINDS] == [1 / 5, 1 / 5, 1 / 5]
    assert [found[f"pool {kind}"] for kind in KINDS] == [2 / 8, 1 / 8, 2 / 8]
    assert redundant(["a", "b"], {"a~near": "a"}) == 0


def outlier_runs(settings):
    noise = np.random.default_rng(2)
    rows = []
    for arm in ("after", "ft"):
        for fold in settings["folds"]:
            for seed in settings["seeds"]:
                for budget in (0.1, 0.2):
                    share = 0.05 + 0.02 * (arm == "after") + noise.normal(0, 0.005)
                    found = {kind: share for kind in KINDS}
                    found |= {f"pool {kind}": 0.05 for kind in KINDS} | {"picks": 30.0}
                    found |= {"mislabelled": 0.0, "pool mislabelled": 0.0}
                    rows.append(key(arm, fold, seed, budget) | found)
    return pd.DataFrame(rows)


def test_outliers_are_compared_with_random_by_fold_and_seed():
    settings = config()
    runs = outlier_runs(settings)
    result = outliers_table(settings, runs)
    assert set(result.cells["metric"]) == {"near-duplicate", "foreign"}, "nothing is mislabelled"
    means = {
        arm: runs[(runs["arm"] == arm) & (runs["budget"] == 0.2)].groupby("fold")["foreign"].mean()
        for arm in ("after", "ft")
    }
    difference = 100 * (means["after"] - means["ft"])
    row = pick(result.tsv_only, "AFTER & co minus FT", "20 %", "foreign")
    assert row["mean"] == pytest.approx(difference.mean())
    assert row["sd"] == pytest.approx(difference.std(ddof=1))
    shown = pick(result.cells, "AFTER & co", "20 %", "foreign")
    assert shown["vs_random"] == row["mean"] and shown["vs_low"] == row["ci_low"]
    assert table.number(row["mean"], "foreign", signed=True) in result.lines(shown)[1]
    assert len(result.lines(pick(result.cells, "FT", "20 %", "foreign"))) == 1, "random itself"
    assert pick(result.cells, "the whole pool", "10 %", "foreign")["mean"] == pytest.approx(5.0)
    assert "5 % near-duplicates" in result.shown("md")
