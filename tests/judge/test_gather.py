"""scores.tsv and times.tsv from a written tree of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.judge import grid
from after_ser.judge.gather import SCORES, TIMES, gather, gather_cells, lineage_time
from after_ser.run.atomic import write_tsv

CONFIG = {
    "run": "t",
    "backbone": "small",
    "folds": [1, 2],
    "seeds": [0, 1],
    "budget": [0.1, 0.2, 0.4],
    "datasets": {"d": {"target": "c", "extra": [], "folds": {"groups": 5}}},
    "tapt": {"tapt": {"objective": "eq1+eq2", "seed_per_run": False}},
    "protocols": {"paper": {"warm_start": True, "oracle": {"kind": "simulated"}}},
    "arms": {
        "after": {
            "label": "AFTER",
            "start": "tapt",
            "init": "kmeans",
            "strategy": "entropy",
            "schedule": "iterative",
            "protocol": "paper",
        },
        "random": {
            "label": "FT",
            "start": "pretrained",
            "init": "kmeans",
            "strategy": "random",
            "schedule": "oneshot",
            "protocol": "paper",
        },
    },
    "tables": {
        "table4": {
            "dataset": "d",
            "columns": {"AFTER": "after", "FT": "random"},
            "budgets": [0.1, 0.4],
        }
    },
    "figures": {},
}


def write_json(path: str, value: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(value))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Write the results of CONFIG; every step's wall time is a power of ten by its part."""
    monkeypatch.chdir(tmp_path)
    seconds = {"tapt": 1000.0, "latents": 100.0, "initial": 10.0, "query": 0.1, "fit": 1.0}
    for cell in grid.cells(CONFIG):
        score = {"ua": 0.5, "wa": 0.6, "macro_f1": 0.4, "n": 10}
        write_json(
            cell.metrics,
            {
                "labelled": 10 * (cell.round + 1),
                "n_train": 100,
                "budget": cell.budget,
                "val_labels": 11,
                "round": cell.round,
                "best_epoch": 2,
                "epochs": 5,
                "test": score | {"ua": 0.5 + 0.1 * cell.fold},
                "val": score,
            },
        )
        for part, path in cell.lineage:
            wall = seconds[part]
            write_json(path, {"wall_s": wall, "compute_s": wall / 2, "device": "CPU"})
    return tmp_path


def test_rows_and_columns(tree):
    scores, times = gather(CONFIG)
    assert list(scores.columns) == SCORES and list(times.columns) == TIMES
    # iterative: three rounds (the middle one exists anyway), one-shot: the two budgets asked for
    assert len(scores) == len(times) == (3 + 2) * 2 * 2
    assert set(scores.loc[scores["fold"] == 2, "ua"]) == {0.7}
    assert list(dict.fromkeys(scores["arm"])) == ["after", "random"]


def test_time_adds_up_tapt_latents_and_every_round(tree):
    _, times = gather(CONFIG)
    last = times[(times["arm"] == "after") & (times["round"] == 2)]
    # by hand: TAPT, latents of TAPT's and of the pre-trained model, initial set, 2 queries, 3 fits
    assert set(last["tapt_s"]) == {1000.0}
    assert set(last["latents_s"]) == {200.0}
    assert set(last["query_s"]) == {0.2}
    assert set(last["fit_s"]) == {3.0}
    assert set(last["total_s"]) == {1000 + 200 + 10 + 0.2 + 3.0}
    assert set(last["compute_total_s"]) == {(1000 + 200 + 10 + 0.2 + 3.0) / 2}
    oneshot = times[times["arm"] == "random"]
    assert set(oneshot["fit_s"]) == {1.0} and set(oneshot["tapt_s"]) == {0.0}


def test_files_are_the_same_to_the_byte(tree):
    for name in ("a", "b"):
        scores, times = gather(CONFIG)
        write_tsv(tree / f"scores.{name}", scores)
        write_tsv(tree / f"times.{name}", times)
    for kind in ("scores", "times"):
        assert (tree / f"{kind}.a").read_bytes() == (tree / f"{kind}.b").read_bytes()


def test_order_of_the_grid_does_not_matter_within_an_arm(tree):
    cells = [cell for cell in grid.cells(CONFIG) if cell.arm == "after"]
    forward, backward = gather_cells(cells)[0], gather_cells(cells[::-1])[0]
    assert forward.equals(backward)


def test_missing_broken_and_foreign_files_are_one_line(tree):
    cell = next(iter(grid.cells(CONFIG)))
    metrics = Path(cell.metrics)
    text = metrics.read_text()
    metrics.write_text(text.replace('"round": 0', '"round": 7'))
    with pytest.raises(InputError, match="round 7, expected 0"):
        gather(CONFIG)
    metrics.write_text(text[:20])
    with pytest.raises(InputError, match="no valid JSON"):
        gather(CONFIG)
    metrics.write_text(text.replace('"val_labels": 11, ', ""))
    with pytest.raises(InputError, match="val_labels"):
        gather(CONFIG)
    metrics.unlink()
    with pytest.raises(InputError, match="missing"):
        gather(CONFIG)


def test_a_step_is_never_charged_twice(tmp_path):
    path = tmp_path / "timing.json"
    write_json(str(path), {"wall_s": 1.0, "compute_s": 1.0, "device": "CPU"})
    with pytest.raises(ValueError, match="twice"):
        lineage_time([("fit", path), ("query", path)])
    with pytest.raises(ValueError, match="unknown part"):
        lineage_time([("lunch", path)])


def test_mixed_devices_are_named(tmp_path):
    steps = []
    for part, device in (("tapt", "GPU B"), ("fit", "CPU A"), ("query", "CPU A")):
        path = tmp_path / f"{part}.json"
        write_json(str(path), {"wall_s": 1.0, "compute_s": 1.0, "device": device})
        steps.append((part, path))
    assert lineage_time(steps)["device"] == "CPU A + GPU B"
