"""The grid: what is planned, what is charged for, and what a new arm must not change."""

import re
from dataclasses import fields
from pathlib import Path

import yaml

from after_ser.config.resolve import resolve
from after_ser.core.cells import Fit
from after_ser.core.paths import Paths
from after_ser.core.protocol import SWITCHES
from after_ser.judge.grid import cells, cells_of, dataset_splits, fit_at

ROOT = Path(__file__).parents[2]
MODEL = ("model.safetensors", "config.json")


def config(name="config.yaml", **changes):
    given = yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    given.update(changes)
    return resolve(given)


def one(name, index, resolved):
    return next(
        c for c in cells(resolved)
        if c.arm == name and c.round == index and c.fold == 1 and c.seed == 0
    )  # fmt: skip


def test_iterative_arms_have_every_round_and_oneshot_arms_only_what_is_shown():
    resolved = config()
    rounds = {}
    for cell in cells(resolved):
        rounds.setdefault(cell.arm, set()).add(cell.round)
    assert rounds["after"] == {0, 1, 2, 3, 4}
    assert rounds["kmeans-margin"] == {0, 1, 2}
    assert rounds["ft-random"] == {1, 2, 3, 4}


def test_round_0_is_shared_by_the_strategies_of_one_start_and_initialisation():
    resolved = config()
    assert one("after", 0, resolved).metrics == one("kmeans-margin", 0, resolved).metrics
    assert one("after", 0, resolved).metrics != one("random-entropy", 0, resolved).metrics
    assert one("after", 1, resolved).metrics != one("kmeans-margin", 1, resolved).metrics


def test_time_is_charged_for_tapt_latents_initial_set_and_every_round():
    parts = [part for part, _ in one("after", 3, config()).lineage]
    assert parts.count("fit") == 4 and parts.count("query") == 3
    assert parts.count("tapt") == 1 and parts.count("latents") == 2 and parts.count("initial") == 1
    frozen = [part for part, _ in one("ft-entropy", 2, config()).lineage]
    assert "tapt" not in frozen and frozen.count("fit") == 3 and frozen.count("latents") == 1
    oneshot = [part for part, _ in one("tapt-random", 4, config()).lineage]
    assert oneshot == ["tapt", "latents", "fit"]


def test_a_new_arm_adds_cells_and_changes_none():
    before = set(cells(config()))
    given = config()
    arms = {**given["arms"], "new": {"label": "New", "start": "tapt", "strategy": "margin"}}
    figures = given["figures"]
    figures["figure2"]["arms"].append("new")
    after = set(cells(config(arms=arms, figures=figures)))
    assert before < after
    assert {cell.arm for cell in after - before} == {"new"}


def test_tapt_is_shared_by_the_seeds_unless_asked_for():
    given = config(seeds=[0, 1])
    assert {cell.tapt_seed for cell in cells(given)} == {0}
    given["tapt"]["tapt"]["seed_per_run"] = True
    assert {c.tapt_seed for c in cells(given) if c.start == "tapt"} == {0, 1}


def test_tables_ask_for_the_arm_they_compare_with():
    tables = {
        "comparisons": {
            "dataset": "merged", "reference": "kmeans-random", "arms": ["after"], "budgets": [0.1]
        },
        "learning": {
            "dataset": "merged", "random": "random-random", "arms": ["after"],
            "budgets": [0.05, 0.1], "full_data": 1.0,
        },
    }  # fmt: skip
    resolved = config(tables=tables, figures={})
    rounds = {}
    for cell in cells(resolved):
        rounds.setdefault(cell.arm, set()).add(cell.round)
    assert rounds == {"after": {0, 1}, "kmeans-random": {0, 1}, "random-random": {0, 1, 2, 3, 4}}
    shown = {(c.arm, c.round) for c in cells_of(resolved, tables["comparisons"])}
    assert shown == {("after", 1), ("kmeans-random", 1)}, "only what the table compares"
    shown = {(c.arm, c.round) for c in cells_of(resolved, tables["learning"])}
    assert shown == {(a, r) for a in ("after", "random-random") for r in (0, 1)} | {
        ("random-random", 4)
    }


def test_paper_preset_covers_five_folds_and_ten_seeds():
    found = list(cells(config("paper.yaml")))
    assert {c.fold for c in found} == {1, 2, 3, 4, 5}
    assert {c.seed for c in found} == set(range(10))


def test_protocols_that_differ_from_round_1_on_share_round_0():
    resolved = config()
    plain, slip = one("after", 0, resolved), one("after-argpartition", 0, resolved)
    assert slip.folder == plain.folder and slip.protocol == "argpartition"
    assert [path for part, path in slip.lineage if part == "initial"] == [
        path for part, path in plain.lineage if part == "initial"
    ]
    later = one("after-argpartition", 1, resolved)
    assert "/al/argpartition/" in later.folder
    assert later.selection_files == (f"{plain.folder}/pool.tsv", f"{later.folder}/query.tsv")
    assert one("after-released", 0, resolved).folder != plain.folder
    assert plain.selection_files is None
    assert one("ft-random", 4, resolved).selection_files is None


def test_the_split_of_an_arm_is_in_its_paths_and_its_folds_are_audited():
    resolved = config("released.yaml")
    found = {cell.arm: cell for cell in cells(resolved)}
    for arm in ("after-released", "after-released-split"):
        assert found[arm].folder.startswith("results/released/released/al/")
        paths = [path for _, path in found[arm].lineage]
        assert all(path.startswith("results/released/released/") for path in paths)
    assert found["after"].folder.startswith("results/released/paper/al/")
    assert dataset_splits(resolved) == [("paper", "iemocap"), ("released", "iemocap")]
    assert ("paper", "savee") in dataset_splits(config()), "shown nowhere, audited all the same"


def test_the_released_preset_is_the_paper_s_protocol_with_one_switch_each_and_all_at_once():
    resolved = config("released.yaml")
    paper = resolved["protocols"]["paper"]
    together = {}
    for name, protocol in resolved["protocols"].items():
        changed = {key: value for key, value in protocol.items() if value != paper[key]}
        if name not in ("paper", "released"):
            assert len(changed.keys() - {"max_epochs"}) == 1, name
            together |= changed
    released = resolved["protocols"]["released"]
    assert {key: v for key, v in released.items() if v != paper[key]} == together
    assert set(together) >= set(SWITCHES) - {"fast"}
    shown = resolved["tables"]["protocol_effect"]
    assert {"after", *shown["arms"]} == set(resolved["arms"])


def test_a_table_s_cells_are_those_at_its_own_budgets():
    resolved = config()
    found = list(cells_of(resolved, resolved["tables"]["protocol_effect"]))
    assert {cell.arm for cell in found} == {"after", "after-argpartition", "after-released"}
    assert {cell.budget for cell in found} == {0.1}


def wildcards_of(path, *templates):
    """The wildcards of a path by the first template that fits, as Snakemake finds them."""
    for template in templates:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        if match := re.fullmatch(pattern, path):
            return match.groupdict()
    raise AssertionError(path)


def test_the_wildcards_of_a_cell_s_folder_name_the_same_fit():
    resolved = config()
    paths = Paths("demo")
    for cell in cells(resolved):
        found = fit_at(resolved, wildcards_of(cell.folder, paths.round0, paths.round))
        shared = () if cell.round else ("protocol", "strategy", "reads")  # of round 0
        for field in fields(Fit):
            if field.name not in shared:
                assert getattr(found, field.name) == getattr(cell, field.name), field.name
        assert found.folder == cell.folder and found.lineage == cell.lineage
        place = cell.folder.removeprefix(cell.folder.split("/seed0/")[0] + "/seed0/")
        wildcards = wildcards_of(cell.folder.replace(f"/{place}", ""), paths.seed)
        assert fit_at(resolved, {**wildcards, "place": place}) == found


def test_a_warm_started_fit_reads_the_model_of_the_round_before_and_a_cold_one_none():
    resolved = config()
    files = [f"{one('after', 0, resolved).folder}/model/{name}" for name in MODEL]
    assert one("after", 1, resolved).warm_start_files == files
    assert one("ft-random", 1, resolved).warm_start_files == [], "one-shot arms have no rounds"
    resolved["protocols"]["paper"]["warm_start"] = False
    assert one("after", 1, resolved).warm_start_files == []


def test_a_query_reads_what_the_features_of_its_strategy_are_made_of():
    resolved = config()
    assert one("after", 1, resolved).read_by_query == {}
    resolved["arms"]["after"]["strategy"] = "bald"
    cell = one("after", 1, resolved)
    before = one("after", 0, resolved).folder
    assert cell.read_by_query == {
        "latents": [f"{cell.latents_folder}/latents.npy"],
        "model": [f"{before}/model/{name}" for name in MODEL],
    }
    assert cell.latents_folder != cell.pretrained_latents
    resolved["arms"]["after"]["strategy"] = "kmeans"
    cell = one("after", 1, resolved)
    assert cell.read_by_query == {"cnn_latents": [f"{cell.pretrained_latents}/latents.npy"]}


def test_a_fit_reads_the_val_labels_that_people_gave():
    resolved = config("own.yaml")
    cell = next(cells(resolved))
    assert cell.fitted_fold == f"{cell.dataset_folder}/fold1.answered.tsv"
    assert cell.fitted_manifest == f"{cell.dataset_folder}/fold1.answered.manifest.tsv"
    cell = one("after", 0, config())
    assert (cell.fitted_fold, cell.fitted_manifest) == (cell.fold_table, cell.manifest)
