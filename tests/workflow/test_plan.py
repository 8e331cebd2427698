"""What is planned, and why: the paper's grid, new arms and rounds, and a lost file."""

import inspect
import os
from functools import cache

import pytest
from workflow_runs import (
    AL,
    REPO,
    TINY,
    beyond_summaries,
    copy_run,
    cpu_seconds,
    pending,
    planned_jobs,
    resolved,
    snakemake,
    stamps,
    succeed,
    tiny,
    write_config,
)
from yaml import safe_load

from after_ser.judge.grid import cells

pytestmark = pytest.mark.slow

PRESETS = sorted(
    path for path in (REPO / "config").glob("*.yaml") if path.stem not in ("base", "downloads")
)
AFTER = "tapt/merged/fold{fold}/kmeans/seed0/entropy"
FIT_FILES = {
    "history.tsv",
    "metrics.json",
    "model/config.json",
    "model/model.safetensors",
    "pool.tsv",
    "predictions.tsv",
    "timing.json",
}
ROUND_FILES = FIT_FILES | {"labelled.tsv", "query.tsv", "query_timing.json"}


def round_files(chain, index, folds=(1, 2), names=ROUND_FILES):
    return {
        f"{AL}/{chain.format(fold=fold)}/round{index}/{name}" for fold in folds for name in names
    }


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A function from a preset to its jobs by rule and the CPU seconds of its dry run."""

    @cache
    def planned(preset):
        before = os.times()
        folder = tmp_path_factory.mktemp(preset.stem)
        run = snakemake(folder, preset, "--dry-run", "--quiet", "rules")
        assert run.status == 0, run.output[-3000:]
        return planned_jobs(run.output), cpu_seconds(before)

    return planned


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.name)
def test_a_preset_is_planned_without_any_data(preset, plan):
    jobs, _ = plan(preset)
    found = list(cells(resolved(safe_load(preset.read_text(encoding="utf-8")))))
    rounds = {cell.folder for cell in found}
    fits = sum(jobs.get(rule, 0) for rule in ("fit_round", "fit_round0", "fit_oneshot"))
    choices = sum(
        jobs.get(rule, 0)
        for rule in ("acquire", "acquire_with_features", "initial_set", "oneshot_subset")
    )
    if preset.name.startswith("own"):  # nobody has been asked yet: val first, and TAPT meanwhile
        assert (jobs["val_query"], jobs["publish_query"], fits, choices) == (1, 1, 0, 0)
    else:
        assert fits == len(rounds), "one fit for every round"
    assert fits + choices <= 2 * len(rounds), "at most two jobs per round"
    folds = {(c.split, c.dataset, c.fold, c.start, c.tapt_seed, c.backbone) for c in found}
    adapted = sum(start != "pretrained" for _, _, _, start, _, _ in folds)
    assert jobs.get("tapt", 0) + jobs.get("ptapt", 0) == adapted
    shown = "fewshot" in safe_load(preset.read_text(encoding="utf-8")).get("tables", {})
    assert [rule for rule in jobs if rule.startswith("fewshot")] == [] or shown
    if preset.name == "fewshot.yaml":  # one job for each start and speaker
        assert (jobs["fewshot_prefinetune"], jobs["fewshot_adapt"]) == (15, 16 * 20)
        assert jobs["fewshot_latents"] == 5 and sum(jobs.values()) < 370
    if preset.name == "paper.yaml":
        assert {cell.fold for cell in found} == {1, 2, 3, 4, 5}
        assert {c.fold for c in found if c.dataset == "savee"} == {1, 2, 3, 4}, "a speaker each"
        assert {cell.seed for cell in found} == set(range(10))


def test_a_job_of_a_large_plan_costs_no_more_than_one_of_a_small_plan(plan):
    """Ten times the jobs: at a cost that grows with their square, each would cost ten times."""
    (small, seconds), (large, more) = (
        plan(REPO / f"config/{name}.yaml") for name in ("demo-full", "paper")
    )
    assert sum(large.values()) > 8 * sum(small.values())
    assert more / sum(large.values()) < 2 * seconds / sum(small.values())


def test_a_new_arm_plans_its_own_rounds_and_nothing_that_exists(tiny_run, tmp_path):
    config = tiny()
    config["arms"]["new"] = {"label": "New", "start": "tapt", "strategy": "margin"}
    config["figures"]["figure2"]["arms"].append("new")
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "new.yaml", config)))
    assert found == round_files("tapt/merged/fold{fold}/kmeans/seed0/margin", 1)


def test_one_more_round_plans_only_that_round(tiny_run, tmp_path):
    config = tiny()
    config["budget"].append(1.0)
    config["tables"]["table2"]["budgets"].append(1.0)
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "more.yaml", config)))
    assert found == round_files(AFTER, 3)


def test_another_last_budget_plans_only_the_last_rounds(tiny_run, tmp_path):
    config = tiny()
    config["budget"][-1] = 0.6
    config["tables"]["table2"]["budgets"][-1] = 0.6
    config["tables"]["table4"]["budgets"] = [0.6]
    config["figures"]["figure3"]["bars"]["TAPT+FT"]["budget"] = 0.6
    config["figures"]["figure3"]["curve"]["budgets"][-1] = 0.6
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "other.yaml", config)))
    oneshot = "tapt/merged/fold{fold}/oneshot/seed0/random"
    assert found == round_files(AFTER, 2) | round_files(
        oneshot, 2, names=FIT_FILES | {"labelled.tsv"}
    )


def test_one_more_seed_plans_no_second_tapt_and_no_other_seed(tiny_run, tmp_path):
    found = beyond_summaries(
        pending(tiny_run, write_config(tmp_path / "seeds.yaml", {**tiny(), "seeds": [0, 1]}))
    )
    assert found and all(file.startswith(AL) and "/seed1/" in file for file in found)


def test_words_are_no_reason_to_train_again(tiny_run, tmp_path):
    config = {**tiny(), "note": "Another note."}
    config["arms"]["after"]["label"] = "Another name"
    config["protocols"]["paper"]["keep_models"] = "last"
    config["tapt"]["tapt"]["accumulation"] = 2
    config["backbones"]["toy"]["pretraining"]["accumulation"] = 2
    found = pending(tiny_run, write_config(tmp_path / "words.yaml", config))
    assert not beyond_summaries(found) and "results/tiny/config.yaml" in found


def test_the_same_in_other_words_plans_nothing(tiny_run, tmp_path):
    """Sections in another order, and entries that are taken from config/base.yaml."""
    config = dict(reversed(tiny().items()))
    assert config["arms"].pop("after") and config["arms"].pop("tapt-random")
    assert not pending(tiny_run, write_config(tmp_path / "other.yaml", config))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("protocols/paper/learning_rate", 0.002),
        ("tapt/tapt/learning_rate", 0.002),
        ("backbones/toy/pretraining/seed", 1),
    ],
)
def test_another_setting_plans_every_query_that_depends_on_it_again(
    tiny_run, tmp_path, path, value
):
    config = tiny()
    place = config
    *parents, last = path.split("/")
    for key in parents:
        place = place[key]
    place[last] = value
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "other.yaml", config)))
    assert round_files(AFTER, 1) | round_files(AFTER, 2) <= found
    # what does not depend on it stays
    frozen = round_files("pretrained/merged/fold{fold}/random/seed0/random", 1)
    assert bool(frozen & found) == (not path.startswith("tapt/"))
    assert bool([file for file in found if "/tapt/toy/" in file]) == ("protocols" not in path)
    assert not [file for file in found if "/datasets/" in file or "corpora" in file]


def test_a_setting_is_not_overlooked_because_a_fold_is_new(tiny_run, tmp_path):
    """Snakemake skips a job's params where an ancient input comes from a job of the plan."""
    config = {**tiny(), "folds": [1, 2, 3]}
    config["protocols"]["paper"]["learning_rate"] = 0.002
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "both.yaml", config)))
    for index in (1, 2):
        assert round_files(AFTER, index, folds=(1, 2, 3)) <= found
    config["protocols"] = tiny()["protocols"]
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "fold.yaml", config)))
    assert round_files(AFTER, 2, folds=[3]) <= found
    assert not [file for file in found if "fold1" in file or "fold2" in file]


def test_a_lost_metrics_file_costs_one_round_and_not_the_chain(tiny_run, tmp_path):
    folder = copy_run(tiny_run, tmp_path / "run")
    lost = f"{AL}/{AFTER.format(fold=1)}/round1"
    (folder / lost / "metrics.json").unlink()
    found = beyond_summaries(pending(folder, TINY))
    assert found == round_files(AFTER, 1, folds=[1], names=FIT_FILES)
    before = stamps(folder)
    succeed(folder, TINY)
    after = stamps(folder)
    written = {path for path in after if after[path] != before.get(path)}
    assert f"{lost}/metrics.json" in written and "results/tiny/scores.tsv" in written
    fitted = {path for path in beyond_summaries(written) if not path.endswith(".log")}
    assert fitted == round_files(AFTER, 1, folds=[1], names=FIT_FILES)
    # only times can differ
    for name in ("scores.tsv", "tables/table4.tsv"):
        path = f"results/tiny/{name}"
        assert (folder / path).read_bytes() == (tiny_run / path).read_bytes()
    assert "Nothing to be done" in snakemake(folder, TINY).output


def test_the_scheduler_still_has_the_rate_limiter_that_the_snakefile_takes_away():
    """With another Snakemake the line in `onstart` may do nothing, and long runs get slow again."""
    from snakemake.scheduling.job_scheduler import JobScheduler

    source = inspect.getsource(JobScheduler)
    assert "if self.job_rate_limiter is not None:" in source
    assert "workflow.scheduler.job_rate_limiter = None" in (REPO / "Snakefile").read_text()
