"""An exported folder where there is nothing but transformers, torch and what these two need."""

import json
import os
import subprocess
import sys
import wave
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from workflow_runs import copy_run

from after_ser.model.waveform import read_samples
from after_ser.run.atomic import read_json, read_tsv
from after_ser.tools.export.calibration import rescaled
from after_ser.tools.export.choose import Wanted, choose, read_predictions, read_run
from after_ser.tools.export.command import export

PROGRAM = """
import sys
sys.path.append(sys.argv[1])
import importlib.util, json, wave
for name in ("after_ser", "pandas", "scipy", "soundfile", "sklearn", "snakemake", "torchaudio"):
    assert importlib.util.find_spec(name) is None, name
import numpy
from transformers import pipeline
classify = pipeline("audio-classification", model=sys.argv[2], device="cpu")
found = {}
for path in sys.argv[3:]:
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        samples = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
    heard = {"raw": samples.astype(numpy.float32) / 32768, "sampling_rate": 16000}
    found[path] = {one["label"]: one["score"] for one in classify(heard)}
print(json.dumps(found))
"""


def needed(names):
    """Every distribution that the named ones need here, themselves included."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        try:
            there = distribution(name)
        except PackageNotFoundError:
            continue
        if there.metadata["Name"] in found:
            continue
        found.add(there.metadata["Name"])
        for line in there.requires or []:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(wanted.name)
    return found


def environment(folder):
    """A folder of links to those packages alone: what a fresh installation would have."""
    folder.mkdir()
    for name in sorted(needed(["transformers", "torch"])):
        there = distribution(name)
        tops = {path.parts[0] for path in there.files or []} - {"..", "__pycache__"}
        for top in tops:
            source = Path(there.locate_file(top))
            if source.suffix != ".pth" and source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    return folder


def test_it_loads_without_this_project_and_says_what_the_run_said(
    exportable_run, tmp_path, monkeypatch
):
    monkeypatch.chdir(copy_run(exportable_run, tmp_path / "run"))
    config = read_run("tiny")
    cell = choose(config, Wanted()).cell
    folder = export("tiny", Wanted(), tmp_path / "model")[0]
    table, probs = read_predictions(cell, config["classes"], "val")
    paths = read_tsv(f"{cell.dataset_folder}/manifest.tsv").set_index("utt")["path"]
    files = []
    for row, utt in enumerate(table["utt"]):
        files.append(str(tmp_path / f"{row}.wav"))
        with wave.open(files[-1], "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(read_samples(paths[utt]).astype("<i2").tobytes())
    # -I: neither this folder nor PYTHONPATH; -S: no site-packages, and so no editable installs
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM]
        + [str(environment(tmp_path / "site")), str(folder), *files],
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    found = np.array([[said[path][name] for name in config["classes"]] for path in files])
    assert len(found) == 24
    temperature = read_json(folder / "export.json")["temperature"]
    np.testing.assert_allclose(rescaled(found, 1 / temperature), probs, atol=1e-4)
    np.testing.assert_allclose(found, rescaled(probs, temperature), atol=1e-4)
