"""Task-adaptive pre-training hears the train split of the fold and nothing else."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from selfsupervised_clips import ARCH, LENGTHS, settings, write_clips, write_manifest
from workflow_runs import script

from after_ser.core.errors import InputError
from after_ser.learn.tapt import batches
from after_ser.learn.tapt.clips import corpus_clips, train_clips
from after_ser.model.families.conv_encoder import save_model
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import write_tsv

SPLITS = ["train", "test", "train", "val", "train", "train", "test", "train"]


@pytest.fixture
def dataset(tmp_path):
    """A dataset whose val and test clips cannot be read, and a backbone."""
    clips = write_clips(tmp_path / "audio", LENGTHS)
    write_manifest(tmp_path / "manifest.tsv", clips)
    fold = pd.DataFrame({"utt": [clip.utt for clip in clips], "split": SPLITS})
    write_tsv(tmp_path / "fold1.tsv", fold)
    save_model(build_scratch(ARCH, 0), tmp_path / "backbone", do_normalize=True)
    (tmp_path / "backbone").mkdir(exist_ok=True)
    return tmp_path, clips


def snakemake(folder, out):
    given = {name: getattr(settings(), name) for name in ("steps", "warmup", "mask_span")}
    return SimpleNamespace(
        input=SimpleNamespace(
            weights=str(folder / "backbone" / "model.safetensors"),
            manifest=str(folder / "manifest.tsv"),
            fold=str(folder / "fold1.tsv"),
        ),
        output=SimpleNamespace(weights=str(folder / out / "model.safetensors")),
        params=SimpleNamespace(
            settings={**given, "seconds_per_step": 4.0, "crop_s": 1.0},
            dataset="toy", fold=1, seed=0, state=str(folder / "state"), device="cpu", threads=1,
        ),
        resources=SimpleNamespace(accumulation=2),
    )  # fmt: skip


def test_only_train_clips_are_listed(dataset):
    folder, clips = dataset
    heard = train_clips(folder / "manifest.tsv", folder / "fold1.tsv")
    expected = [clip for clip, split in zip(clips, SPLITS, strict=True) if split == "train"]
    assert heard == expected


def test_a_job_is_told_its_parts_and_its_processes(dataset, monkeypatch):
    folder, _ = dataset
    tapt, given = script("tapt"), {}
    monkeypatch.setenv("AFTER_SER_GPUS_PER_PRETRAINING", "3")
    monkeypatch.setattr(tapt, "pretrain", lambda **told: given.update(told))
    tapt.main(snakemake(folder, "out"))
    assert given["settings"].accumulation == 2 and given["processes"] == 3


def test_tapt_does_not_notice_that_test_clips_are_gone(dataset):
    folder, clips = dataset
    script("tapt").main(snakemake(folder, "whole"))
    for clip, split in zip(clips, SPLITS, strict=True):
        if split == "test":
            Path(clip.path).unlink()
        elif split == "val":
            Path(clip.path).write_bytes(b"no audio")
    script("tapt").main(snakemake(folder, "gone"))
    whole, gone = (folder / name / "model.safetensors" for name in ("whole", "gone"))
    assert whole.read_bytes() == gone.read_bytes()


def test_no_file_but_train_clips_is_opened(dataset, monkeypatch):
    folder, clips = dataset
    opened = set()
    original = batches.read_samples

    def read(path, *more):
        opened.add(path)
        return original(path, *more)

    monkeypatch.setattr(batches, "read_samples", read)
    script("tapt").main(snakemake(folder, "out"))
    train = {clip.path for clip, split in zip(clips, SPLITS, strict=True) if split == "train"}
    assert opened and opened <= train


def test_unreadable_train_clips_are_noticed(dataset):
    """The control of the tests above: reading is what fails on a broken clip."""
    folder, clips = dataset
    Path(clips[0].path).write_bytes(b"no audio")
    with pytest.raises(InputError, match="c0.flac"):
        script("tapt").main(snakemake(folder, "out"))


def test_a_fold_of_another_dataset_is_refused(dataset):
    folder, _ = dataset
    fold = pd.DataFrame({"utt": ["toy/c0", "other/x"], "split": ["train", "train"]})
    write_tsv(folder / "fold1.tsv", fold)
    with pytest.raises(InputError, match="2 train clips, "):
        train_clips(folder / "manifest.tsv", folder / "fold1.tsv")


def test_clips_of_corpora_are_chosen_by_speaker(tmp_path):
    for corpus in ("one", "two"):
        rows = {
            "utt": ["a", "b", "c"], "path": [f"audio/{u}.flac" for u in "abc"],
            "speaker": ["03", "03", "08"], "duration_s": [1.0, 2.0, 3.0], "sha256": list("xyz"),
        }  # fmt: skip
        write_tsv(tmp_path / corpus / "manifest.tsv", pd.DataFrame(rows))
    manifests = [tmp_path / corpus / "manifest.tsv" for corpus in ("one", "two")]
    chosen = corpus_clips(manifests, ["one", "two"], {"one": ["03"], "two": "all"})
    assert [clip.utt for clip in chosen] == ["one/a", "one/b", "two/a", "two/b", "two/c"]
    assert chosen[0].path == str(tmp_path / "one" / "audio" / "a.flac")
    with pytest.raises(InputError, match="no speaker 3"):
        corpus_clips(manifests, ["one", "two"], {"one": [3], "two": "all"})
