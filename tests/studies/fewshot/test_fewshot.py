"""The few-shot table and figure: gains by hand, intervals over speakers, every format."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from after_ser.core.errors import InputError
from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.studies.fewshot import grid
from after_ser.studies.fewshot.adapt import COLUMNS
from after_ser.studies.fewshot.figure import GAIN, LEVEL, curves, fewshot_figure
from after_ser.studies.fewshot.scores import gains, gather_fewshot
from after_ser.studies.fewshot.table import fewshot_table

SPEAKERS = ["0011", "0012", "0013"]
LEFT_OUT = pd.DataFrame(
    [("0013", "Sad", "", "7 clips, 9 are needed")],
    columns=["speaker", "emotion", "utt", "reason"],
)


def config(speakers=SPEAKERS, synthetic=True):
    origin = {"synthetic": {"clips": 100}} if synthetic else {"root": "x"}
    return {
        "run": "demo",
        "note": "",
        "backbone": "small",
        "backbones": {"small": {"scratch": {}}},
        "corpora": {name: {"layout": "esd"} | origin for name in ("esd", "x", "y")},
        "fewshot": {
            "target": {"corpus": "esd", "speakers": list(speakers)},
            "sources": {"x": {}, "y": {}},
            "k": [2, 8],
            "trials": 2,
        },
        "tables": {"fewshot": {}},
        "figures": {"fewshot": {}},
    }


def scores(settings):
    noise = np.random.default_rng(0)
    rows = []
    for start, corpora in grid.starts(settings).items():
        for speaker in settings["fewshot"]["target"]["speakers"]:
            for emotion in ("Angry", "Sad"):
                for k in (2, 8):
                    for trial in ("0", "1"):
                        f1 = 0.5 + 0.04 * len(corpora) + 0.03 * (k == 8) + noise.normal(0, 0.03)
                        rows.append(
                            {"start": start, "sources": len(corpora), "speaker": speaker,
                             "emotion": emotion, "k": k, "trial": trial, "macro_f1": f1,
                             "weighted_f1": f1 + 0.1, "accuracy": f1 + 0.2, "val_labels": 4,
                             "test": 30, "test_positive": 10, "best_epoch": 2, "epochs": 5}
                        )  # fmt: skip
    return pd.DataFrame(rows)[COLUMNS]


@pytest.fixture
def summaries(tmp_path):
    paths = []
    for number, better in enumerate((True, False, True)):
        path = tmp_path / f"summary{number}.json"
        head = {"val_accuracy": 0.5 + 0.1 * better, "val_majority": 0.5}
        path.write_text(json.dumps({"sources": {"x": head}}))
        paths.append(path)
    return paths


def pick(cells, row, column, metric):
    found = cells[(cells["row"] == row) & (cells["column"] == column) & (cells["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def by_hand(runs, n, k):
    """Gain per speaker: the mean over tasks of start minus baseline."""
    key = ["speaker", "emotion", "trial"]
    at = runs[runs["k"] == k].set_index(key)
    base = at.loc[at["start"] == "baseline", "macro_f1"]
    means = {}
    for start in sorted(set(at.loc[at["sources"] == n, "start"])):
        difference = at.loc[at["start"] == start, "macro_f1"] - base
        for speaker, values in difference.groupby("speaker"):
            means.setdefault(speaker, []).extend(100 * values)
    return np.array([np.mean(values) for values in means.values()])


def test_gains_by_hand_with_speakers_as_the_unit(summaries):
    settings = config()
    runs = scores(settings).sample(frac=1, random_state=0)
    result = fewshot_table(settings, runs, LEFT_OUT, summaries)
    for n, fits in ((1, 2 * 3 * 2 * 2), (2, 3 * 2 * 2)):
        values = by_hand(runs, n, 8)
        cell = pick(result.cells, "k = 8", f"n = {n}", "gain in macro-F1")
        low, high = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
        assert cell["mean"] == pytest.approx(values.mean())
        assert (cell["ci_low"], cell["ci_high"]) == (pytest.approx(low), pytest.approx(high))
        assert (cell["speakers"], cell["n"], cell["seeds"]) == (3, fits, 2)
    base = runs[(runs["start"] == "baseline") & (runs["k"] == 2)]
    cell = pick(result.cells, "k = 2", "Baseline", "macro-F1")
    assert cell["mean"] == pytest.approx(100 * base["macro_f1"].mean())
    one = pick(result.tsv_only, "k = 8", "x+y", "gain in macro-F1")
    assert one["mean"] == pytest.approx(by_hand(runs, 2, 8).mean())
    emotions = [
        pick(result.tsv_only, "k = 8", f"n = 2, {emotion}", "gain in macro-F1")["mean"]
        for emotion in ("Angry", "Sad")
    ]
    assert np.mean(emotions) == pytest.approx(one["mean"])
    assert pick(result.tsv_only, "k = 2", "Baseline", "accuracy")["mean"] == pytest.approx(
        100 * base["accuracy"].mean()
    )
    assert list(dict.fromkeys(result.cells["row"])) == ["k = 2", "k = 8"]


def test_what_a_reader_must_know_is_said(summaries):
    settings = config()
    text = fewshot_table(settings, scores(settings), LEFT_OUT, summaries).shown("md")
    for said in (
        "All speech is synthetic",
        "3 speakers, each with its own models",
        "4 val clips",
        "on 30 other clips",
        "2 of 3 heads are better",
        "t interval over the 3 target speakers",
        "Left out: 0013 Sad (7 clips, 9 are needed).",
        "no number of them was at hand",
        "+", "n = 1: gain in macro-F1",
    ):  # fmt: skip
        assert said in text, said
    real = fewshot_table(
        config(synthetic=False), scores(settings), LEFT_OUT.iloc[:0], summaries
    ).shown("md")
    assert "synthetic (made" not in real and "Left out" not in real


def test_one_speaker_has_no_interval(summaries):
    settings = config(SPEAKERS[:1])
    result = fewshot_table(settings, scores(settings), LEFT_OUT, summaries)
    assert result.cells["ci_low"].isna().all()
    assert "No interval: one target speaker." in result.shown("md")


def test_scores_that_are_no_pairs_are_refused():
    runs = scores(config())
    with pytest.raises(ValueError, match="they are no pairs"):
        gains(runs.drop(runs.index[0]), "baseline")
    with pytest.raises(ValueError):
        gains(pd.concat([runs, runs.iloc[[0]]]), "baseline")


def test_table_and_figure_are_written_from_the_grid_s_files(tmp_path, monkeypatch, summaries):
    monkeypatch.chdir(tmp_path)
    settings = config()
    runs = scores(settings)
    with pytest.raises(InputError, match=r"0011\.tsv: missing"):
        gather_fewshot(settings)
    for (start, speaker), path in grid.score_files(settings).items():
        write_tsv(path, runs[(runs["start"] == start) & (runs["speaker"] == speaker)], "%.9f")
    found = gather_fewshot(settings)
    assert len(found) == len(runs)
    result = fewshot_table(settings, found, LEFT_OUT, summaries)
    paths = [tmp_path / f"t.{kind}" for kind in ("tsv", "md", "tex", "html")]
    result.write(*paths)
    tidy = read_tsv(paths[0])
    assert len(tidy) == len(result.cells) + len(result.tsv_only)
    assert not tidy.duplicated(["row", "column", "metric"]).any()
    figure = [tmp_path / f"f.{kind}" for kind in ("svg", "png", "html", "tsv")]
    fewshot_figure(settings, found).write(*figure)
    assert figure[1].read_bytes().startswith(b"\x89PNG") and "vega" in figure[2].read_text()
    data = curves(settings, found)
    assert len(read_tsv(figure[3])) == len(data) == 2 * (2 + 3)
    point = data[(data["panel"] == GAIN) & (data["sources"] == 2) & (data["k"] == 8)]
    assert point["value"].iloc[0] == pytest.approx(by_hand(runs, 2, 8).mean())
    assert set(data.loc[data["panel"] == LEVEL, "label"]) == {"Baseline", "n = 1", "n = 2"}
    for path in grid.score_files(settings).values():
        write_tsv(path, runs.iloc[:0])
    with pytest.raises(InputError, match="no target speaker"):
        gather_fewshot(settings)
