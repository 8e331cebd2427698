"""The paper's numbers as typed in, spot-checked against the printed page."""

from __future__ import annotations

import pytest
from made_up_run import arm, config

from after_ser.judge.tables import published


def test_table1():
    table = published.table(1).set_index("corpus")
    assert table["samples"].drop("Merged").sum() == table.loc["Merged", "samples"] == 21793
    assert table.loc["SHEMO", ["anger", "neutral", "sad", "happy"]].tolist() == [5.3, 5.1, 2.2, 1]
    assert table.loc["EMov-DB", "samples"] == 3038


@pytest.mark.parametrize(
    ("column", "metric", "budget", "value"),
    [
        ("AFTER", "UA", 0.2, 77.41),
        ("AFTER", "WA", 0.6, 76.03),
        ("AFTER", "minutes", 0.2, 316.4),
        ("AFTER", "minutes", 1.0, 1508.2),
        ("AFTER", "minutes", 0.3, None),
        ("FT-random", "UA", 0.1, 50.82),
        ("FT-random", "WA", 1.0, 54.12),
        ("TAPT+FT-random", "UA", 0.8, 78.88),
        ("TAPT+FT-random", "WA", 0.3, 71.89),
        ("FT-entropy", "UA", 0.6, 74.28),
        ("FT-entropy", "WA", 0.4, 70.18),
        ("FT-entropy", "minutes", 0.4, None),
        ("AFTER", "UA", 0.05, None),
        (None, "UA", 0.2, None),
    ],
)
def test_values(column, metric, budget, value):
    assert published.value(column, metric, budget) == value


def test_table2_and_table4_agree():
    for row in published.table(2).to_dict("records"):
        for metric in ("ua", "wa"):
            assert published.value("AFTER", metric.upper(), row["budget"]) == row[metric]


def test_the_headline_does_not_follow_from_table3():
    table = published.table(3).set_index("method")
    others = table.drop("AFTER")
    gains = (table.loc["AFTER"] - others.max()).round(2).to_dict()
    assert gains == {
        "iemocap_ua": 1.77,
        "iemocap_wa": 0.26,
        "merged_ua": 6.03,
        "merged_wa": 2.94,
    }
    minutes = published.table(2).set_index("budget")["minutes"]
    assert round(1 - minutes[0.2] / minutes[1.0], 2) == 0.79


def test_columns_are_found_by_what_an_arm_does():
    settings = config()
    found = {name: published.column_of(one, settings) for name, one in settings["arms"].items()}
    assert found == {
        "ft": "FT-random",
        "tapt-ft": "TAPT+FT-random",
        "ft-al": "FT-entropy",
        "after": "AFTER",
        "after-random": None,
    }
    assert published.column_of(arm("AFTER", "tapt", "margin"), settings) is None
    settings["tapt"]["tapt"]["objective"] = "wav2vec2"
    assert published.column_of(settings["arms"]["after"], settings) is None
