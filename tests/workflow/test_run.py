"""The whole workflow on a tiny config: complete, repeatable, and with the data in order."""

import json
import math
import re
from fractions import Fraction

import pytest
from scipy.special import entr
from workflow_runs import (
    AL,
    DATASET,
    SPLIT,
    TINY,
    beyond_summaries,
    contents,
    copy_run,
    resolved,
    snakemake,
    table,
    tiny,
)

from after_ser.core.metrics import score
from after_ser.judge.grid import baseline_cells, cells
from after_ser.run.atomic import read_tsv
from after_ser.select.query import make_query

pytestmark = pytest.mark.slow

CONFIG = resolved(tiny())
CELLS = list(cells(CONFIG))
PROBS = [f"p_{name}" for name in CONFIG["classes"]]
ROUNDS = sorted({cell.folder: cell for cell in CELLS}.items())
#: Files that hold times or show them.
TIMES = ("timing.json", "times.tsv", "table2_time.tsv", ".log")
SHOWN = re.compile(r"tables/table2\.(md|tex|html)$|tables/claims\w*\.\w+$|figures/figure3\.\w+$")
#: Names the release by its absolute path.
INDEX = re.compile(r"results/corpora/[^/]+/index\.tsv$")


def scores_of(folder, path):
    return table(folder, path).astype(dict.fromkeys(PROBS, float))


def splits(folder, fold):
    rows = table(folder, f"{DATASET}/fold{fold}.tsv")
    return {name: set(rows.loc[rows["split"] == name, "utt"]) for name in ("train", "val", "test")}


def test_the_run_ends_with_every_table_and_figure(tiny_run):
    results = tiny_run / "results/tiny"
    expected = [f"tables/{name}.{kind}" for name in CONFIG["tables"] for kind in
                ("tsv", "md", "tex", "html")]  # fmt: skip
    expected += [f"figures/{name}.{kind}" for name in CONFIG["figures"] for kind in
                 ("svg", "png", "html", "tsv")]  # fmt: skip
    expected += [f"figures/confusion/merged/{arm}.{kind}" for arm in CONFIG["arms"] for kind in
                 ("svg", "png", "tsv")]  # fmt: skip
    expected += ["config.yaml", "scores.tsv", "times.tsv"]
    sizes = {name: (results / name).stat().st_size for name in expected}
    assert min(sizes.values()) > 0, sizes
    for name in expected:
        if name.endswith(".tsv"):
            assert len(read_tsv(results / name)) > 0, name
        if name.endswith(".png"):
            assert (results / name).read_bytes().startswith(b"\x89PNG"), name
    assert (tiny_run / DATASET / "audit.json").exists()
    assert (
        len(read_tsv(results / "scores.tsv")) == len(CELLS) == len(read_tsv(results / "times.tsv"))
    )
    leftovers = [path for path in contents(tiny_run) if ".part" in path or "/state/" in path]
    assert not leftovers


def test_nobody_sees_a_traceback(twin_runs):
    for _, run in twin_runs:
        assert "Traceback" not in run.output and "rror:" not in run.output


def test_a_second_run_has_nothing_to_do(tiny_run):
    again = snakemake(tiny_run, TINY)
    assert again.status == 0
    assert "Nothing to be done" in again.output


def test_two_runs_with_one_seed_are_equal_to_the_byte_whatever_the_cores(twin_runs):
    first, second = (contents(folder) for folder, _ in twin_runs)
    assert set(first) == set(second)
    timed = {path for path in first if path.endswith(TIMES) or SHOWN.search(path)}
    compared = {path for path in first if path not in timed and not INDEX.match(path)}
    different = sorted(path for path in compared if first[path] != second[path])
    assert not different
    for kind in ("labelled.tsv", "query.tsv", "predictions.tsv", "model.safetensors", "latents.npy",
                 "initial.tsv", "scores.tsv", "table4.md", "table2.tsv", "figure2.svg", ".flac",
                 "confusion/merged/after.png"):  # fmt: skip
        assert any(path.endswith(kind) for path in compared), kind


@pytest.mark.parametrize(
    ("folder", "cell"), ROUNDS, ids=[folder[len(AL) + 1 :] for folder, _ in ROUNDS]
)
def test_every_round_fits_its_fold_its_budget_and_its_predictions(tiny_run, folder, cell):
    split = splits(tiny_run, cell.fold)
    truth = table(tiny_run, f"{DATASET}/manifest.tsv").set_index("utt")["label"]
    labelled = table(tiny_run, f"{folder}/labelled.tsv")
    pool = table(tiny_run, f"{folder}/pool.tsv")
    found = scores_of(tiny_run, f"{folder}/predictions.tsv")
    # budget
    share = Fraction(str(cell.budget)) * len(split["train"])
    assert len(labelled) == max(1, math.floor(share + Fraction(1, 2)))
    assert labelled["utt"].is_unique
    assert list(labelled["label"]) == list(truth[labelled["utt"]])
    # pool + labelled = train; val and test are in neither
    assert list(pool.columns) == ["utt", *PROBS]
    assert set(pool["utt"]) | set(labelled["utt"]) == split["train"]
    assert not set(pool["utt"]) & set(labelled["utt"])
    assert pool["utt"].is_unique and not split["train"] & (split["val"] | split["test"])
    # predictions and what is made of them
    assert list(found.columns) == ["utt", "split", "label", *PROBS]
    for name in ("val", "test"):
        assert set(found.loc[found["split"] == name, "utt"]) == split[name]
    assert list(found["label"]) == list(truth[found["utt"]])
    metrics = json.loads((tiny_run / folder / "metrics.json").read_text(encoding="utf-8"))
    for name in ("val", "test"):
        own = found[found["split"] == name]
        assert metrics[name] == score(list(own["label"]), own[PROBS].to_numpy(), CONFIG["classes"])
    assert metrics["labelled"] == len(labelled) and metrics["n_train"] == len(split["train"])
    assert metrics["val_labels"] == len(split["val"])
    assert (metrics["round"], metrics["budget"]) == (cell.round, cell.budget)


ITERATIVE = [
    (folder, cell) for folder, cell in ROUNDS if cell.schedule == "iterative" and cell.round
]


@pytest.mark.parametrize(
    ("folder", "cell"), ITERATIVE, ids=[f[len(AL) + 1 :] for f, _ in ITERATIVE]
)
def test_a_round_asks_for_the_top_of_the_pool_before_and_keeps_what_it_knew(tiny_run, folder, cell):
    own = {c.round: c.folder for c in CELLS if (c.arm, c.fold) == (cell.arm, cell.fold)}
    before = own[cell.round - 1]
    pool = scores_of(tiny_run, f"{before}/pool.tsv")
    known = table(tiny_run, f"{before}/labelled.tsv")
    query = table(tiny_run, f"{folder}/query.tsv")
    labelled = table(tiny_run, f"{folder}/labelled.tsv")
    assert list(query.columns) == ["utt", "rank", "score"], "no label can be in a query"
    names = (cell.dataset, cell.fold, cell.init, cell.seed, cell.start, cell.strategy, cell.round)
    expected = make_query(pool, cell.strategy, len(labelled) - len(known), ("query", *names))
    assert list(query["utt"]) == list(expected["utt"])
    if cell.strategy == "entropy":
        entropy = dict(zip(pool["utt"], entr(pool[PROBS].to_numpy()).sum(axis=1), strict=True))
        asked = [entropy.pop(utt) for utt in query["utt"]]
        assert asked == sorted(asked, reverse=True) and asked[-1] >= max(entropy.values())
    assert list(query["rank"]) == [str(rank) for rank in range(1, len(query) + 1)]
    assert labelled.iloc[: len(known)].equals(known)
    assert list(labelled["utt"][len(known) :]) == list(query["utt"])
    assert set(labelled["acquired_in_round"][len(known) :]) == {str(cell.round)}
    assert not set(query["utt"]) & set(known["utt"])


def test_round_0_is_the_initial_set_of_both_initialisations(tiny_run):
    for init in ("tapt/merged/fold1/kmeans", "pretrained/merged/fold1/random"):
        initial = table(tiny_run, f"{AL}/{init}/seed0/initial.tsv")
        labelled = table(tiny_run, f"{AL}/{init}/seed0/round0/labelled.tsv")
        assert list(initial["utt"]) == list(labelled["utt"])
        assert set(labelled["acquired_in_round"]) == {"0"}
        assert ("cluster" in initial.columns) == ("kmeans" in init)


def test_no_speaker_is_on_two_sides_of_a_fold(tiny_run):
    speaker = table(tiny_run, f"{DATASET}/manifest.tsv").set_index("utt")["speaker"]
    test_speakers = []
    for fold in CONFIG["folds"]:
        split = splits(tiny_run, fold)
        own = set(speaker[sorted(split["test"])])
        assert not own & set(speaker[sorted(split["train"] | split["val"])])
        assert all(name.startswith("toy-emodb/") for name in own)
        test_speakers += sorted(own)
    assert len(test_speakers) == len(set(test_speakers)) == 4


def test_results_say_what_they_are(tiny_run):
    text = (tiny_run / "results/tiny/tables/table4.md").read_text(encoding="utf-8")
    assert CONFIG["note"] in text and "2 folds" in text and "paper 78" in text
    saved = (tiny_run / "results/tiny/config.yaml").read_text(encoding="utf-8")
    assert "mask_share: 0.15" in saved, "defaults are written out"


def test_corpora_are_accounted_for_to_the_last_clip(tiny_run):
    for corpus in ("toy-emodb", "toy-savee"):
        folder = f"results/corpora/{corpus}"
        index = set(table(tiny_run, f"{folder}/index.tsv")["utt"])
        kept = set(table(tiny_run, f"{folder}/manifest.tsv")["utt"])
        rejected = table(tiny_run, f"{folder}/rejected.tsv")
        assert kept | set(rejected["utt"]) == index and not kept & set(rejected["utt"])
        assert (rejected["reason"] != "").all()
        merged = table(tiny_run, f"{DATASET}/manifest.tsv")
        dropped = table(tiny_run, f"{DATASET}/dropped.tsv")
        assert sum((t["corpus"] == corpus).sum() for t in (merged, dropped)) == len(kept)


def test_all_is_only_what_the_config_asks_for(tiny_run):
    fits = {
        p.rsplit("/", 1)[0] for p in beyond_summaries(contents(tiny_run)) if "metrics.json" in p
    }
    others = {cell.folder for cell in baseline_cells(CONFIG)}
    assert others and fits == {folder for folder, _ in ROUNDS} | others
    assert all(folder.startswith(SPLIT) for folder in fits)


def test_the_report_holds_every_table_and_figure(tiny_run, tmp_path):
    folder = copy_run(tiny_run, tmp_path / "run")
    run = snakemake(folder, TINY, "--report", "report.html")
    assert run.status == 0, run.output[-2000:]
    page = (folder / "report.html").read_text(encoding="utf-8")
    names = [*CONFIG["tables"], *CONFIG["figures"]]
    assert not [name for name in names if name not in page]
    assert "2 Learning curves" in page and "4 Ablation" in page
