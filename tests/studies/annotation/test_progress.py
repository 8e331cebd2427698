"""The page after each round, from the files that rounds leave."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.run.atomic import write_json, write_tsv
from after_ser.studies.annotation.finished_rounds import planned_labels
from after_ser.studies.annotation.progress_page import write_progress
from tests.judge.test_security_pages import EVIL, Elements

CLASSES = ["anger", "neutral", "sad"]
TRAIN, VAL = 60, 24


def probabilities(source, labels, sharpness):
    logits = source.normal(0, 1, (len(labels), len(CLASSES)))
    logits += sharpness * np.eye(len(CLASSES))[[CLASSES.index(label) for label in labels]]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def write_rounds(folder, count, step=10):
    """Rounds whose models get better; the pool loses `step` clips with each of them."""
    source = np.random.default_rng(0)
    truth = [CLASSES[i % 3] for i in range(TRAIN)]
    val_truth = [CLASSES[i % 3] for i in range(VAL)]
    folders = []
    for index in range(count):
        labelled = min(step * (index + 1), TRAIN)
        probs = probabilities(source, val_truth, 0.5 + index / 2)
        columns = {f"p_{name}": probs[:, i] for i, name in enumerate(CLASSES)}
        val = pd.DataFrame({"utt": [f"v{i}" for i in range(VAL)], "label": val_truth, **columns})
        val.insert(1, "split", "val")
        rest = probabilities(source, truth[labelled:], 1 + index)
        pool = pd.DataFrame({"utt": [f"t{i}" for i in range(labelled, TRAIN)]})
        for i, name in enumerate(CLASSES):
            pool[f"p_{name}"] = rest[:, i]
        place = folder / f"round{index}"
        write_tsv(place / "predictions.tsv", val, "%.9g")
        write_tsv(place / "pool.tsv", pool, "%.9g")
        metrics = {"labelled": labelled, "n_train": TRAIN, "round": index}
        write_json(place / "metrics.json", metrics | {"val": score(val_truth, probs, CLASSES)})
        folders.append(place)
    return folders


def page_of(folder, folders, **changed):
    given = {
        "title": "own after round 1",
        "classes": CLASSES,
        "speakers": {f"v{i}": f"s{i % 6}" for i in range(VAL)},
        "next_labelled": None,
        "name": ["test"],
    }
    page, facts = folder / "progress.html", folder / "progress.json"
    write_progress(page, facts, folders, **{**given, **changed})
    return page.read_text(encoding="utf-8"), json.loads(facts.read_text(encoding="utf-8"))


def test_five_rounds_say_everything(tmp_path):
    folders = write_rounds(tmp_path, 5)
    text, facts = page_of(tmp_path, folders, next_labelled=55)
    assert [row["labelled"] for row in facts["rounds"]] == [10, 20, 30, 40, 50]
    for row, folder in zip(facts["rounds"], folders, strict=True):
        metrics = json.loads((folder / "metrics.json").read_text())
        assert row["ua"] == pytest.approx(metrics["val"]["ua"])
        assert row["ci_low"] <= row["ua"] <= row["ci_high"]
    assert facts["val"]["drawn"] == "speakers" and facts["val"]["n_drawn"] == 6
    assert facts["next"]["labelled"] == 55 and facts["next"]["planned"]
    assert facts["next"]["low"] >= 0 and facts["next"]["mean"] > 0
    assert "55 in all" in text
    assert all(one["stop"] is not None for one in facts["criteria"].values())
    pools = [pd.read_csv(one / "pool.tsv", sep="\t", index_col="utt") for one in folders]
    said = [pool.idxmax(axis=1) for pool in pools]
    pairs = [(before[now.index], now) for before, now in zip(said, said[1:], strict=False)]
    found = facts["criteria"]["classification change"]
    changed = [(before != now).mean() for before, now in pairs]
    assert max(changed) > 0.1 and found["history"][1:] == pytest.approx(changed)
    assert found["value"] == found["history"][-1] and found["history"][0] is None
    found = facts["criteria"]["stabilising predictions"]
    kappas = [cohen_kappa_score(before, now) for before, now in pairs]
    assert found["history"][1:] == pytest.approx(kappas)
    assert found["value"] == pytest.approx(np.mean(kappas[-3:]))
    found = facts["criteria"]["overall uncertainty"]
    entropies = [-(pool * np.log(pool)).sum(axis=1).mean() / np.log(3) for pool in pools]
    assert found["history"] == pytest.approx(entropies, abs=1e-6)
    assert "6 speakers" in text and "cannot be said yet" not in text
    assert page_of(tmp_path, folders, next_labelled=55)[0] == text, "the same to the byte"


def test_one_round_says_what_it_cannot_say(tmp_path):
    text, facts = page_of(tmp_path, write_rounds(tmp_path, 1))
    assert facts["next"]["mean"] is None and "1 of the 4 rounds" in text
    assert [one["stop"] is None for one in facts["criteria"].values()] == [True, False, True, True]
    assert text.count("cannot be said yet") == 4


def test_a_pool_that_is_empty(tmp_path):
    text, facts = page_of(tmp_path, write_rounds(tmp_path, 4, step=20))
    assert facts["rounds"][-1]["labelled"] == TRAIN
    assert facts["criteria"]["overall uncertainty"]["note"] == "no unlabelled clip is left"
    assert "no clip is left" in facts["next"]["note"]


def test_rounds_that_lack_clips_are_refused_in_one_line(tmp_path):
    folders = write_rounds(tmp_path, 3)
    with pytest.raises(InputError, match="rounds 0, 2; .* 0, 1, 2"):
        page_of(tmp_path, [folders[0], folders[2]])
    for name, expected in (("pool.tsv", 40), ("predictions.tsv", VAL)):
        whole = (folders[1] / name).read_text()
        (folders[1] / name).write_text("".join(whole.splitlines(keepends=True)[:-1]))
        with pytest.raises(InputError, match=rf"{name}.*expected {expected} as in") as caught:
            page_of(tmp_path, folders)
        assert "\n" not in str(caught.value)
        (folders[1] / name).write_text(whole)
    assert not (tmp_path / "progress.html").exists()


def test_the_page_is_whole_and_shows_text(tmp_path):
    folders = write_rounds(tmp_path, 2)
    text, _ = page_of(tmp_path, folders, title=EVIL)
    page, expected = Elements(text), Elements(page_of(tmp_path, folders)[0])
    assert page.tags == expected.tags and page.attributes == expected.attributes
    assert EVIL in page.text and "script" not in page.tags
    assert not re.search(r"(src|href)=\"(?!data:)", text)


def test_labels_that_were_brought_along_are_on_top_of_what_is_planned():
    """As the next query counts: a share of what people can be asked for."""
    metrics = {"labelled": 104, "n_train": 200}
    assert planned_labels(metrics, 0.1, None) == 20
    said = {"given": 100, "left_out": {}}
    assert planned_labels(metrics, 0.1, said) == 100 + 10
    assert planned_labels(metrics, 0.1, said | {"left_out": dict.fromkeys("abcdefghij", "")}) == 109
    # nobody has anything left to be asked for
    assert planned_labels(metrics, 0.1, {"given": 200, "left_out": {}}) == 200
