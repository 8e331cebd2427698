"""Figures 2 and 3 and the confusion matrix: their data, their files, offline and repeatable."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up_run import BUDGETS, arm, config, frames, run_script

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.judge.figures.confusion import shares, summed, write_confusion
from after_ser.judge.figures.figure2 import curves, figure2, looks, window
from after_ser.judge.figures.figure3 import figure3, figure3_data
from after_ser.run.atomic import read_tsv, write_tsv

PNG = b"\x89PNG\r\n\x1a\n"


def test_figure2_data_are_table_numbers_and_the_published_curve():
    settings = config()
    scores, _ = frames(settings)
    data = curves(settings, scores)
    assert list(dict.fromkeys(data["series"])) == ["after", "after-random", "published"]
    assert data[data["series"] == "after"]["budget"].tolist() == BUDGETS
    rows = scores[(scores["arm"] == "after") & (scores["budget"] == 0.4)]
    here = data[(data["series"] == "after") & (data["budget"] == 0.4)].iloc[0]
    assert here["ua"] == pytest.approx(100 * rows.groupby("fold")["ua"].mean().mean())
    paper = data[data["series"] == "published"].set_index("budget")["ua"]
    assert paper[0.2] == 77.41 and paper[0.3] == 78.20 and len(paper) == 7


def test_figure2_shows_the_arms_not_the_width_of_one_interval_or_of_the_published_line():
    """Arms up to 20 %, of which one has an interval over everything."""
    rows = [
        {"series": "a", "budget": 0.05, "ua": 53.0, "ci_low": -60.0, "ci_high": 166.0},
        {"series": "a", "budget": 0.2, "ua": 70.0, "ci_low": 62.0, "ci_high": 78.0},
        {"series": "published", "budget": 0.2, "ua": 77.0},
        {"series": "published", "budget": 1.0, "ua": 99.0},
    ]
    data = pd.DataFrame(rows)
    (left, right), (low, high) = window(data)
    assert left < 5 and 20 < right < 25
    assert (low, high) == (38.0, 92.0)
    rows[-1] |= {"series": "a"}
    (_, right), (_, high) = window(pd.DataFrame(rows))
    assert right > 100 and high == 100.0


def test_figure2_colour_is_the_method_and_dash_the_initialisation():
    settings = config()
    settings["arms"] |= {
        f"{strategy}-{init}": arm(f"{strategy} {init}", "tapt", strategy, init)
        for strategy in ("margin", "least_confidence", "alps", "batchbald")
        for init in ("kmeans", "random")
    }
    names = [name for name in settings["arms"] if name not in ("ft", "tapt-ft", "ft-al")]
    chosen = looks(settings, names)
    assert chosen["after"].colour == chosen["after-random"].colour
    assert not chosen["after"].dashed and chosen["after-random"].dashed
    assert len({(look.colour, look.marker, look.dashed) for look in chosen.values()}) == 10


def test_figure3_bars_and_relative_times():
    settings = config()
    _, times = frames(settings)
    data = figure3_data(settings, times)
    bar = data[(data["panel"] == "A") & (data["series"] == "TAPT+FT+AL")].set_index("part")
    assert set(bar["budget"]) == {0.2}, "30 % was not run: the largest fraction below stands in"
    assert bar.loc["TAPT", "minutes"] == pytest.approx(10)
    parts = bar.drop("total")["minutes"].sum()
    assert parts == pytest.approx(bar.loc["total", "minutes"])
    assert bar.loc["fine-tuning and queries", "minutes"] > 3, "all three rounds, not the last one"
    panel = data[data["panel"] == "B"]
    ours = panel[panel["arm"] == "after"].set_index("budget")["relative"]
    paper = panel[panel["arm"] == "published"].set_index("budget")["relative"]
    assert ours[1.0] == paper[1.0] == 1
    assert paper[0.2] == pytest.approx(316.4 / 1508.2)
    runs = times[times["arm"] == "after"].set_index(["budget", "fold", "seed"])["total_s"]
    assert ours[0.05] == pytest.approx((runs[0.05] / runs[1.0]).mean())


def test_figure3_without_a_common_fraction_leaves_the_paper_out():
    settings = config()
    _, times = frames(settings)
    settings["figures"]["figure3"]["curve"]["budgets"] = [0.05]
    panel = figure3_data(settings, times).query("panel == 'B'")
    assert set(panel["arm"]) == {"after"} and panel["relative"].isna().all()
    assert panel["minutes"].notna().all()


class Page(HTMLParser):
    """Keeps what a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.loads += [(tag, value) for name, value in attrs if name in ("src", "href")]


def written(folder: Path, name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{name}.*"))}


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("name", ["figure2", "figure3"])
def test_files_are_repeatable_and_offline(tmp_path, name, folds):
    settings = config(folds=folds)
    scores, times = frames(settings)
    build, rows = (figure2, scores) if name == "figure2" else (figure3, times)
    for turn in ("a", "b"):
        (tmp_path / turn).mkdir()
        build(settings, rows).write(*(tmp_path / turn / f"{name}.{e}" for e in FORMS))
    first, second = written(tmp_path / "a", name), written(tmp_path / "b", name)
    assert first == second and len(first) == 4
    assert first[f"{name}.png"].startswith(PNG)
    assert b"<dc:date>" not in first[f"{name}.svg"]
    text = first[f"{name}.html"].decode()
    page = Page()
    page.feed(text)
    assert page.loads == []
    assert "vega-embed" in text and len(text) > 500_000, "the Vega library is in the page"
    spec = json.loads(re.search(r"const spec = (.*);\n", text).group(1))  # no NaN in it
    assert "url" not in json.dumps(spec.get("datasets", {}))
    assert '"editor": false' in text


FORMS = ("svg", "png", "html", "tsv")


def test_no_run_at_all_still_draws(tmp_path):
    settings = config()
    scores, times = (frame.iloc[:0] for frame in frames(settings))
    figure2(settings, scores).write(*(tmp_path / f"figure2.{e}" for e in FORMS))
    figure3(settings, times).write(*(tmp_path / f"figure3.{e}" for e in FORMS))
    assert len(list(tmp_path.iterdir())) == 8


def metrics_files(folder: Path, settings: dict) -> list[Path]:
    classes = settings["classes"]
    paths = []
    for seed in (0, 1):
        generator = np.random.default_rng(seed)
        true = [classes[index] for index in generator.integers(0, 3, 30)]  # no happy clip
        test = score(true, generator.dirichlet(np.ones(4), 30), classes)
        paths.append(folder / f"metrics{seed}.json")
        paths[-1].write_text(json.dumps({"budget": 0.2, "test": test}))
    return paths


def test_confusion_adds_up(tmp_path):
    settings = config()
    paths = metrics_files(tmp_path, settings)
    counts = summed(paths, settings["classes"])
    assert counts.sum() == 60
    one = [np.array(json.loads(path.read_text())["test"]["confusion"]) for path in paths]
    assert (counts == one[0] + one[1]).all()
    part = shares(counts)
    assert np.allclose(part[:3].sum(axis=1), 1) and np.isnan(part[3]).all()
    with pytest.raises(InputError, match="expected joy"):
        summed(paths, ["joy"])
    with pytest.raises(InputError, match="at least one"):
        summed([], settings["classes"])
    for turn in ("a", "b"):
        (tmp_path / turn).mkdir()
        outputs = (tmp_path / turn / f"confusion.{e}" for e in ("svg", "png", "tsv"))
        write_confusion(settings, paths, "AFTER", *outputs)
    first, second = written(tmp_path / "a", "confusion"), written(tmp_path / "b", "confusion")
    assert first == second and len(first) == 3


def test_scripts(tmp_path):
    settings = config()
    scores, times = frames(settings)
    write_tsv(tmp_path / "scores.tsv", scores)
    write_tsv(tmp_path / "times.tsv", times, "%.3f")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    source = {
        "config": tmp_path / "config.yaml",
        "scores": [tmp_path / "scores.tsv"],
        "times": [tmp_path / "times.tsv"],
        "metrics": metrics_files(tmp_path, settings),
    }
    for name in ("figure2", "figure3", "confusion"):
        out = {form: tmp_path / f"{name}.{form}" for form in FORMS}
        run_script(name, source, out, arm="after", dataset="merged")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)
    assert len(read_tsv(tmp_path / "confusion.tsv")) == 16


def test_a_corpus_of_its_own_is_drawn_without_the_paper_s_line(tmp_path):
    settings = config()
    settings["datasets"]["merged"]["extra"] = []
    scores, times = frames(settings)
    assert set(curves(settings, scores)["series"]) == set(settings["figures"]["figure2"]["arms"])
    assert "published" not in set(figure3_data(settings, times)["arm"])
    settings["figures"]["figure2"]["arms"] = list(settings["arms"])
    for name, build, data in (("figure2", figure2, scores), ("figure3", figure3, times)):
        files = [tmp_path / f"{name}.{end}" for end in FORMS]
        build(settings, data).write(*files)
        assert "paper" not in files[0].read_text(encoding="utf-8")
