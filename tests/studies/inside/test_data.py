"""What each panel of a page shows, against values computed by hand from made_up_arm's files."""

import numpy as np
import pandas as pd
import pytest
from made_up_arm import CLASSES, PICKS, TRAIN, config, write_run
from scipy import stats

from after_ser.core.errors import InputError
from after_ser.run.atomic import read_json, write_json, write_tsv
from after_ser.studies.inside import content
from after_ser.studies.inside.gather import Round, Run, read_clips, read_runs
from after_ser.studies.inside.page import MEAN, recall_table, scored_split, write_page
from after_ser.studies.inside.picks import answered_table, share_table
from after_ser.studies.inside.plan import pages
from after_ser.studies.inside.suspects import clip_counts, out_of_sample, suspects, when_sure

CLASS_OF = {utt: label for utt, (_, label) in TRAIN.items()}
CORPUS_OF = {utt: corpus for utt, (corpus, _) in TRAIN.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    found = write_run(root, config())
    return root, found, read_runs(found, CLASSES, 2, root)


def at(table, value, index):
    return table[(table["value"] == value) & (table["round"] == index)].iloc[0]


def test_shares_by_class_and_corpus(made):
    _, _, runs = made
    table = share_table(runs, CLASS_OF, CLASSES, "x")
    # round 0: fold 1 picks anger and neutral, fold 2 two neutral ones; 3 of 8 clips are anger
    first = at(table, "anger", 0)
    assert (first["picks"], first["count"]) == (4, 1)
    assert first["mean"] == pytest.approx(0.25) and first["pool"] == pytest.approx(3 / 8)
    # round 1: anger and neutral of a pool with 2 of 6; two anger ones of a pool with 3 of 6
    second = at(table, "anger", 1)
    assert second["mean"] == pytest.approx(0.75)
    assert second["pool"] == pytest.approx((2 / 6 + 3 / 6) / 2)
    half = stats.t.ppf(0.975, 1) * np.std([0.5, 1.0], ddof=1) / np.sqrt(2)
    assert second["ci_high"] - second["mean"] == pytest.approx(half)
    by_corpus = share_table(runs, CORPUS_OF, ["one", "two"], "x")
    assert at(by_corpus, "two", 0)["mean"] == pytest.approx(0.5)
    assert at(by_corpus, "two", 1)["mean"] == pytest.approx(0.25)
    assert at(by_corpus, "two", 1)["pool"] == pytest.approx((4 / 6 + 2 / 6) / 2)


def test_the_band_is_what_picking_by_lot_gives():
    """Of one fold it is the hypergeometric distribution's; of several, that of their mean."""
    clips = [f"c{i}" for i in range(400)]
    group = {utt: "x" if i < 100 else "y" for i, utt in enumerate(clips)}
    new = pd.DataFrame({"utt": clips[:60], "label": "anger", "rank": 1.0, "score": 0.0})

    def runs(*folds):
        first = Round(0, 0.15, new, 60, {})
        return [Run(fold, "0", tuple(clips), (first,), pd.DataFrame()) for fold in folds]

    single = at(share_table(runs("1"), group, ["x", "y"], "n"), "x", 0)
    exact = stats.hypergeom(400, 100, 60).ppf([0.025, 0.975]) / 60
    assert [single["band_low"], single["band_high"]] == pytest.approx(exact, abs=1.01 / 60)
    assert np.isnan(single["ci_low"]), "one fold has no interval"
    four = at(share_table(runs("1", "2", "3", "4"), group, ["x"], "n"), "x", 0)
    narrower = (four["band_high"] - four["band_low"]) / (single["band_high"] - single["band_low"])
    assert 0.42 < narrower < 0.58, "half as wide"


def test_answers_are_counted_where_the_pool_s_classes_are_unknown(made):
    table = answered_table(made[2], CLASSES)
    assert list(at(table, "anger", 1)[["picks", "count", "mean"]]) == [4, 3, 0.75]
    assert table[["pool", "band_low", "band_high"]].isna().all(axis=None)


def bring_along(root, found, utt, label):
    """Let people have labelled a clip before anything was asked (studies.annotation.labelled)."""
    for cell in found:
        folder = root / cell.folder
        labelled = pd.read_csv(folder / "labelled.tsv", sep="\t", dtype=str)
        own = {"utt": utt, "label": label, "acquired_in_round": "0", "rank": "0", "score": "0"}
        write_tsv(folder / "labelled.tsv", pd.concat([pd.DataFrame([own]), labelled]))
        pool = pd.read_csv(folder / "pool.tsv", sep="\t", dtype=str)
        write_tsv(folder / "pool.tsv", pool[pool["utt"] != utt])
        metrics = read_json(folder / "metrics.json")
        write_json(folder / "metrics.json", metrics | {"labelled": metrics["labelled"] + 1})


def test_labels_that_people_brought_along_are_no_choice(tmp_path):
    settings = config()
    settings["protocols"]["paper"]["oracle"]["kind"] = "human"
    found = write_run(tmp_path, settings, tested=False)
    bring_along(tmp_path, found, "two/h", "anger")
    runs = read_runs(found, CLASSES, 2, tmp_path)
    assert [list(one.new["utt"]) for one in runs[0].rounds] == PICKS[1]
    assert [one.labelled for one in runs[0].rounds] == [3, 5]
    assert (runs[0].given, len(runs[0].train)) == (1, 7) and "two/h" not in runs[0].train
    table = answered_table(runs, CLASSES)
    assert list(at(table, "anger", 0)[["picks", "count", "mean"]]) == [4, 1, 0.25]
    by_corpus = share_table(runs, CORPUS_OF, ["one", "two"], "x")
    assert at(by_corpus, "two", 0)["pool"] == pytest.approx(3 / 7), "of what could be asked for"
    write_page(settings, found, "page.html", tmp_path)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "1 clip with a label before" in text
    assert "two/h" not in text


def test_annotators_who_err_may_give_a_clip_two_labels(tmp_path):
    """Then it is judged against each, and not more are wrong than were judged."""
    found = write_run(tmp_path, config())
    second = tmp_path / found[-1].folder / "labelled.tsv"
    text = second.read_text(encoding="utf-8")
    assert "one/b\tanger" in text
    second.write_text(text.replace("one/b\tanger", "one/b\tneutral"), encoding="utf-8")
    judged = out_of_sample(read_runs(found, CLASSES, 2, tmp_path), CLASSES, CLASS_OF, False)
    picked = judged[(judged["source"] == "picked") & (judged["utt"] == "one/b")]
    assert set(picked["label"]) == {"anger", "neutral"}
    assert clip_counts(judged)["picked"] == 4
    judged.loc[picked.index, [f"p_{name}" for name in CLASSES]] = [[0.9, 0.1], [0.1, 0.9]]
    judged.loc[picked.index, "label"] = ["neutral", "anger"]
    wrong = suspects(judged, CLASSES)
    assert list(wrong.loc[wrong["utt"] == "one/b", "source"]).count("picked") == 2
    judged_of = clip_counts(judged)
    assert all(n <= judged_of[name] for name, n in wrong["source"].value_counts().items())


def test_nested_subsets_of_a_one_shot_arm_add_what_is_new(tmp_path):
    settings = config()
    settings["arms"]["after"] |= {"schedule": "oneshot", "strategy": "random"}
    runs = read_runs(write_run(tmp_path, settings), CLASSES, 2, tmp_path)
    assert [list(one.new["utt"]) for one in runs[0].rounds] == [
        ["one/a", "one/c"],
        ["one/b", "two/e"],
    ]
    assert runs[0].rounds[1].before is None, "no model looked at the pool before"


def test_recall_by_class(made):
    _, _, runs = made
    assert scored_split(runs) == "test"
    table = recall_table(runs, CLASSES, "test")
    # round 0: t1 is missed (fold 1), t3 found (fold 2); neutral both found
    assert at(table, "anger", 0)["folds"] == {"1": 0.0, "2": 1.0}
    assert at(table, "anger", 0)["mean"] == 0.5 and at(table, "anger", 0)["clips"] == 2
    assert at(table, "neutral", 1)["folds"] == {"1": 0.0, "2": 1.0}
    assert at(table, MEAN, 1)["folds"] == {"1": 0.5, "2": 1.0}
    assert at(table, MEAN, 1)["clips"] == 4
    val = recall_table(runs, CLASSES, "val")
    assert at(val, "anger", 0)["mean"] == 1.0 and at(val, "anger", 1)["mean"] == 0.0
    assert np.isnan(at(val, "neutral", 0)["mean"]), "val has no neutral clip"


def test_sure_mistakes_are_of_clips_that_were_not_trained_on(made):
    root, found, runs = made
    manifest = root / found[0].dataset_folder / "manifest.tsv"
    truth = read_clips(manifest, CLASSES, simulated=True).truth
    judged = out_of_sample(runs, CLASSES, truth, labels_read=False)
    assert clip_counts(judged) == {"val": 1, "test": 4, "pool": 5, "picked": 3}
    table = suspects(judged, CLASSES).set_index(["source", "utt"])
    # test: only t2 is wrong in the last round, at 0.8 : 0.2; val: mean of 0.2 and 0.4
    assert list(table.loc["test"].index) == ["one/t2"]
    assert tuple(table.loc["test", "one/t2"]) == ("neutral", "anger", 0.8, pytest.approx(0.2), 1, 1)
    v1 = table.loc["val", "one/v1"]
    assert (v1["says"], v1["models"], v1["agree"]) == ("neutral", 2, 2)
    assert v1["p_says"] == pytest.approx(0.7)
    # pool: the last models say anger (0.6) of all that is left; d and g are in both folds' pools
    assert set(table.loc["pool"].index) == {"one/c", "one/d", "two/f", "two/g"}
    assert table.loc["pool", "two/g"]["models"] == 2 and table.loc["pool", "two/f"]["models"] == 1
    # picked in round 1: round 0's model said neutral (0.7) of a and b, which are anger
    assert set(table.loc["picked"].index) == {"one/a", "one/b"}
    assert table.loc["picked", "one/b"]["p_says"] == pytest.approx(0.7)
    assert table.loc["picked", "one/b"]["models"] == 2
    order = suspects(judged, CLASSES)
    assert list((order["p_says"] - order["p_label"]).round(6)) == sorted(
        (order["p_says"] - order["p_label"]).round(6), reverse=True
    )


def test_no_prediction_of_a_labelled_clip_is_used(made):
    _, _, runs = made
    judged = out_of_sample(runs, CLASSES, CLASS_OF, labels_read=False)
    for run in runs:
        labelled = {utt for one in run.rounds for utt in one.new["utt"]}
        own = judged[judged["fold"] == run.fold]
        assert not set(own.loc[own["source"] != "picked", "utt"]) & labelled
        first = set(run.rounds[0].new["utt"])
        assert not set(own.loc[own["source"] == "picked", "utt"]) & first


def test_what_pre_training_has_read_the_labels_of_is_left_out(made):
    judged = out_of_sample(made[2], CLASSES, CLASS_OF, labels_read=True)
    assert set(judged["source"]) == {"test", "val"}


def test_without_a_truth_the_pool_has_no_mistakes(made):
    judged = out_of_sample(made[2], CLASSES, None, labels_read=False)
    assert set(judged["source"]) == {"test", "val", "picked"}


def test_how_often_a_sure_prediction_is_right(made):
    judged = out_of_sample(made[2], CLASSES, None, labels_read=False)
    sure = when_sure(judged, CLASSES, "test")
    # fold 1: t1 at 0.9, right; t2 at 0.8 is not sure. Fold 2 has no sure prediction
    assert (sure["mean"], sure["clips"], sure["of"], sure["n_folds"]) == (1.0, 1, 4, 1)
    assert when_sure(judged, CLASSES, "val")["clips"] == 0


def test_the_map_is_the_principal_plane():
    """Three dimensions of which the third is the sum of the others, at unequal spread."""
    generator = np.random.default_rng(0)
    plane = generator.normal(size=(50, 2)) * [5.0, 1.0]
    turned = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    points = np.column_stack([plane, np.zeros(50)]) @ turned + 7
    found = content.project(points)
    assert sum(found.explained) == pytest.approx(1)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    shown = np.linalg.norm(found.coordinates[:, None] - found.coordinates[None], axis=-1)
    np.testing.assert_allclose(shown, apart, atol=1e-9)
    spread = found.coordinates.var(axis=0)
    assert found.explained[0] == pytest.approx(spread[0] / spread.sum())


@pytest.mark.parametrize("shape", [(1, 4), (5, 1), (3, 2)])
def test_a_map_of_few_or_equal_clips(shape):
    found = content.project(np.ones(shape))
    assert found.coordinates.shape == (shape[0], 2) and not found.coordinates.any()
    with pytest.raises(InputError, match="not finite"):
        content.project(np.full(shape, np.nan))


def test_points_are_bounded_and_half_are_for_picks():
    clips = [f"c{i}" for i in range(1000)]
    lots = np.random.default_rng(0)
    few = content.bounded(clips, clips[:900], 100, lots)
    assert len(few) == 100 and sum(utt in set(clips[:900]) for utt in few) == 50
    assert (
        sum(utt in set(clips[:10]) for utt in content.bounded(clips, clips[:10], 100, lots)) == 10
    )
    assert len(content.bounded(clips, clips, 100, lots)) == 100
    assert few == sorted(few, key=clips.index)
    assert content.bounded(clips[:5], [], 5, lots) == clips[:5]


def test_cut_files_are_refused(made):
    root, found, _ = made
    for path, what in (
        (root / found[-1].predictions, "test clips"),
        (root / found[-1].labelled, "clips"),
        (root / f"{found[-1].folder}/pool.tsv", "clips"),
    ):
        whole = path.read_text()
        path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
        with pytest.raises(InputError, match=f"{path.name}.*{what}; expected"):
            read_runs(found, CLASSES, 2, root)
        path.write_text(whole)
    features = next(root.rglob("means.npy"))
    whole = features.read_bytes()
    np.save(features, np.zeros((3, 3), np.float32))
    with pytest.raises(InputError, match=r"means.npy: shape \(3, 3\); expected"):
        read_runs(found, CLASSES, 2, root)
    features.write_bytes(whole)


def test_pages_are_of_arms_that_are_run():
    from after_ser.judge.grid import cells

    settings = config(arms=["other"])
    settings["arms"]["other"] = settings["arms"]["after"]
    with pytest.raises(InputError, match="shows other"):
        pages(settings, cells(settings))
    assert pages(config(arms=[]), cells(config())) == {}
    assert list(pages(config(), cells(config()))) == [("both", "after")]
