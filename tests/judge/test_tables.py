"""Tables 1, 2 and 4: numbers by hand, published values, notes, and every output format."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up_run import BUDGETS, config, frames, run_script
from scipy import stats
from statsmodels.stats.multitest import multipletests

from after_ser.core.errors import InputError
from after_ser.data.datasets.composition import AFTER, BEFORE
from after_ser.judge.cells import of_arm, read_cells
from after_ser.judge.registry import TABLES
from after_ser.judge.tables import table
from after_ser.judge.tables.table1 import table1
from after_ser.judge.tables.table2 import table2
from after_ser.judge.tables.table4 import table4
from after_ser.run.atomic import read_tsv, write_tsv


def pick(cells: pd.DataFrame, row: str, column: str, metric: str) -> dict:
    found = cells[(cells["row"] == row) & (cells["column"] == column) & (cells["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_table4_cell_by_hand():
    settings = config()
    scores, _ = frames(settings)
    cell = pick(table4(settings, scores).cells, "20 %", "AFTER", "UA")
    rows = scores[(scores["arm"] == "after") & (scores["budget"] == 0.2)]
    means = [100 * rows[rows["fold"] == fold]["ua"].mean() for fold in ("1", "2", "3")]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(means), scale=stats.sem(means))
    assert cell["mean"] == pytest.approx(np.mean(means))
    assert (cell["ci_low"], cell["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (cell["n"], cell["folds"], cell["seeds"]) == (6, 3, 2)
    assert cell["published"] == 77.41
    assert cell["difference"] == pytest.approx(np.mean(means) - 77.41)


def test_cells_without_a_run_keep_the_published_value():
    settings = config()
    scores, _ = frames(settings)
    result = table4(settings, scores)
    cell = pick(result.cells, "80 %", "FT", "WA")
    assert (cell["n"], cell["published"], cell["note"]) == (0, 56.72, "no run")
    assert np.isnan(cell["mean"]) and np.isnan(cell["difference"])
    assert "| 80 % | – · paper 58.34 | – · paper 56.72 |" in result.shown("md")
    notes = " ".join(result.notes)
    assert "3 folds x 2 seeds (paper:" in notes
    assert "4 of the paper's 7" in notes


def test_a_column_of_the_paper_without_an_arm_is_shown_as_not_run():
    settings = config()
    del settings["tables"]["table4"]["columns"]["FT"]
    scores, _ = frames(settings)
    cell = pick(table4(settings, scores).cells, "10 %", "FT-random (no arm)", "UA")
    assert (cell["n"], cell["published"]) == (0, 50.82)


def test_active_minus_random_is_paired_and_beside_the_papers():
    settings = config()
    scores, _ = frames(settings)
    result = table4(settings, scores)
    assert result.tsv_only is not None
    cell = pick(result.tsv_only, "20 %", "AFTER minus TAPT+FT", "UA")
    here = scores[scores["budget"] == 0.2].set_index(["arm", "fold", "seed"])["ua"]
    folds = 100 * (here["after"] - here["tapt-ft"]).groupby("fold").mean()
    low, _ = stats.t.interval(0.95, 2, loc=folds.mean(), scale=stats.sem(folds))
    assert cell["mean"] == pytest.approx(folds.mean())
    assert cell["ci_low"] == pytest.approx(low)
    assert cell["published"] == pytest.approx(77.41 - 73.82)
    assert cell["p"] == pytest.approx(stats.ttest_1samp(folds, 0).pvalue)
    assert any("AFTER minus TAPT+FT" in note for note in result.footnotes)
    del settings["tables"]["table4"]["columns"]["TAPT+FT"]
    assert not any("AFTER minus" in note for note in table4(settings, scores).footnotes)


def test_table4_corrects_all_its_tests_together_and_marks_what_is_left():
    settings = config()
    scores, _ = frames(settings)
    result = table4(settings, scores)
    rows = result.tsv_only
    assert len(rows) == 2 * 2 * len(BUDGETS)  # two contrasts, UA and WA
    adjusted = multipletests(rows["p"], method="holm")[1]
    assert rows["p_holm"].to_numpy() == pytest.approx(adjusted)
    words = " ".join(result.footnotes)
    assert words.count("†") == (rows["p_holm"] < 0.05).sum() + 1  # and once in the explanation
    assert f"the {len(rows)} tests of this table" in words
    # five points for entropy on every fold, against one point of noise: some are found
    lifted = scores.copy()
    lifted.loc[lifted["strategy"] == "entropy", "ua"] += 0.5
    found = table4(settings, lifted)
    assert found.tsv_only is not None and (found.tsv_only["p_holm"] < 0.05).any()
    assert "†, [" not in found.shown("md") and "† [" in found.shown("md")
    assert r"$^\dagger$" in found.shown("tex")


def test_table4_says_why_there_are_no_p_values():
    for folds, why in ((1, "and there is 1"), (2, "and there are 2")):
        settings = config(folds=folds)
        scores, _ = frames(settings)
        result = table4(settings, scores)
        words = " ".join(result.footnotes)
        assert "No p-values: " in words and why in words
        assert "Holm" not in words and "†" not in words
        assert result.tsv_only is not None and result.tsv_only["p"].isna().all()


def test_table2_time_is_the_whole_lineage_in_minutes():
    settings = config()
    scores, times = frames(settings)
    result = table2(settings, scores, times)
    assert "minutes" not in set(result.cells["metric"])
    assert result.rendered_only is not None
    cell = pick(result.rendered_only, "100 %", "AFTER & co", "minutes")
    # TAPT 600 s, latents 12 s, initial 3 s, 4 queries of 4 s, 5 fits of 60 * (1 + budget) s
    assert cell["mean"] == pytest.approx((600 + 12 + 3 + 16 + 405) / 60, rel=0.01)
    assert cell["published"] == 1508.2
    page = result.shown("html")
    assert "time (min)" in page and "paper 1,508.2" in page


def test_one_fold_has_no_interval_and_the_table_says_so():
    settings = config(folds=1)
    scores, times = frames(settings)
    result = table2(settings, scores, times)
    assert result.cells["ci_low"].isna().all()
    assert "one fold" in pick(result.cells, "20 %", "AFTER & co", "UA")["note"]
    assert "No interval: one fold." in result.notes
    assert "[" not in "".join(line for line in result.shown("md") if line.startswith("|"))


def test_notes_say_what_stands_behind_the_numbers(tmp_path):
    settings = config()
    scores, times = frames(settings)
    paths = []
    for index, flag in enumerate((True, False, None)):
        paths.append(tmp_path / f"{index}.json")
        paths[-1].write_text(json.dumps({"levelled_off": flag}))
    notes = " ".join(table2(settings, scores, times, paths).notes)
    for text in (
        "All speech is synthetic",
        "target c (synthetic); extra e (synthetic)",
        "trained from scratch",
        "31 to 33 val labels",
        "levelled off in 1 of 3 runs, was still falling at the end of 1, and 1 had too few",
        "differs in speech (synthetic), test corpus, extra corpora, backbone",
    ):
        assert text in notes
    layouts = ["iemocap", "emodb", "shemo", "ravdess", "emov-db", "CREMA_D"]
    settings["corpora"] = {name: {"layout": name, "root": "x"} for name in layouts}
    settings["datasets"]["merged"] = {"target": "iemocap", "extra": layouts[1:]}
    settings["backbones"]["small"] = {"hub": "facebook/wav2vec2-base", "revision": "a" * 40}
    notes = " ".join(table2(settings, scores, times, paths[:1]).notes)
    assert "differs" not in notes and "synthetic" not in notes
    assert "facebook/wav2vec2-base at revision aaaaaaaaaaaa" in notes
    assert "levelled off in every run" in notes


COMPOSITION = pd.DataFrame(
    [
        ["c", 60.0, 40.0, 0.0, 20.0],
        ["e", 10.0, 5.0, 10.0, 10.0],
        [BEFORE, 70.0, 45.0, 10.0, 30.0],
        [AFTER, 15.5, 14.0, 10.0, 15.0],
    ],
    columns=["corpus", "anger", "neutral", "sad", "happy"],
)


def test_table1_counts_ratios_and_differences():
    cells = table1(config(), COMPOSITION).cells
    whole = pick(cells, "c", "all classes", "clips")
    assert (whole["mean"], whole["published"], whole["difference"]) == (120, 408, 120 - 408)
    ratio = pick(cells, "c", "anger", "ratio")
    assert (ratio["mean"], ratio["published"]) == (3.0, 3.1)
    assert pick(cells, "c", "sad", "ratio")["mean"] == 0
    assert pick(cells, "e", "happy", "ratio")["published"] == 2.0
    assert pick(cells, BEFORE, "all classes", "clips")["published"] == 21793
    assert np.isnan(pick(cells, BEFORE, "anger", "ratio")["published"])
    assert pick(cells, AFTER, "anger", "ratio")["difference"] == pytest.approx(0.05)
    with pytest.raises(InputError, match="'other' .* merged"):
        table1(config(), COMPOSITION.assign(corpus="other"))


def test_settings_are_never_averaged_together():
    settings = config()
    scores, _ = frames(settings)
    both = pd.concat([scores, scores.assign(protocol="released")])
    with pytest.raises(InputError, match="protocol paper and released"):
        of_arm(both, settings, {"dataset": "merged"}, "after")
    one = of_arm(both, settings, {"dataset": "merged", "protocol": "released"}, "after")
    assert set(one["protocol"]) == {"released"}
    with pytest.raises(InputError, match="arm 'nobody'"):
        of_arm(scores, settings, {"dataset": "merged"}, "nobody")


def test_numbers_as_text():
    assert table.number(-1234.56, "UA") == "−1,234.6"
    assert table.number(-0.04, "UA", signed=True) == "±0.0"
    assert table.number(None, "UA") == "–"
    assert table.number(12.0, "clips") == "12" and table.number(15.5, "clips") == "15.5"
    assert table.number(0.123, "minutes") == "0.12"


class Page(HTMLParser):
    """Counts tags, and keeps what a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.loads += [value for name, value in attrs if name in ("src", "href")]


def test_html_is_self_contained_and_rectangular():
    settings = config()
    scores, _ = frames(settings)
    page = Page()
    page.feed(table4(settings, scores).shown("html"))
    assert page.loads == [] and "script" not in page.tags and "link" not in page.tags
    rows = len(BUDGETS) + 3  # and the paper's 30, 60 and 80 %
    assert page.tags["tr"] == 2 + rows
    assert page.tags["td"] == rows * 8


def test_latex_is_balanced_and_escaped():
    settings = config()
    scores, times = frames(settings)
    tex = table2(settings, scores, times).shown("tex")
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert body.count("{") == body.count("}")
    assert r"AFTER \& co" in body and r"20 \%" in body
    assert r"\toprule" in body and r"\bottomrule" in body
    assert not [character for character in body if ord(character) > 126]
    cells = [line for line in body.splitlines() if line.startswith("20")]
    assert cells[0].count(" & ") == 3 and cells[0].endswith(r"\\")


def test_models_that_early_stopping_left_untrained_are_named_above_the_table():
    settings = config()
    scores, times = frames(settings)
    assert "Early stopping kept" not in " ".join(table2(settings, scores, times).notes)
    first = (scores["arm"] == "after") & (scores["budget"] == BUDGETS[0])
    scores.loc[first & (scores["fold"] == "1"), "best_epoch"] = 2
    notes = " ".join(table2(settings, scores, times).notes)
    seeds, models = len(settings["seeds"]), int(first.sum())
    assert f"epoch 1 or 2 in {seeds} of {models} models at 5 %: these" in notes


def test_the_script_writes_the_same_bytes_twice(tmp_path):
    settings = config()
    scores, times = frames(settings)
    write_tsv(tmp_path / "scores.tsv", scores)
    write_tsv(tmp_path / "times.tsv", times, "%.3f")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    composition = COMPOSITION.assign(total="1", ratio="1 : 1")
    write_tsv(tmp_path / "composition.tsv", composition)
    names = ("scores", "times", "composition")
    source = {"config": tmp_path / "config.yaml", "summaries": []}
    source |= {name: [tmp_path / f"{name}.tsv"] for name in names}
    for name in ("table1", "table2", "table4", "learning", "penalty"):
        written = []
        for turn in ("a", "b"):
            folder = tmp_path / turn
            forms = ("tsv", "md", "tex", "html", *TABLES[name].also)
            run_script(name, source, {form: folder / f"{name}.{form}" for form in forms})
            files = sorted(folder.glob(f"{name}.*"))
            written.append({path.name: path.read_bytes() for path in files})
        assert written[0] == written[1]
        assert len(written[0]) == (5 if name == "table2" else 4)
    tidy = pd.read_csv(tmp_path / "a" / "table4.tsv", sep="\t")
    assert list(tidy.columns) == [*table.COLUMNS, "p", "p_holm"]
    assert pick(tidy, "20 %", "AFTER", "UA")["published"] == 77.41
    assert "minutes" not in set(read_tsv(tmp_path / "a" / "table2.tsv")["metric"])
    assert set(read_tsv(tmp_path / "a" / "table2.time")["metric"]) == {"minutes"}
    assert read_cells(tmp_path / "scores.tsv")["ua"].dtype == float


def test_a_corpus_of_its_own_has_no_printed_number_beside_it():
    settings = config()
    settings["datasets"]["merged"]["extra"] = []
    scores, times = frames(settings)
    for result in (table2(settings, scores, times), table4(settings, scores)):
        assert result.cells["published"].isna().all() and result.cells["mean"].notna().all()
        assert "· paper" not in result.shown("md")
        assert "no arm" not in result.shown("md")
