"""What comes from corpora and configs is text wherever it is shown: pages, Markdown, LaTeX, SVG."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest
from made_up_run import config, frames

from after_ser.judge.claims import render
from after_ser.judge.claims.report import Report
from after_ser.judge.figures.figure import write_html
from after_ser.judge.figures.figure2 import figure2
from after_ser.judge.figures.figure3 import figure3
from after_ser.judge.render import markdown_text, tex_text
from after_ser.judge.tables import table

OWN = "document.documentElement.setAttribute('owned', 1)"
HARM = (
    f"<script>{OWN}</script>",
    f"</script><script>{OWN}</script><!--",
    f'<img src=x onerror="{OWN}">',
    f"\"'><svg onload={OWN}>",
    "</title></style><h1>owned</h1>",
)
EVIL = " ".join(HARM)


class Elements(HTMLParser):
    """Collects the elements of a page, their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def evil_table():
    summary = {"n": 1, "n_folds": 1, "n_seeds": 1, "mean": 50.0, "note": EVIL}
    rows = [table.cell(text, text, text, summary) for text in HARM]
    return table.Table(EVIL, EVIL, table.frame(rows), notes=[EVIL], footnotes=[EVIL])


def harmless_table():
    summary = {"n": 1, "n_folds": 1, "n_seeds": 1, "mean": 50.0}
    rows = [table.cell(f"r{i}", f"c{i}", f"m{i}", summary) for i in range(len(HARM))]
    return table.Table("t", "r", table.frame(rows), notes=["n"], footnotes=["f"])


def test_tables_show_it_as_text():
    page = Elements(evil_table().shown("html"))
    expected = Elements(harmless_table().shown("html"))
    assert page.tags == expected.tags and page.attributes == expected.attributes
    assert all(text in page.text for text in HARM)


def test_the_page_of_claims_shows_it_as_text():
    report = Report(EVIL, [], [EVIL])
    page, expected = (
        Elements(render.ClaimsTable(r).shown("html"))
        for r in (report, replace(report, title="t", notes=["n"]))
    )
    assert page.tags == expected.tags and EVIL in page.text
    for written in (render.ClaimsTable(report).shown("md"), evil_table().shown("md")):
        assert not re.search(r"(?<!\\)<[A-Za-z/!?]", written), "no tag begins in the Markdown"


@pytest.mark.parametrize("text", [EVIL, r"\<b>", r"\\<b>", "<!-- x", "a | b", "&lt;b&gt;"])
def test_markdown_is_shown_as_it_is_written(text):
    """Backslashes before punctuation are CommonMark's way; what they protect is shown."""
    written = markdown_text(text)
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", written)
    assert shown == text
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", written)
    assert not re.search(r"<[A-Za-z/!?]|&#?\w+;|\||\]\(", bare)


def test_markdown_links_and_rows_do_not_begin():
    assert markdown_text("[x](javascript:y)") == r"[x\](javascript:y)"
    assert markdown_text("a\n| b |") == r"a \| b \|"
    assert markdown_text("p < 0.05, AT&T") == "p < 0.05, AT&T"


def test_latex_runs_nothing():
    evil = "x\n\\input{/etc/passwd}\r\\write18{ls} %"
    assert tex_text(evil).count("\n") == 0 and r"\input" not in tex_text(evil)
    given = replace(evil_table(), notes=[evil], footnotes=[evil])
    for written in (given.shown("tex"), render.ClaimsTable(Report(evil, [], [evil])).shown("tex")):
        for line in written.splitlines():
            assert line.startswith("%") or r"\input" not in line and r"\write18" not in line


def evil_run(build, rows, folder, name):
    settings = config()
    for arm in settings["arms"].values():
        arm["label"] += EVIL
    settings["note"] = EVIL
    bars = settings["figures"]["figure3"]["bars"]
    bars[EVIL] = bars.pop("FT")
    paths = [folder / f"{name}.{form}" for form in ("svg", "png", "html", "tsv")]
    build(settings, rows(settings)).write(*paths)
    return paths


def scores_of(settings):
    return frames(settings)[0]


def times_of(settings):
    return frames(settings)[1]


@pytest.mark.parametrize(("build", "rows"), [(figure2, scores_of), (figure3, times_of)])
def test_figures_show_it_as_text(tmp_path, build, rows):
    svg, _, page, tsv = evil_run(build, rows, tmp_path, "figure")
    assert "<script>" in tsv.read_text(), "it is in the data"
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(svg).iter()}
    assert not tags & {"script", "img", "foreignObject", "h1"}
    elements = Elements(page.read_text(encoding="utf-8"))
    assert elements.tags.count("script") == 2 and "img" not in elements.tags
    assert "onerror" not in elements.attributes


def browser():
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


@pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
def test_a_browser_runs_none_of_it(tmp_path):
    """Rendered by a real browser: the chart is drawn, and no script of the data ran."""
    data = pd.DataFrame({"name": HARM, "value": range(len(HARM))})
    chart = alt.Chart(data, title=EVIL).mark_bar().encode(x="value", y="name", tooltip="name")
    write_html(chart, tmp_path / "chart.html", "chart")
    (tmp_path / "table.html").write_text(evil_table().shown("html"), encoding="utf-8")
    (tmp_path / "control.html").write_text(f"<html><script>{OWN}</script></html>")

    def rendered(name):
        command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += [f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=3000"]
        done = subprocess.run(
            [*command, (tmp_path / name).as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    assert ' owned="1"' in rendered("control.html"), "the browser runs scripts"
    drawn = rendered("chart.html")
    assert 'class="vega-bindings"' in drawn and "&lt;script&gt;" in drawn, "it is drawn, as text"
    assert ' owned="1"' not in drawn and "<h1>owned" not in drawn and "<img src=x" not in drawn
    assert ' owned="1"' not in rendered("table.html")
