"""The table of V-FT, TAPT and P-TAPT by session, against numbers counted by hand."""

import copy

import numpy as np
import pandas as pd
import pytest
from made_up_run import arm, config, frames

from after_ser.judge.comparison import holm, paired_t_test
from after_ser.judge.tables import published_sessions
from after_ser.judge.tables.provenance import other_backbone_notes, pseudo_label_note
from after_ser.judge.tables.tapt_sessions import tapt_sessions
from after_ser.run.atomic import read_tsv

ARMS = {"V-FT": "vft", "TAPT": "vft-tapt", "P-TAPT": "vft-ptapt"}


def made(folds=5, layout="iemocap", by="session", synthetic=True):
    settings = copy.deepcopy(config(folds, synthetic))
    settings["arms"] = {
        "vft": arm("V-FT", "pretrained", "random"),
        "vft-tapt": arm("TAPT", "own", "random"),
        "vft-ptapt": arm("P-TAPT", "p-tapt", "random"),
    }
    first = {"scratch": {"channels": 24}, "steps": 7, "clusters": [4, 9]}
    masked = {"mask_share": 0.06, "steps": 9, "seed_per_run": False}
    settings["tapt"] = {
        "own": {**masked, "objective": "wav2vec2"},
        "p-tapt": {**masked, "objective": "p-tapt", "first_stage": first},
    }
    settings["protocols"]["paper"] |= {"restore": "last", "max_epochs": 15}
    settings["corpora"]["c"]["layout"] = layout
    settings["datasets"]["merged"]["folds"]["by"] = by
    settings["tables"] = {"tapt_sessions": {"dataset": "merged", "arms": ARMS, "budgets": [1.0]}}
    return settings, frames(settings)[0]


def pick(result, row, column):
    found = result.cells[(result.cells["row"] == row) & (result.cells["column"] == column)]
    assert len(found) == 1
    return found.iloc[0]


def by_hand(scores, name):
    here = scores[(scores["arm"] == name) & (scores["budget"] == 1.0)]
    return 100 * here.set_index(["fold", "seed"])["ua"]


def test_sessions_have_mean_and_sd_over_seeds_and_the_average_is_over_folds():
    settings, scores = made()
    result = tapt_sessions(settings, scores)
    own = by_hand(scores, "vft-tapt")
    session = pick(result, "TAPT", "session 2")
    assert session["mean"] == pytest.approx(own["2"].mean())
    assert session["sd"] == pytest.approx(own["2"].std(ddof=1))
    assert (session["folds"], session["seeds"], session["published"]) == (1, 2, 79.6)
    assert session["published_sd"] == 1.3
    assert session["difference"] == pytest.approx(own["2"].mean() - 79.6)
    average = pick(result, "TAPT", "average")
    assert average["mean"] == pytest.approx(own.groupby("fold").mean().mean())
    assert (average["folds"], average["published"]) == (5, 73.5)


def test_differences_are_paired_tested_over_folds_and_corrected_over_the_table():
    settings, scores = made()
    result = tapt_sessions(settings, scores)
    tests = []
    for second, first in (("TAPT", "V-FT"), ("P-TAPT", "V-FT"), ("P-TAPT", "TAPT")):
        name = f"{second} minus {first} (points)"
        one, other = by_hand(scores, ARMS[second]), by_hand(scores, ARMS[first])
        frames_ = [
            series.rename("value").reset_index()[["fold", "seed", "value"]]
            for series in (one, other)
        ]
        expected = paired_t_test(*frames_)
        found = pick(result, name, "average")
        assert found["mean"] == pytest.approx(expected["mean"])
        assert found["p"] == pytest.approx(expected["p"])
        assert found["ci_low"] == pytest.approx(expected["ci_low"])
        session = pick(result, name, "session 4")
        assert session["mean"] == pytest.approx((one - other)["4"].mean())
        assert np.isnan(session["p"]) and np.isnan(session["p_holm"])
        tests.append((found["p"], found["p_holm"]))
    assert [adjusted for _, adjusted in tests] == pytest.approx(holm([p for p, _ in tests]))
    assert any("3 tests" in note for note in result.footnotes)
    assert pick(result, "P-TAPT minus TAPT (points)", "average")["published"] == pytest.approx(0.8)


def test_two_folds_are_too_few_for_a_test_and_sessions_not_run_show_the_paper_alone():
    settings, scores = made(folds=2)
    result = tapt_sessions(settings, scores)
    assert result.cells["p"].isna().all()
    assert any("needs 3 folds" in note for note in result.footnotes)
    assert any("over 2 of 5 folds" in note for note in result.footnotes)
    missing = pick(result, "V-FT", "session 3")
    assert np.isnan(missing["mean"]) and missing["published"] == 66.3
    assert "– · paper 66.3 ± 2.0" in result.shown("md")


def test_published_values_stand_where_they_belong():
    settings, scores = made(by="speaker", layout="emodb")
    result = tapt_sessions(settings, scores)
    columns = list(dict.fromkeys(result.cells["column"]))
    assert columns == ["fold 1", "fold 2", "fold 3", "fold 4", "fold 5", "average"]
    assert result.cells.query("column != 'average'")["published"].isna().all()
    assert pick(result, "P-TAPT", "average")["published"] == 74.3
    assert not any("FCN" in row for row in result.cells["row"]), "prior works are on IEMOCAP"
    settings, scores = made()
    result = tapt_sessions(settings, scores)
    prior = pick(result, "FCN+Attention (spectrogram)", "average")
    assert np.isnan(prior["mean"]) and prior["published"] == 63.9
    settings["tapt"]["own"]["objective"] = "eq1+eq2"  # AFTER's TAPT is not theirs
    result = tapt_sessions(settings, scores)
    assert result.cells.query("row == 'TAPT'")["published"].isna().all()


def test_the_published_averages_are_those_of_the_published_sessions():
    for method in published_sessions.METHODS:
        found = [published_sessions.value(method, s)[0] for s in published_sessions.SESSIONS]
        average, sd = published_sessions.value(method, "average")
        assert abs(np.mean(found) - average) <= 0.05 + 1e-9 and sd is None


def test_which_arm_is_which_method():
    settings, _ = made()
    method = published_sessions.method_of
    for heading, name in ARMS.items():
        assert method(settings["arms"][name], settings) == heading
    vft = settings["arms"]["vft"]
    assert method({**vft, "schedule": "iterative"}, settings) is None
    assert method({**vft, "backbone": "other"}, settings) is None
    noisy = {**settings, "protocols": {"paper": {"oracle": {"label_noise": 0.1}}}}
    assert method(vft, noisy) is None


def test_the_notes_say_what_p_tapt_was_made_of_and_where_the_run_differs():
    settings, scores = made()
    notes = "\n".join(tapt_sessions(settings, scores).notes)
    assert "label of every train clip" in notes
    assert "24 channels, trained from scratch" in notes
    assert "p-tapt: " in notes and "7 steps; 4, 9 clusters" in notes
    assert "speech (synthetic), extra corpora, backbone" in notes
    assert "5 folds x 2 seeds (published:" in notes
    assert "early stopping reads" not in notes, "the last epoch is kept"
    settings["protocols"]["paper"]["restore"] = "best"
    assert "early stopping reads" in "".join(tapt_sessions(settings, scores).notes)
    settings["protocols"]["paper"]["restore"] = "last"
    settings["tapt"]["p-tapt"]["first_stage"] = {
        "checkpoint": "/x/wav2vec_large.pt", "steps": 7, "clusters": [4],
    }  # fmt: skip
    assert "wav2vec_large.pt (fairseq)" in pseudo_label_note(settings, scores)
    only = scores[scores["arm"] == "vft"]
    assert pseudo_label_note(settings, only) is None
    settings["backbones"]["big"] = {"hub": "a/b", "note": "It has heard more."}
    settings["arms"]["vft"]["backbone"] = "big"
    (note,) = other_backbone_notes(settings, scores)
    assert "V-FT" in note and "big: a/b." in note and note.endswith("It has heard more.")
    assert "15 epochs, the last kept" in tapt_sessions(settings, scores).footnotes[0]


def test_the_four_forms_agree(tmp_path):
    settings, scores = made()
    result = tapt_sessions(settings, scores)
    paths = [tmp_path / f"t.{suffix}" for suffix in ("tsv", "md", "tex", "html")]
    result.write(*paths)
    rows = read_tsv(paths[0], ("mean", "sd", "published"))
    session = rows[(rows["row"] == "P-TAPT") & (rows["column"] == "session 1")].iloc[0]
    text = f"{session['mean']:.1f} ± {session['sd']:.1f}"
    assert text in result.shown("md") and text in result.shown("html")
    assert r"\shortstack{" in result.shown("tex") and r"paper 72.8 $\pm$ 1.4" in result.shown("tex")
    assert isinstance(rows, pd.DataFrame) and (rows["row"] == "P-TAPT").sum() == 6
