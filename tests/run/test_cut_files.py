"""Files that were cut: what their readers and `make resume` say about them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from after_ser.core.errors import InputError
from after_ser.judge.bootstrap import gather_counts
from after_ser.learn.finetune.round import read_split
from after_ser.run.atomic import (
    atomic_path,
    read_array,
    read_json,
    read_tensors,
    read_tsv,
    remove_parts,
    write_json,
    write_tsv,
)
from after_ser.run.damage import find_damage, set_aside
from after_ser.select.complete import expect_labelled, expect_pool

ROWS = pd.DataFrame({"utt": ["a/1", "a/2", "b/3"], "text": ["x", 'quo"te\ttab', "zwölf"]})


@pytest.fixture
def folder(tmp_path):
    write_tsv(tmp_path / "plain.tsv", ROWS.drop(columns="text").assign(split="train"))
    write_tsv(tmp_path / "quoted.tsv", ROWS)
    write_json(tmp_path / "metrics.json", {"test": {"n": 3}, "list": [1, 2]})
    np.save(tmp_path / "means.npy", np.arange(300.0))
    np.save(tmp_path / "empty.npy", np.empty((0, 3)))
    save_file({"w": torch.arange(300.0)}, tmp_path / "model.safetensors")
    return tmp_path


READERS = {
    "plain.tsv": read_tsv,
    "quoted.tsv": read_tsv,
    "metrics.json": read_json,
    "means.npy": read_array,
    "model.safetensors": read_tensors,
}


@pytest.mark.parametrize("name", READERS)
def test_a_cut_anywhere_is_refused_but_between_two_lines(folder, name):
    path = folder / name
    READERS[name](path)
    data = path.read_bytes()
    for size in range(1, len(data)):
        if name.endswith(".tsv") and data[size - 1 : size] == b"\n":
            continue  # documented: looks whole
        if not data[size:].strip():
            continue  # the line end of a JSON file
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=f"{name}.*delete it"):
            READERS[name](path)


def test_other_damage_of_tables(folder):
    path = folder / "plain.tsv"
    data = path.read_bytes()
    for broken, reason in (
        (data.replace(b"a/2", b"\0\0\0"), "NUL bytes"),
        (b"", "is empty"),
        (data.replace(b"a/2\t", b""), "line 3 has 1 fields where the header has 2"),
        (data.replace(b"a/2", b"\xff"), "not UTF-8"),
    ):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=reason):
            read_tsv(path)


def test_resume_finds_the_cut_ones_and_no_others(folder):
    assert not list(find_damage([folder]))
    (folder / "model.safetensors").rename(folder / "pruned.safetensors")
    (folder / "pruned.safetensors").write_bytes(b"")
    assert not list(find_damage([folder])), "an emptied model was emptied on purpose"
    (folder / ".half.tsv").write_text("half")
    for name in ("plain.tsv", "metrics.json", "means.npy"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2 + 1])
    found = dict(find_damage([folder]))
    assert {path.name for path in found} == {"plain.tsv", "metrics.json", "means.npy"}
    assert all(found.values())
    assert set_aside(folder / "plain.tsv").name == "plain.tsv.damaged"
    assert not (folder / "plain.tsv").exists()


def test_resume_finds_half_a_model(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"w": torch.arange(300.0), "v": torch.ones(2)}, path, metadata={"format": "pt"})
    data = path.read_bytes()
    for size in (1, 7, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        assert [p for p, _ in find_damage([tmp_path])] == [path], size


def test_clips_that_are_missing_between_two_lines(tmp_path):
    fold = pd.DataFrame({"utt": list("abcdef"), "split": ["train"] * 5 + ["test"]})
    known, pool = pd.DataFrame({"utt": ["a", "b"]}), pd.DataFrame({"utt": ["c", "d", "e"]})
    names = [tmp_path / name for name in ("pool.tsv", "labelled.tsv", "fold1.tsv")]
    write_tsv(names[2], fold)
    expect_pool(names[0], pool, known, names[1], names[2])
    for less_pool, less_known in ((pool[:2], known), (pool, known[:1])):
        with pytest.raises(InputError, match="pool.tsv: .*labelled.tsv"):
            expect_pool(names[0], less_pool, less_known, names[1], names[2])
    write_tsv(names[2], fold[1:])
    with pytest.raises(InputError, match="4 train clips of .*fold1.tsv"):
        expect_pool(names[0], pool, known, names[1], names[2])

    expect_labelled(names[1], known, 0.4, 5, queried=False)
    with pytest.raises(InputError, match="1 clips; expected 2, 0.4"):
        expect_labelled(names[1], known[:1], 0.4, 5, queried=False)
    expect_labelled(names[1], known, 0.4, 5, queried=True)  # no query.tsv: nothing is known
    write_tsv(tmp_path / "query.tsv", pd.DataFrame({"utt": ["b"]}))
    expect_labelled(names[1], known, 0.9, 5, queried=True)
    with pytest.raises(InputError, match="1 clips of 1 .*query.tsv"):
        expect_labelled(names[1], known[:1], 0.4, 5, queried=True)

    manifest = pd.DataFrame({"utt": list("abcdef"), "label": "sad"})
    read_split(fold, manifest)
    with pytest.raises(InputError, match="m.tsv: no clip f "):
        read_split(fold, manifest[:5], "m.tsv")


def test_predictions_are_as_many_as_their_metrics_say(tmp_path):
    rows = {"utt": ["u", "v"], "split": "test", "label": "sad", "p_sad": [1.0, 0.5]}
    frame = pd.DataFrame(rows).assign(p_happy=lambda f: 1 - f["p_sad"])
    cell = type("Cell", (), {"predictions": tmp_path / "predictions.tsv"})
    for name, value in (("arm", "a"), ("budget", 0.1), ("fold", 1), ("seed", 0)):
        setattr(cell, name, value)
    write_tsv(cell.predictions, frame)
    (tmp_path / "metrics.json").write_text(json.dumps({"test": {"n": 2}}))
    speakers = {"u": "s", "v": "s"}
    assert gather_counts([cell], speakers, ["sad", "happy"])["n"].sum() == 2
    write_tsv(cell.predictions, frame[:1])
    with pytest.raises(InputError, match="predictions.tsv: 1 .* expected 2"):
        gather_counts([cell], speakers, ["sad", "happy"])


def test_halves_of_killed_writers_are_removed_and_no_others(tmp_path):
    for name in (".out.12.part.tsv", ".out.13.part.tsv", ".other.12.part.tsv", "out.tsv"):
        (tmp_path / name).write_text("x")
    remove_parts(tmp_path / "out.tsv")
    assert {path.name for path in tmp_path.iterdir()} == {".other.12.part.tsv", "out.tsv"}
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "out.tsv") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "out.tsv").read_text() == "x"
