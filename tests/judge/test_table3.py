"""Table 3: numbers by hand, pairing, published values, and what is said of each system."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up_run import config as made_up_config
from made_up_run import frames
from scipy import stats
from statsmodels.stats.multitest import multipletests

from after_ser.config.resolve import resolve
from after_ser.judge.baselines import NOTES, SCORES
from after_ser.judge.grid import baseline_cells, cells, dataset_splits
from after_ser.judge.tables import published, table
from after_ser.judge.tables.table3 import table3

EPOCHS = {"light": 30, "glam": 50, "svm": 1}
REFERENCE = "AFTER, 20 %"


def config(folds=3):
    settings = made_up_config(folds)
    settings["corpora"]["c"]["layout"] = "iemocap"
    settings["datasets"]["alone"] = {
        "target": "c", "extra": [], "folds": {"by": "session", "groups": 5}
    }  # fmt: skip
    settings["baselines"] = {
        "light": {"method": "light_sernet", "epochs": 30},
        "glam": {"method": "glam"},
        "svm": {"method": "egemaps_svm"},
    }
    settings["tables"]["table3"] = {
        "datasets": {"Alone": "alone", "Merged": "merged"},
        "rows": {
            "Light (small)": {"baseline": "light"},
            "GLAM": {"baseline": "glam"},
            "Floor": {"baseline": "svm"},
            REFERENCE: {"arm": "after", "budget": 0.2},
        },
        "reference": REFERENCE,
    }
    return settings


def fits(settings, below=5.0):
    """Rows of baseline_scores.tsv whose UA is about `below` points below AFTER's 20 %."""
    draw = np.random.default_rng(3)
    after, _ = frames(settings)
    after = after[(after["arm"] == "after") & (after["budget"] == 0.2)]
    level = after.groupby(["fold", "seed"])["ua"].mean()
    rows = []
    names = settings["baselines"]
    for name, dataset, fold in itertools.product(names, ("alone", "merged"), settings["folds"]):
        for seed in settings["seeds"] if name != "svm" else [0]:
            ua = level[str(fold), str(seed)] - below / 100 + draw.normal(0, 0.002)
            note = "9 train clips shorter than a window" if name == "glam" and fold == 1 else ""
            rows.append(
                [name, settings["baselines"][name]["method"], "paper", dataset, str(fold)]
                + [str(seed), 300, 31, ua, ua - 0.02, ua, 7 + fold, EPOCHS[name], note]
            )
    return pd.DataFrame(rows, columns=SCORES)


def both(settings):
    """The made-up scores, of both datasets."""
    scores, _ = frames(settings)
    return pd.concat([scores, scores.assign(dataset="alone", ua=scores["ua"] - 0.03)])


@pytest.fixture(scope="module")
def made():
    settings = config()
    return settings, both(settings), fits(settings)


def pick(result, row, column, metric):
    cells = result.cells
    found = cells[(cells["row"] == row) & (cells["column"] == column) & (cells["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def by_fold(frame, name="ua"):
    return 100 * frame.groupby("fold")[name].mean().to_numpy()


def of(frame, **values):
    for key, value in values.items():
        frame = frame[frame[key] == value]
    return frame


def test_scores_and_differences_by_hand(made):
    result = table3(*made)
    _, scores, fitted = made
    own = by_fold(of(fitted, baseline="glam", dataset="merged"))
    cell = pick(result, "GLAM", "Merged", "UA")
    assert cell["mean"] == pytest.approx(own.mean()) and (cell["n"], cell["folds"]) == (6, 3)
    low, high = stats.t.interval(0.95, 2, loc=own.mean(), scale=stats.sem(own))
    assert (cell["ci_low"], cell["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    after = by_fold(of(scores, arm="after", budget=0.2, dataset="merged"))
    difference = pick(result, "GLAM", "Merged", "dUA")
    test = stats.ttest_rel(after, own)
    assert difference["mean"] == pytest.approx((after - own).mean())
    assert difference["p"] == pytest.approx(test.pvalue)


def test_holm_is_over_every_test_of_the_table(made):
    cells = table3(*made).cells
    tested = cells[cells["p"].notna()]
    assert len(tested) == 3 * 2 * 2
    np.testing.assert_allclose(tested["p_holm"], multipletests(tested["p"], method="holm")[1])


def test_a_method_without_chance_has_one_fit_per_fold_and_is_paired_with_every_seed(made):
    result = table3(*made)
    _, scores, fitted = made
    cell = pick(result, "Floor", "Merged", "UA")
    assert (cell["n"], cell["seeds"]) == (3, 1)
    difference = pick(result, "Floor", "Merged", "dUA")
    assert (difference["n"], difference["seeds"], difference["note"]) == (6, 2, "")
    after = by_fold(of(scores, arm="after", budget=0.2, dataset="merged"))
    own = by_fold(of(fitted, baseline="svm", dataset="merged"))
    assert difference["mean"] == pytest.approx((after - own).mean())
    assert any("No chance in Floor: " in note for note in result.footnotes)


def test_published_values_go_by_what_a_row_is_and_by_the_kind_of_dataset(made):
    result = table3(*made)
    assert pick(result, "Light (small)", "Alone", "UA")["published"] == 70.76
    assert pick(result, "Light (small)", "Merged", "WA")["published"] == 71.38
    assert pick(result, REFERENCE, "Merged", "UA")["published"] == 77.41
    assert pick(result, REFERENCE, "Alone", "WA")["published"] == 73.24
    assert pick(result, "GLAM", "Merged", "dUA")["published"] == pytest.approx(77.41 - 71.38)
    assert np.isnan(pick(result, "Floor", "Merged", "UA")["published"])
    settings = config()
    arms = settings["arms"]
    settings["corpora"]["c"]["layout"] = "savee"  # the paper has no number for it alone
    other = table3(settings, *made[1:])
    assert np.isnan(pick(other, "Light (small)", "Alone", "UA")["published"])
    assert pick(other, "Light (small)", "Merged", "UA")["published"] == 69.28
    assert published.table3_row(arms["after"], 0.2, settings) == "AFTER"
    assert published.table3_row(arms["after"], 0.4, settings) is None
    assert published.table3_row(arms["ft"], 0.2, settings) is None
    settings["tapt"]["p"] = {"objective": "p-tapt", "first_stage": {"scratch": {}}}
    settings["backbones"]["big"] = {"hub": published.ROBUST_CHECKPOINT}
    pseudo, robust = arms["ft"] | {"start": "p"}, arms["ft"] | {"backbone": "big"}
    assert published.table3_row(pseudo, 1.0, settings) == "Pseudo-TAPT"
    assert published.table3_row(robust, 1.0, settings) == "w2v2-L-r-12"
    settings["backbones"]["big"] = {"scratch": {}}
    assert published.table3_row(robust, 1.0, settings) is None, "a stand-in has no printed number"
    for arm in (pseudo, robust, arms["ft"]):
        assert published.table3_row(arm, 0.2, settings) is None
    assert published.table3_row(arms["ft"], 1.0, settings) is None


def test_the_reference_is_not_compared_with_itself(made):
    cell = pick(table3(*made), REFERENCE, "Merged", "dUA")
    assert np.isnan(cell["mean"]) and cell["note"] == "the reference"


def test_it_is_said_what_is_not_the_original_and_how_it_was_trained(made):
    notes = table3(*made).notes
    (light,) = [note for note in notes if note.startswith("Light (small):")]
    assert "epochs 30 (300)" in light
    assert "8 to 10 of 30" in light and "PyTorch for TensorFlow" in light
    (glam,) = [note for note in notes if note.startswith("GLAM:")]
    assert "in 4 of 12 fits: " in glam
    assert "options other" not in glam
    (floor,) = [note for note in notes if note.startswith("Floor:")]
    assert "not of the paper" in floor and "epochs" not in floor
    assert "All speech is synthetic" in " ".join(notes)
    assert len(notes) == len(set(notes))


def test_every_note_of_a_fit_is_told_apart(made):
    settings, scores, fitted = made
    changed = fitted.assign(notes=NOTES.join(["one", "two"]))
    (light,) = [
        note for note in table3(settings, scores, changed).notes if note.startswith("Light")
    ]
    assert light.endswith("; one; two.")


def test_a_dagger_needs_a_corrected_p_and_too_few_folds_make_no_test(made):
    text = table3(*made).shown("md")
    assert "†" in text and "no test" not in text
    settings = config(folds=2)
    text = table3(settings, both(settings), fits(settings)).shown("md")
    assert "†" not in text.split("**", 2)[2] and "no test" in text
    assert "No p-values: " in text


def test_a_row_that_was_not_run_is_a_dash_beside_the_paper(made):
    settings, scores, fitted = made
    result = table3(settings, scores, fitted[fitted["dataset"] == "merged"])
    cell = pick(result, "GLAM", "Alone", "UA")
    assert (cell["n"], cell["note"], cell["published"]) == (0, "no run", 74.01)
    assert np.isnan(pick(result, "GLAM", "Alone", "dUA")["mean"])
    assert pick(result, "GLAM", "Merged", "UA")["n"] == 6


def test_all_forms_are_written_and_read_back(made, tmp_path):
    forms = [tmp_path / f"t.{form}" for form in ("tsv", "md", "tex", "html")]
    table3(*made).write(*forms)
    rows = table.read(forms[0])
    assert len(rows) == 4 * 2 * 4
    assert all(path.stat().st_size > 1000 for path in forms)


def planned(**changes):
    from workflow_runs import tiny

    given = tiny() | {"seeds": [0, 1]}
    given["datasets"]["alone"] = {"target": "toy-emodb", "folds": {"by": "speaker", "groups": 5}}
    given["baselines"]["glam"] = {"method": "glam"}
    given["tables"]["table3"] |= {"datasets": {"One": "alone", "Both": "merged"}} | changes
    return resolve(given)


def test_the_grid_has_the_table_s_arms_on_each_dataset_and_a_fit_per_fold_and_seed():
    resolved = planned()
    shown = {(cell.dataset, cell.round) for cell in cells(resolved) if cell.arm == "after"}
    assert {("alone", 0), ("alone", 1), ("merged", 1)} <= shown and ("alone", 2) not in shown
    found = {}
    for cell in baseline_cells(resolved):
        found.setdefault(cell.baseline, []).append((cell.dataset, cell.fold, cell.seed))
    every = set(itertools.product(("alone", "merged"), (1, 2), (0, 1)))
    assert set(found["glam"]) == every and len(found["glam"]) == 8
    assert set(found["egemaps-svm"]) == {key for key in every if key[2] == 0}
    assert ("paper", "alone") in dataset_splits(resolved)
    folders = [cell.folder for cell in baseline_cells(resolved)]
    assert len(set(folders)) == len(folders)
    assert "results/tiny/paper/baselines/glam/alone/fold1/seed1" in folders


def test_baselines_go_by_the_split_of_the_arms_beside_them():
    resolved = planned()
    resolved["arms"]["after"]["split"] = "released"
    assert {cell.split for cell in baseline_cells(resolved)} == {"released"}
    assert {("released", "alone"), ("released", "merged")} <= set(dataset_splits(resolved))


def test_features_are_charged_to_each_fit_of_the_method_that_extracts_them():
    lineages = {cell.baseline: cell.lineage for cell in baseline_cells(planned())}
    assert len(lineages["glam"]) == 1
    assert lineages["egemaps-svm"][0].endswith("egemaps-svm/merged/features/timing.json")
