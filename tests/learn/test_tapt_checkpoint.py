"""Checkpoint files: two kept, damage recognised, nothing unpickled."""

import pytest
import torch

from after_ser.core.errors import InputError
from after_ser.run.checkpoint import Checkpoints


def state(value):
    return {"weights": torch.full((5,), float(value)), "rows": [{"loss": 0.5}]}


def test_newest_is_loaded_and_two_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, {"a": 1})
    assert checkpoints.load() is None
    for step in (1, 2, 3):
        checkpoints.save(step, state(step))
    assert len(list(tmp_path.iterdir())) == 2
    step, loaded = Checkpoints(tmp_path, {"a": 1}).load()
    assert step == 3
    assert torch.equal(loaded["weights"], state(3)["weights"]) and loaded["rows"] == [{"loss": 0.5}]


@pytest.mark.parametrize("damage", ["truncated", "bit flip", "empty"])
def test_damage_is_noticed(tmp_path, capsys, damage):
    checkpoints = Checkpoints(tmp_path, {"a": 1})
    checkpoints.save(1, state(1))
    newest = checkpoints.save(2, state(2))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"truncated": content[:-1], "bit flip": content, "empty": b""}[damage])
    assert checkpoints.load()[0] == 1
    assert newest.name in capsys.readouterr().err


def test_others_settings_are_not_taken_up(tmp_path, capsys):
    Checkpoints(tmp_path, {"a": 1}).save(1, state(1))
    assert Checkpoints(tmp_path, {"a": 2}).load() is None
    assert "other settings" in capsys.readouterr().err


def test_objects_are_not_unpickled(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path, {})
    checkpoints.save(1, {"object": test_damage_is_noticed})
    assert checkpoints.load() is None
    assert "holds code" in capsys.readouterr().err


def test_an_interrupted_save_leaves_the_old_one(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, {})
    checkpoints.save(1, state(1))

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(InputError, match="cannot write .*step 2 .disk full"):
        checkpoints.save(2, state(2))
    assert checkpoints.load()[0] == 1
    assert not list(tmp_path.glob(".*"))


def test_clear_leaves_foreign_files(tmp_path):
    checkpoints = Checkpoints(tmp_path / "state", {})
    checkpoints.save(1, state(1))
    (tmp_path / "state" / "notes.txt").write_text("mine")
    checkpoints.clear()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["notes.txt"]
    (tmp_path / "state" / "notes.txt").unlink()
    checkpoints.clear()
    checkpoints.clear()
    assert not (tmp_path / "state").exists()
