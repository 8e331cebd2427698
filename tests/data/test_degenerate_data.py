"""Data that is too little, too alike or too wrong: a defined result, or one line and no output."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from datasets_tables import CLASSES, clip
from finetune_clips import (
    CPU,
    FRAMES_PER_SECOND,
    SETTINGS,
    labels,
    random_clips,
    write_latents,
    write_start,
)
from fuzz_inputs import files, one_line
from workflow_runs import contents, script, snakemake, tiny, write_config

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.data.audio.convert import convert_corpus
from after_ser.data.corpora.index import index_corpus
from after_ser.data.datasets.folds import make_fold
from after_ser.data.datasets.merge import merge_corpora
from after_ser.learn.finetune import train as train_module
from after_ser.learn.finetune.train import fit
from after_ser.model.classifier import save_classifier, start_classifier
from after_ser.model.save import save_tensors
from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.run.script import run_script
from after_ser.select import initial
from after_ser.select.budget import initial_count, queried_count
from tests.data.corpora_trees import noise
from tests.data.test_datasets_merge import ALL, part

NONE = {"method": "none"}


def own_corpus(root: Path, rows: list[tuple[str, str, np.ndarray]]) -> Path:
    """A folder with metadata.csv: (speaker, label, samples at 16 kHz) per clip."""
    root.mkdir(parents=True)
    lines = ["path,speaker,label"]
    for number, (speaker, label, samples) in enumerate(rows):
        soundfile.write(root / f"{number:03d}.wav", samples, 16000)
        lines.append(f"{number:03d}.wav,{speaker},{label}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def prepared(tmp_path: Path, rows: list[tuple[str, str, np.ndarray]]):
    """Index, convert and merge a corpus of one's own; return its dataset's manifest."""
    out = tmp_path / "out"
    index_corpus("t", "csv", own_corpus(tmp_path / "root", rows), {}, out / "index.tsv")
    tables = [out / name for name in ("index.tsv", "audio", "manifest.tsv", "rejected.tsv")]
    convert_corpus(*tables)
    manifest, rejected = read_tsv(tables[2]), read_tsv(tables[3])
    mine = part("t", manifest, default_labels=None, rejected=rejected)
    return merge_corpora([mine], CLASSES)[0]


def speech(speakers: int, per_class: int = 2, classes=CLASSES):
    return [
        (f"s{s}", label, noise(0.4, seed=100 * s + 10 * i + j))
        for s in range(speakers)
        for i, label in enumerate(classes)
        for j in range(per_class)
    ]


def fold_of(manifest, number=1, groups=2, **more):
    more = {"by": "speaker", "groups": groups, "balance": NONE, **more}
    return make_fold(manifest, number, "d", "t", CLASSES, **more)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("s0", "sad", noise(0.4))], "class anger"),
        (speech(3, classes=CLASSES[:3]), "class happy"),
        ([("s0", "sad", np.zeros(16000))] * 4, "4 of 4 clips"),
        ([("s0", "sad", noise(0.4))] * 4, "3 of 4 clips"),
        ([(s, lab, noise(0.4)) for s, lab, _ in speech(2)], "16 of 16 clips"),
        ([(s, lab, x[:3000]) for s, lab, x in speech(2)], "16 of 16 clips"),
        ([(s, "", x) for s, _, x in speech(2)], "has the unknown label ''"),
        ([(s, "bored", x) for s, _, x in speech(2)], "label 'bored'"),
    ],
    ids=["one clip", "no happy", "silent", "identical", "identical with labels", "short",
         "unlabelled", "unknown label"],
)  # fmt: skip
def test_a_corpus_that_is_no_use_is_named_before_a_dataset_is_made(tmp_path, rows, message):
    with pytest.raises(InputError) as caught:
        prepared(tmp_path, rows)
    assert message in str(caught.value) and one_line(str(caught.value))


def test_a_corpus_whose_labels_are_all_left_out_is_named():
    unused = {"W": None, "N": None, "T": None, "F": None}
    with pytest.raises(InputError, match="target corpus t "):
        merge_corpora([part("t", ALL, labels=unused)], CLASSES)


@pytest.mark.parametrize(("speakers", "groups"), [(1, 2), (3, 5)])
def test_folds_that_cannot_be_made_of_so_few_speakers(tmp_path, speakers, groups):
    manifest = prepared(tmp_path, speech(speakers, 1))
    with pytest.raises(InputError, match=f"{speakers} speakers for {groups} groups"):
        fold_of(manifest, groups=groups)


def test_a_held_out_clip_cannot_be_both_val_and_test():
    rows = [clip("lonely", "sad", "a"), *(clip(f"{c}{i}", c, "b") for c in CLASSES for i in "12")]
    settings = {"by": "speaker", "groups": 2, "balance": NONE}
    with pytest.raises(InputError, match="1 clip is held out"):
        make_fold(pd.DataFrame(rows), 1, "d", "t", CLASSES, **settings, halves=True)
    rows.append(clip("second", "sad", "a"))
    made = make_fold(pd.DataFrame(rows), 1, "d", "t", CLASSES, **settings, halves=True)
    assert sorted(made.splits["split"])[:2] == ["test", "train"]


def test_val_of_less_than_a_clip_is_named():
    rows = [clip(f"{s}{c}", c, s) for s in "ab" for c in CLASSES]
    with pytest.raises(InputError, match="val.share 0.1 of 4 clips"):
        fold_of(pd.DataFrame(rows), val_share=0.1)


def test_a_fold_without_a_class_in_its_test_part_is_scored_on_the_others():
    """UA is the mean recall over the classes that are there; the absent one has no recall."""
    rows = [clip(f"a{c}{i}", c, "a") for c in CLASSES[:3] for i in "12"]
    rows += [clip(f"b{c}{i}", c, "b") for c in CLASSES for i in "12345678"]
    test = fold_of(pd.DataFrame(rows)).splits.query("split == 'test'")["utt"]
    truth = [utt[3:-1] for utt in test]
    assert sorted(set(truth)) == sorted(CLASSES[:3])
    found = score(truth, ["happy", *truth[1:]], CLASSES)
    assert found["recall"]["happy"] is None
    assert found["ua"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["confusion"][3] == [0, 0, 0, 0] and found["n"] == 6


@pytest.mark.parametrize(
    ("fraction", "n_train", "count"), [(0.01, 50, 1), (0.01, 49, None), (1.0, 1, 1), (0.3, 1, None)]
)
def test_a_budget_of_less_than_a_clip_is_named(fraction, n_train, count):
    if count is not None:
        assert initial_count(fraction, n_train, "dataset d, fold 1") == count
        return
    with pytest.raises(InputError) as caught:
        initial_count(fraction, n_train, "dataset d, fold 1")
    message = str(caught.value)
    assert message.startswith(f"dataset d, fold 1: budget {fraction:g} of {n_train} ")


def test_a_round_that_labels_nothing_is_named_unless_nothing_is_left():
    assert queried_count(0.2, 4, 36) == 4
    assert queried_count(1.0, 40, 0) == 0
    assert queried_count(1.0, 39, 1) == 1
    with pytest.raises(InputError, match="0.11 of 40 .* the 4"):
        queried_count(0.11, 4, 36)
    with pytest.raises(InputError, match="0.2 of 40 .* the 9"):
        queried_count(0.2, 9, 31)


def test_clustering_of_clips_that_are_all_the_same():
    same = np.ones((6, 3))
    found = initial.cluster(same, 2, 10, 0)
    assert found.k == 1 and len(initial.nearest_to_centres(found, 4)) == 4
    assert len(initial.cluster(same[:1], 2, 10, 0).assignment) == 1
    picks, _, _ = initial.released_picks(same, 4, 0)
    assert sorted(set(picks)) == sorted(picks)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return write_start(tmp_path_factory.mktemp("degenerate"))


def trained(start, truth, val_truth, **changes):
    model = start_classifier(start, CLASSES, SETTINGS["head"], 7)
    fitted = fit(
        *(model, random_clips(len(truth), seed=1), truth),
        *(random_clips(len(val_truth), seed=2), val_truth),
        {**SETTINGS, "max_epochs": 2, **changes},
        *(FRAMES_PER_SECOND, ("fit", 1), CPU),
    )
    return model, fitted


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("truth", [["sad"], ["sad"] * 5, ["sad", "happy", "sad"]])
def test_classes_that_nobody_has_labelled_yet_leave_everything_finite(start, truth, weights):
    model, fitted = trained(start, truth, labels(8), class_weights=weights)
    assert np.isfinite(fitted.history.to_numpy(dtype=float)).all()
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


def test_val_without_a_class_chooses_by_the_others(start):
    _, fitted = trained(start, labels(8), ["sad", "sad", "anger"])
    assert np.isfinite(fitted.history.to_numpy(dtype=float)).all()


def test_weights_that_overflow_behind_the_last_step_are_named(start, monkeypatch):
    class Exploding(train_module.Adam):
        def step(self, closure=None):
            super().step(closure)
            with torch.no_grad():
                self.param_groups[0]["params"][-1].fill_(float("nan"))

    monkeypatch.setattr(train_module, "Adam", Exploding)
    with pytest.raises(InputError) as caught:
        trained(start, labels(4), labels(4), learning_rate=0.5, batch_size=4)
    message = str(caught.value)
    assert "after epoch 1" in message and "learning_rate, 0.5" in message


def test_a_model_that_is_not_finite_is_never_written(start, tmp_path):
    model = start_classifier(start, CLASSES, SETTINGS["head"], 7)
    with torch.no_grad():
        model.head.output.bias[1] = float("inf")
    with pytest.raises(InputError, match="weight output.bias"):
        save_classifier(model, tmp_path / "m/model.safetensors", tmp_path / "m/config.json")
    with pytest.raises(InputError, match="weight w,"):
        save_tensors(tmp_path / "m/w.safetensors", {"w": torch.tensor([1.0, float("nan")])})
    assert not files(tmp_path)


class Named(SimpleNamespace):
    def get(self, name, default=None):
        return getattr(self, name, default)

    def __iter__(self):
        for value in vars(self).values():
            yield from value if isinstance(value, list) else [value]

    def items(self):
        return vars(self).items()


def round_0(folder: Path, start: Path, **changes):
    """What Snakemake hands to fit_round.py, for a fold of 14 made-up clips."""
    clips = random_clips(14)
    truth = labels(14)
    manifest = pd.DataFrame([clip("x", label, "a") for label in truth]).assign(utt=clips.utts)
    fold = pd.DataFrame({"utt": clips.utts, "split": ["train"] * 8 + ["val"] * 3 + ["test"] * 3})
    labelled = pd.DataFrame(
        {"utt": clips.utts[:4], "label": truth[:4], "acquired_in_round": 0, "rank": 1, "score": 0.0}
    )
    tables = {"manifest": manifest, "fold": fold, "labelled": labelled}
    for name, table in {**tables, **changes.pop("tables", {})}.items():
        write_tsv(folder / f"{name}.tsv", table)
    out = folder / "round0"
    return Named(
        rule="fit_round0",
        log=[str(folder / "fit.log")],
        wildcards=Named(split="paper", dataset="d", fold="1", init="kmeans", seed="0",
                        start="pretrained"),
        params=Named(step=("shared", 0), threads=1, device="cpu", classes=CLASSES, fraction=0.5,
                     settings={**SETTINGS, "max_epochs": 1, **changes}),
        input=Named(latents=str(write_latents(folder / "latents", clips) / "latents.npy"),
                    start=str(start / "model.safetensors"), previous=[],
                    **{name: str(folder / f"{name}.tsv") for name in tables}),
        output=Named(metrics=str(out / "metrics.json"), timing=str(out / "timing.json")),
    )  # fmt: skip


def run(name: str, job, capsys) -> str:
    """Run a workflow script; return the one line it ends with, or "" where it succeeds."""
    try:
        run_script(script(name).main, {"snakemake": job})
    except SystemExit as stop:
        assert stop.code == 1
    else:
        return ""
    log = Path(job.log[0]).read_text(encoding="utf-8")
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(told) == 1 and "Traceback" not in log and told[0] in log
    return told[0]


def test_a_fit_that_fails_names_round_fold_and_reason_and_writes_nothing(start, tmp_path, capsys):
    assert run("fit_round", round_0(tmp_path / "fine", start), capsys) == ""
    written = files(tmp_path / "fine/round0")
    assert "metrics.json" in written and "model/model.safetensors" in written
    told = run("fit_round", round_0(tmp_path / "rate", start, learning_rate=1e30), capsys)
    assert told.startswith("error: round 0 of d, fold 1: ") and "1e+30" in told
    assert list((tmp_path / "rate/round0").iterdir()) == []  # the folder is Snakemake's


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("labelled", "label", "angry"),
        ("manifest", "label", "angry"),
        ("fold", "split", "valid"),
        ("fold", "utt", "nobody"),
    ],
)
def test_a_fit_on_an_edited_table_names_it(start, tmp_path, capsys, table, column, value):
    job = round_0(tmp_path, start)
    path = Path(getattr(job.input, table))
    edited = read_tsv(path)
    edited.loc[1, column] = value
    write_tsv(path, edited)
    told = run("fit_round", job, capsys)
    assert value in told and str(path) in told
    assert list((tmp_path / "round0").iterdir()) == []


def test_what_a_notice_quotes_may_be_no_unicode(tmp_path, capsys):
    """A file whose name is not UTF-8 must not end the job that tells of it."""

    def main(_):
        print("notice: a file called \udcff.wav is not used", file=sys.stderr)
        raise InputError("the file \udcff.wav\nis wrong")

    job = Named(rule="r", log=[str(tmp_path / "x.log")], output=[])
    with pytest.raises(SystemExit):
        run_script(main, {"snakemake": job})
    notice, error = (tmp_path / "x.log").read_text(encoding="utf-8").splitlines()
    assert notice.startswith("notice: ") and "\\udcff.wav" in notice
    assert error == "error: the file \\udcff.wav\\nis wrong"


@pytest.mark.slow
def test_one_speaker_ends_the_workflow_at_the_fold_with_one_line(tmp_path):
    root = own_corpus(tmp_path / "mine", speech(1, 4))
    config = tiny()
    config["corpora"]["mine"] = {"layout": "csv", "root": str(root)}
    config["datasets"]["merged"] |= {"target": "mine", "extra": []}
    path = write_config(tmp_path / "config.yaml", config)
    fold = "results/tiny/paper/datasets/merged/fold1.tsv"
    ended = snakemake(tmp_path, path, fold)
    assert ended.status != 0 and "Traceback" not in ended.output
    told = [line for line in ended.output.splitlines() if line.startswith("error: ")]
    assert len(set(told)) == 1 and "1 speakers for 5 groups" in told[0]
    left = [name for name in contents(tmp_path) if name.startswith("results/tiny/paper")]
    assert not [name for name in left if "fold" in name and not name.endswith(".log")]
