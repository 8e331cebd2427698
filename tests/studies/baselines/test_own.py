"""A user's own baseline: the worked example of docs/how-to-add.md, and what may go wrong."""

import re

import numpy as np
import pytest
import yaml
from refusals import refused
from workflow_runs import (
    REPO,
    beyond_summaries,
    copy_run,
    pending,
    resolved,
    succeed,
    table,
    tiny,
    write_config,
)

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.judge.grid import baseline_cells
from after_ser.studies.baselines.registry import load, registered
from after_ser.studies.baselines.run import run_baseline, with_features, write_features
from tests.studies.baselines.baseline_clips import CLASSES, unknown, write_clips

PAGE = (REPO / "docs/how-to-add.md").read_text(encoding="utf-8").split("## A system of Table 3")[1]
FILE = "my_baselines/mean_mfcc.py"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The example's file, in a folder that is the current one; and its config line."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_text(block("python"), encoding="utf-8")
    return path, yaml.safe_load(block("yaml"))["baselines"]


def with_baselines(baselines: dict) -> dict:
    config = tiny()
    config["baselines"] |= baselines
    return config


def test_the_example_s_one_line_is_a_row_of_table_3(example):
    config = resolved(with_baselines(example[1]))
    assert config["baselines"]["mean-mfcc"] == {"method": FILE, "coefficients": 20, "c": 0.1}
    assert config["tables"]["table3"]["rows"]["mean-mfcc"] == {"baseline": "mean-mfcc"}
    cells = [cell for cell in baseline_cells(config) if cell.baseline == "mean-mfcc"]
    assert [(cell.fold, cell.seed) for cell in cells] == [(1, 0), (2, 0)]
    assert registered(FILE).deviations == "an example, from no paper"


def test_the_example_learns(example, tmp_path):
    clips = [write_clips(tmp_path, count, seed) for seed, count in enumerate((24, 8, 10))]
    parts = dict(zip(("train", "val", "test"), clips, strict=True))
    given = {"classes": CLASSES, "settings": {"coefficients": 20, "c": 0.1}}
    result = run_baseline("mean-mfcc", load(FILE), parts, seed=0, device="cpu", **given)
    right = result.probabilities["test"].argmax(axis=1) == [clip.label for clip in clips[2]]
    assert right.mean() >= 0.9


@pytest.mark.slow
def test_the_example_is_run_by_the_workflow_and_plans_its_own_jobs_only(tiny_run, example):
    path, line = example
    folder = copy_run(tiny_run, path.parents[1] / "run")
    (folder / FILE).parent.mkdir()
    path.rename(folder / FILE)
    line["mean-mfcc"]["method"] = str(folder / FILE)
    config = write_config(path.parents[1] / "own.yaml", with_baselines(line))
    found = beyond_summaries(pending(folder, config))
    own = "results/tiny/paper/baselines/mean-mfcc/merged/fold{}/seed0/{}"
    files = ("metrics.json", "predictions.tsv", "history.tsv", "timing.json")
    assert found == {own.format(fold, name) for fold in (1, 2) for name in files}
    succeed(folder, config, "results/tiny/tables/table3.tsv")
    rows = table(folder, "results/tiny/tables/table3.tsv")
    assert list(dict.fromkeys(rows["row"])) == ["eGeMAPS + SVM", "AFTER", "mean-mfcc"]
    before = table(tiny_run, "results/tiny/tables/table3.tsv").set_index(["row", "metric"])
    after = rows.set_index(["row", "metric"])
    assert after.loc[("AFTER", "UA")].equals(before.loc[("AFTER", "UA")])
    # a changed option is another fit, a changed comment is not: the file has a VERSION
    changed = with_baselines({"mean-mfcc": {**line["mean-mfcc"], "c": 0.2}})
    again = pending(folder, write_config(path.parents[1] / "c.yaml", changed))
    assert any("mean-mfcc" in file for file in again)
    source = folder / FILE
    source.write_text(source.read_text() + "# said later\n")
    assert not beyond_summaries(pending(folder, config))


def test_without_a_version_every_change_of_the_file_is_another_method(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def fit(): ...\n\n\ndef predict(): ...\n")
    first = registered(str(path)).version
    other = tmp_path / "other.py"
    other.write_text(path.read_text() + "# more\n")
    assert registered(str(other)).version != first
    other.write_text("VERSION = 7\n")
    assert registered(str(other)).version != first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("OPTIONS = dict(a=1)\n", "OPTIONS in line 1"),
        ("OPTIONS = [1]\n", "OPTIONS is "),
        ("def fit(:\n", "line 1 is "),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, source, message):
    path = tmp_path / "own.py"
    path.write_text(source)
    with pytest.raises(InputError) as caught:
        registered(str(path))
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_file_without_predict_is_refused(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def fit(): ...\n")
    with pytest.raises(InputError, match="function predict .*own.py"):
        load(str(path))


def test_a_dotted_module_is_a_method_too():
    assert (
        registered("after_ser.studies.baselines.glam").module == "after_ser.studies.baselines.glam"
    )
    assert load("after_ser.studies.baselines.glam").predict is load("glam").predict


@pytest.mark.parametrize(
    ("baselines", "message"),
    [
        ({"b": {"method": "glamm"}}, '"glamm" … "glam"'),
        ({"b": {"method": "nowhere/x.py"}}, '"nowhere/x.py" … light'),
        ({"b": {}}, '"method" … baselines.b'),
        ({"b": {"method": "glam", "epoch": 3}}, '"epoch" … "epochs"'),
        ({"b": {"method": "glam", "epochs": 0}}, "epochs: 0; … above 0"),
        ({"b": {"method": "glam", "epochs": 2.5}}, "epochs: 2.5; … whole number"),
        ({"b": {"method": "glam", "patience": -1}}, "patience: -1; … whole number"),
        ({"b": {"method": "glam", "mixup": -0.5}}, "mixup: -0.5; … 0 or"),
        ({"b": {"method": "light_sernet", "loss": "mse"}}, "mse … focal, cross_entropy"),
        ({"b": {"method": "light_sernet", "widths": []}}, "widths: []; expected a list"),
        ({"b": {"method": "light_sernet", "widths": [0]}}, "widths: [0]; expected a list"),
        ({"AFTER": {"method": "glam"}}, "rows.AFTER: … baseline"),
    ],
)
def test_mistakes_in_baselines_are_named_on_one_line(baselines, message):
    with refused(message):
        resolved(with_baselines(baselines))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {"A": {"arm": "after"}}}, "rows.A: … baseline or arm"),
        ({"rows": {"A": {"baseline": "x"}}}, 'rows.A: … "x"'),
        ({"rows": {"A": {"arm": "aftr", "budget": 0.25}}}, 'arm "aftr"'),
        ({"rows": {"A": {"arm": "after", "budget": 0.3}}}, "rows.A: 0.3"),
        ({"datasets": {"M": "mergd"}}, 'datasets.M: … "mergd"'),
        ({"reference": "AFTR"}, 'reference: … "AFTR" … "AFTER"'),
    ],
)
def test_mistakes_in_table_3_are_named_on_one_line(change, message):
    config = tiny()
    config["tables"]["table3"] |= change
    with refused(message):
        resolved(config)


def test_arms_of_different_splits_are_not_set_side_by_side():
    config = tiny()
    config["arms"]["other"] = {**config["arms"]["after"], "split": "released"}
    config["tables"]["table3"]["rows"]["other"] = {"arm": "other", "budget": 0.25}
    with pytest.raises(InputError, match="AFTER and other .*splits"):
        resolved(config)


def test_features_that_folds_share_are_found_again_and_no_label_is_shown(tmp_path):
    import pandas as pd

    manifest = pd.DataFrame({"utt": ["b", "a"], "path": ["B", "A"], "speaker": "s", "label": "x"})

    class Method:
        @staticmethod
        def extract(clips):
            assert [clip.label for clip in clips] == [None, None]
            return np.array([[len(clip.path), ord(clip.utt)] for clip in clips], float)

    write_features(tmp_path, Method, manifest)
    clips = write_clips(tmp_path, 1)
    from dataclasses import replace

    named = [replace(clips[0], utt="a"), replace(clips[0], utt="b")]
    assert [clip.features.tolist() for clip in with_features(named, tmp_path)] == [[1, 97], [1, 98]]
    Method.extract = staticmethod(lambda clips: np.array([[1.0]]))
    with pytest.raises(InputError, match=r"shape \(1, 1\).*expected 2 rows"):
        write_features(tmp_path, Method, manifest)


def test_egemaps_takes_the_features_that_a_clip_brings(tmp_path):
    from dataclasses import replace

    clips = write_clips(tmp_path, 8)
    method, options = load("egemaps_svm"), dict(registered("egemaps_svm").options)
    given = {"classes": CLASSES, "settings": options, "seed": 0, "device": "cpu"}
    made = method.fit(clips, clips, **given).model
    brought = [
        replace(clip, features=row, path="nowhere")
        for clip, row in zip(clips, method.extract(clips), strict=True)
    ]
    again = method.fit(brought, brought, **given).model
    np.testing.assert_array_equal(
        method.predict(again, unknown(brought)), method.predict(made, unknown(clips))
    )


def test_every_baseline_of_a_preset_is_shown():
    for path in sorted((REPO / "config").glob("*.yaml")):
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "table3" in given.get("tables", {}):
            config = resolve(given)
            assert config["tables"]["table3"]["rows"] == given["tables"]["table3"]["rows"]
