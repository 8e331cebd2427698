"""The files of the claims report, and the claim that is judged by another table's file."""

from __future__ import annotations

import pandas as pd
import pytest
from markupsafe import escape

from after_ser.judge.claims.registry import CLAIMS
from after_ser.judge.claims.render import claims
from after_ser.judge.claims.verdict import (
    NOT_SUPPORTED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
)
from after_ser.judge.render import tex_text
from tests.judge.claims_run import TESTABLE, as_read, config, judged, made_up, outliers


@pytest.fixture(scope="module")
def claimed():
    return made_up(config())


def test_outliers_are_judged_by_their_table(claimed, tmp_path):
    def found(*arguments, **settings):
        return judged(15, as_read(outliers(claimed, *arguments, **settings), tmp_path))

    assert judged(15, claimed).startswith("this config has no table")
    assert found(-2.0).verdict == SUPPORTED
    assert found(+2.0).verdict == NOT_SUPPORTED
    assert found(0.0).verdict == UNDECIDED
    assert found(-2.0, folds=1).verdict == NOT_TESTABLE
    lacking = found(-2.0, kinds=("foreign", "near-duplicate"))
    assert lacking.verdict == UNDECIDED and "mislabelled clips (noise)" in lacking.reason
    assert len(lacking.outcomes) == 1


def test_every_form_is_written_and_times_change_their_rows_only(tmp_path, claimed):
    evidence = as_read(outliers(claimed, -2.0), tmp_path)
    forms = {"tsv": ".tsv", "parts": "_parts.tsv", "md": ".md", "tex": ".tex", "html": ".html"}
    frames = []
    for turn, times in enumerate((evidence.times, evidence.times.assign(total_s=60.0))):
        folder = tmp_path / str(turn)
        folder.mkdir()
        out = {key: folder / f"claims{end}" for key, end in forms.items()}
        made = claims(evidence.config, evidence.scores, times, evidence.outliers, None, [])
        made.write(**out)
        frames.append(pd.read_csv(out["tsv"], sep="\t"))
    first, second = frames
    steady = first["source"] != "times"
    pd.testing.assert_frame_equal(first[steady], second[steady])
    assert not first[~steady].equals(second[~steady])
    assert first["number"].tolist() == list(range(1, 18))
    assert first.loc[14, "verdict"] == SUPPORTED  # the outliers table was read
    page = (tmp_path / "0/claims.html").read_text(encoding="utf-8")
    markdown = (tmp_path / "0/claims.md").read_text(encoding="utf-8")
    tex = (tmp_path / "0/claims.tex").read_text(encoding="utf-8")
    for number, claim in enumerate(CLAIMS, start=1):
        assert f"| {number} | **{claim.name}.**" in markdown
        assert f"<b>{escape(claim.name)}.</b>" in page
        assert tex_text(claim.name) in tex
    assert "| **supported** |" in markdown and "src=" not in page and "href=" not in page
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert body.count("{") == body.count("}")
    assert not [character for character in body if ord(character) > 126]
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in lines if "---" not in line} == {5, 6}
    parts = pd.read_csv(tmp_path / "0/claims_parts.tsv", sep="\t")
    assert set(parts["number"]) == {*TESTABLE, 15}
    reason = "claims.tsv gives the deciding comparison of claims_parts.tsv"
    for row in first[first["part"].notna()].to_dict("records"):
        same = parts[(parts["number"] == row["number"]) & (parts["part"] == row["part"])]
        assert same["effect"].tolist() == [row["effect"]], reason
