"""Files that were cut after they had been written: noticed, named, and made again."""

import os
import signal

import pytest

from tests.faults.harness import AL, DATASET, ROUND, SPLIT, TAPT, TAPT_LOG, TAPT_STATE
from tests.faults.test_killed_jobs import resumed_after

LATENTS = f"{SPLIT}/latents/toy/tapt/savee/fold1/seed0/latents.npy"


def cut(path, keep=0.6):
    """Leave the first part of a file, ending inside a line; return the size it had."""
    size = path.stat().st_size
    kept = int(size * keep)
    data = path.read_bytes()
    while data[kept - 1 : kept] == b"\n":
        kept -= 1
    os.truncate(path, kept)
    assert path.stat().st_size == kept < size
    return size


def cut_a_line(path):
    """Remove exactly the last line."""
    data = path.read_bytes()
    path.write_bytes(data[: data.rstrip(b"\n").rfind(b"\n") + 1])
    assert path.read_bytes().endswith(b"\n") and path.stat().st_size < len(data)


def test_a_truncated_checkpoint(place, reference):
    place.forget_tapt()
    run = place.snakemake("--until", "tapt")
    job = run.job("tapt")
    run.wait_for(lambda: len(place.steps(TAPT_STATE)) == 2, "two checkpoints")
    job.send_signal(signal.SIGKILL)
    assert run.finish() == 1
    older, newer = place.steps(TAPT_STATE)
    (path,) = (place / TAPT_STATE).glob(f"step{newer:08d}.*.pt")
    cut(path)
    place.succeed(place.resume())
    log = place.log(TAPT_LOG)
    assert f"ignoring {TAPT_STATE}/{path.name}: it is truncated or altered" in log
    assert resumed_after(log) == older
    place.complete()
    place.expect_undisturbed(reference)


def test_resume_makes_every_cut_file_again(place, reference):
    damaged = [
        f"{DATASET}/manifest.tsv",
        f"{DATASET}/fold1.tsv",
        f"{AL}/round0/labelled.tsv",
        f"{AL}/round0/pool.tsv",
        f"{AL}/round0/model/model.safetensors",
        f"{ROUND}/labelled.tsv",
        f"{ROUND}/predictions.tsv",
        f"{ROUND}/metrics.json",
        f"{ROUND}/model/model.safetensors",
        f"{TAPT}/model.safetensors",
        LATENTS,
        "results/faults/scores.tsv",
        "results/faults/tables/table4.tsv",
        "results/faults/tables/table4.md",
        "results/corpora/toy-savee/manifest.tsv",
    ]
    for path in damaged:
        cut(place / path)
    output = place.succeed(place.resume())
    for path in damaged:
        assert f"notice: {path}: " in output and (place / f"{path}.damaged").exists()
        (place / f"{path}.damaged").unlink()
    mine, expected = place.files(), reference.files()
    assert not [name for name, data in mine.items() if data != expected[name]]
    tables = {name for name in expected if "/tables/" in name or name.endswith("metrics.json")}
    assert tables <= set(mine)


# Without resume: what reads the file refuses. (file, how it is cut, what has to be made of it)
READERS = [
    (f"{DATASET}/manifest.tsv", cut, [f"{AL}/initial.tsv", f"{AL}/round0/labelled.tsv", AL]),
    (f"{AL}/round0/pool.tsv", cut_a_line, [ROUND]),
    (f"{ROUND}/labelled.tsv", cut_a_line, [f"{ROUND}/metrics.json"]),
    (f"{ROUND}/metrics.json", cut, []),
    (f"{AL}/round0/model/model.safetensors", cut, [f"{ROUND}/metrics.json"]),
    (LATENTS, cut, [f"{ROUND}/metrics.json"]),
]


@pytest.mark.parametrize(("path", "how", "lost"), READERS)
def test_readers_refuse_with_one_line_that_names_the_file(place, path, how, lost):
    place.forget(*lost)
    place.forget_tables()
    how(place / path)
    run = place.snakemake()
    assert run.finish() == 1
    lines = {line for line in run.output.splitlines() if line.startswith("error: ")}
    assert len(lines) == 1, run.output[-2000:]
    assert path in lines.pop() and "Traceback" not in run.output
    assert not list((place / "results/faults").glob("tables/*"))
