"""`after_ser predict`: the run's own answers for any file, however files are given and batched."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from exported_run import sound
from workflow_runs import copy_run

from after_ser.__main__ import main
from after_ser.data.audio.resample import resample
from after_ser.learn.finetune import predict as predict_module
from after_ser.run.atomic import read_json, read_tsv, write_json
from after_ser.tools.export.calibration import rescaled
from after_ser.tools.export.choose import Wanted, choose, read_predictions, read_run
from after_ser.tools.export.command import export
from after_ser.tools.predict import table

CLIPS = "results/corpora/toy-emodb/audio"


@pytest.fixture(scope="module")
def home(exportable_run, tmp_path_factory):
    """The folder of a run whose model is exported as `model`."""
    root = copy_run(exportable_run, tmp_path_factory.mktemp("home") / "copy")
    before = Path.cwd()
    os.chdir(root)
    try:
        export("tiny", Wanted(), Path("model"))
    finally:
        os.chdir(before)
    return root


@pytest.fixture(autouse=True)
def inside(home, monkeypatch):
    monkeypatch.chdir(home)


@pytest.fixture
def predict(capsys):
    """Run the command; return (exit status, rows, lines of stderr)."""

    def run(*arguments, model="model"):
        capsys.readouterr()
        status = main(["predict", "--model", str(model), "--device", "cpu", *map(str, arguments)])
        said = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(said.out)))
        return status, rows, said.err.splitlines()

    return run


def probabilities(rows):
    names = [name for name in rows[0] if name.startswith("p_")]
    return np.array([[float(row[name]) for name in names] for row in rows])


def recording(path, parts, rate=16_000, channels=1):
    """Write sounds one after the other; a part is (index, class) or seconds of silence."""
    pieces = [
        np.zeros(int(part * 16_000), np.float32) if isinstance(part, float) else sound(*part)
        for part in parts
    ]
    samples = np.concatenate(pieces)
    if rate != 16_000:
        import torch
        from torchaudio.functional import resample as to_rate

        samples = to_rate(torch.from_numpy(samples), 16_000, rate, 64).numpy()
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate)
    return samples


def test_it_says_what_the_run_said(predict):
    config = read_run("tiny")
    cell = choose(config, Wanted()).cell
    utts, probs = read_predictions(cell, config["classes"], "val")
    manifest = read_tsv(f"{cell.dataset_folder}/manifest.tsv").set_index("utt")
    files = list(manifest.loc[utts["utt"], "path"])
    status, rows, errors = predict(*files)
    assert status == 0 and errors == []
    assert [row["file"] for row in rows] == files
    expected = rescaled(probs, read_json(Path("model/export.json"))["temperature"])
    np.testing.assert_allclose(probabilities(rows), expected, atol=1e-4)
    assert {row["part"] for row in rows} == {"file"}
    assert [row["label"] for row in rows] == [config["classes"][i] for i in expected.argmax(1)]
    seconds = manifest.loc[utts["utt"], "duration_s"].astype(float).to_numpy()
    np.testing.assert_allclose([float(row["end"]) for row in rows], seconds, atol=6e-4)


def test_neither_order_nor_batches_nor_company_matter(predict, monkeypatch):
    files = sorted(str(path) for path in Path(CLIPS).glob("c0[0-3]*.flac"))
    together = predict(*files)[1]
    assert probabilities(together).std(axis=0).min() > 1e-3
    backwards = predict(*files[::-1])[1]
    assert [row["file"] for row in backwards] == files[::-1]
    np.testing.assert_allclose(probabilities(backwards)[::-1], probabilities(together), atol=1e-5)
    alone = probabilities(predict(files[7])[1])
    np.testing.assert_allclose(alone[0], probabilities(together)[7], atol=1e-5)
    monkeypatch.setattr(table, "TOGETHER_S", 1.5)
    monkeypatch.setattr(predict_module, "FRAMES_PER_BATCH", 40)
    np.testing.assert_allclose(
        probabilities(predict(*files)[1]), probabilities(together), atol=1e-5
    )


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1)])
def test_any_rate_and_channels(predict, tmp_path, rate, channels):
    recording(tmp_path / "plain.wav", [(3, 3)])
    recording(tmp_path / "other.wav", [(3, 3)], rate, channels)
    plain, other = probabilities(predict(tmp_path / "plain.wav", tmp_path / "other.wav")[1])
    np.testing.assert_allclose(other, plain, atol=0.05)
    heard, _ = soundfile.read(tmp_path / "other.wav", always_2d=True, dtype="float32")
    exact = resample(heard.mean(axis=1), rate)
    soundfile.write(tmp_path / "exact.wav", exact, 16_000)
    assert np.abs(probabilities(predict(tmp_path / "exact.wav")[1])[0] - other).max() < 1e-4


def test_folders_patterns_and_doubles(predict, tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.wav", "a.flac", "deep/c.ogg", ".hidden.wav"):
        recording(folder / name, [(1, 1)])
    (folder / "notes.txt").write_text("not audio")
    expected = [str(folder / name) for name in ("a.flac", "b.wav", "deep/c.ogg")]
    status, rows, errors = predict(folder)
    assert (status, errors, [row["file"] for row in rows]) == (0, [], expected)
    rows = predict(folder / "b.wav", folder / "*.flac", folder, f"{folder}/**/*.ogg")[1]
    assert [row["file"] for row in rows] == [expected[1], expected[0], expected[2]]


def test_a_long_recording_has_a_row_of_its_own_and_one_per_window(predict, tmp_path):
    parts = [(4 * i + label, label) for i, label in enumerate([0, 1, 2, 3, 0, 1, 2])]
    samples = recording(tmp_path / "long.wav", parts)
    seconds = len(samples) / 16_000
    rows = predict("--window", 1.0, "--hop", 0.5, tmp_path / "long.wav")[1]
    assert [row["part"] for row in rows] == ["file"] + ["window"] * (len(rows) - 1)
    starts = [float(row["start"]) for row in rows[1:]]
    ends = [float(row["end"]) for row in rows[1:]]
    count = int((seconds - 1) // 0.5) + 1
    np.testing.assert_allclose(starts[:count], 0.5 * np.arange(count), atol=6e-4)
    np.testing.assert_allclose(np.array(ends) - starts, 1.0, atol=2e-3)
    assert ends[-1] == pytest.approx(seconds, abs=1e-3) and len(starts) == count + 1
    assert (rows[0]["start"], rows[0]["end"]) == ("0.000", rows[-1]["end"])
    probs = probabilities(rows)
    np.testing.assert_allclose(probs[0], probs[1:].mean(axis=0), atol=2e-6)
    # a window is what a file of just these samples would be
    soundfile.write(tmp_path / "third.wav", samples[16_000:32_000], 16_000)
    third = probabilities(predict(tmp_path / "third.wav")[1])[0]
    np.testing.assert_allclose(third, probs[3], atol=1e-4)
    whole = predict("--window", 0, tmp_path / "long.wav")[1]
    assert len(whole) == 1 and np.abs(probabilities(whole)[0] - probs[0]).max() > 1e-3
    assert len(predict("--window", 2 + seconds, tmp_path / "long.wav")[1]) == 1


def test_windows_in_which_nobody_speaks_say_nothing(predict, tmp_path):
    recording(tmp_path / "pause.wav", [(1, 1), (5, 1), 3.0, (9, 1), (13, 1)])
    rows = predict("--window", 0.5, tmp_path / "pause.wav")[1]
    silent = [row for row in rows if row["label"] == ""]
    assert 3 <= len(silent) < len(rows) - 3
    assert all(row[name] == "" for row in silent for name in row if name.startswith("p_"))
    heard = probabilities([row for row in rows[1:] if row["label"]])
    np.testing.assert_allclose(probabilities(rows[:1])[0], heard.mean(axis=0), atol=2e-6)


def test_what_cannot_be_read_is_one_line_each_and_loses_nothing(predict, tmp_path):
    good = [tmp_path / "a.wav", tmp_path / "z.wav"]
    for path in good:
        recording(path, [(2, 2)])
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x00\x00 no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    recording(tmp_path / "silent.wav", [1.0])
    soundfile.write(tmp_path / "short.wav", sound(0, 0)[:1000], 16_000)
    (tmp_path / "nothing").mkdir()
    bad = ["broken.wav", "empty.wav", "silent.wav", "short.wav", "nothing", "gone.wav", "*.mp3"]
    out = tmp_path / "out" / "x.csv"
    status, printed, errors = predict(
        good[0], *(tmp_path / name for name in bad), good[1], "--out", out
    )
    assert status == 1 and printed == []
    assert len(errors) == len(bad) + 1 and "7 of 9" in errors[-1]
    for name, line in zip(bad, errors, strict=False):
        assert line.startswith(f"error: {tmp_path / name}: "), line
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["file"] for row in rows] == [str(path) for path in good]
    np.testing.assert_allclose(probabilities(rows), probabilities(predict(*good)[1]), atol=1e-6)


def test_names_are_no_formulas_and_no_second_row(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getcwd", os.getcwd)
    model = Path("model").absolute()
    monkeypatch.chdir(tmp_path)
    for name in ("=1+1.wav", 'a,"b\n.wav'):
        recording(tmp_path / name, [(2, 2)])
    rows = predict("=1+1.wav", 'a,"b\n.wav', model=model)[1]
    assert [row["file"] for row in rows] == ["./=1+1.wav", 'a,"b\\n.wav']


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--window", "0.1"], "--window 0.1; expected 0.3"),
        (["--window", "nan"], "--window nan"),
        (["--hop", "11"], "--hop 11; expected 0.01"),
        (["--hop", "0"], "--hop 0;"),
        (["--model", "nowhere"], "no folder nowhere"),
        (["--model", "results/tiny/backbone/toy"], "expected a plain Wav2Vec2ForSequenceClass"),
    ],
)
def test_wrong_arguments_are_one_line(capsys, arguments, message):
    given = ["predict", "--model", "model", "--device", "cpu", *arguments, CLIPS]
    assert main(given) == 1
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and said.out == ""


def test_an_argument_that_nobody_knows_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--model", "model", CLIPS, "--windwo", "3"])
    assert "unrecognized arguments: --windwo 3" in capsys.readouterr().err


def test_weights_that_do_not_fit_their_config_are_refused(tmp_path, capsys):
    import shutil

    shutil.copytree("model", tmp_path / "odd")
    described = read_json(tmp_path / "odd/config.json")
    write_json(tmp_path / "odd/config.json", described | {"classifier_proj_size": 7})
    assert main(["predict", "--model", str(tmp_path / "odd"), "--device", "cpu", CLIPS]) == 1
    assert "does not fit its config" in capsys.readouterr().err


def test_audio_that_cannot_be_read_is_a_row_of_its_own(tmp_path):
    from after_ser.tools.predict.table import audio_files

    for name, content in {
        "a.wav": b"x",
        "b.m4a": b"ftyp",
        "c.dat": b"fLaC",
        "d.txt": b"hello",
    }.items():
        (tmp_path / name).write_bytes(content)
    found = {os.path.basename(path): reason for path, reason in audio_files([str(tmp_path)])}
    assert found.keys() == {"a.wav", "b.m4a", "c.dat"}
    assert "ffmpeg" in found["b.m4a"] and not found["a.wav"] and not found["c.dat"]
