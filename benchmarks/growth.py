"""How cost grows: a round's time and memory with the pool, the plan with the number of rounds.

    python benchmarks/growth.py

Latents are made up, as wide and long as wav2vec2-base's of Merged (18 hours in 16,600 clips at
most). The transformer is narrow, so that an hour is not spent on what the other figures measure;
what it holds is that of one batch and does not grow. Each pool has a process of its own, whose peak
of memory is that of a job: interpreter and libraries included, and once more with the pages of the
latents' file that are mapped, which the kernel takes back when somebody else needs them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import yaml
from harness import ROOT, Figure, Row, Setting, main
from planning import per_unit, planned

MERGED_CLIPS, CLIP_S = 16_600, 18 * 3600 / 16_600
POOLS = (1_000, 4_000, MERGED_CLIPS)
ROUNDS = (5, 10, 25)
_SHARE_LABELLED, _SHARE_HELD_OUT = 0.2, 0.1
_ARCHITECTURE = {
    **{"conv_dim": [512] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2]},
    **{"conv_stride": [5, 2, 2, 2, 2, 2, 2], "hidden_size": 128, "layers": 2, "heads": 4},
    "intermediate_size": 256,
}


def measure(setting: Setting) -> Figure:
    """Measure both; a ratio of 1 is growth in proportion, less is worse than that."""
    figure = Figure("growth", "Growth", "cost per clip or job of the smallest / its own")
    pools = (40, 80) if setting.quick else POOLS
    peaks: dict[str, float] = {}
    mapped: dict[str, float] = {}
    labels: dict[str, float] = {}
    per_clip: dict[int, list[float]] = {pool: [] for pool in pools}
    for _ in range(1 if setting.quick else min(setting.repeats, 3)):
        for pool in pools:
            found = _in_a_process(pool, setting)
            per_clip[pool].append(found["seconds"])
            name = f"{pool:,} clips"
            peaks[name] = max(round(found["peak_gib"], 3), peaks.get(name, 0.0))
            mapped[name] = max(round(found["with_the_file_gib"], 3), mapped.get(name, 0.0))
            labels[name] = found["labelled"]
    for pool, seconds in per_clip.items():
        ratios = per_unit(per_clip[pools[0]], pools[0], seconds, pool)
        figure.rows.append(Row("a round", f"{pool:,} clips", seconds, ratios))
    jobs = {}
    rounds = (2, 3) if setting.quick else ROUNDS
    spent: dict[int, list[float]] = {}
    planned(_config(setting.folder, rounds[0]), setting.folder)  # what a first one loads
    for number in rounds:
        config = _config(setting.folder, number)
        begun = time.perf_counter()
        jobs[number] = planned(config, setting.folder)
        spent[number] = [time.perf_counter() - begun]
        ratios = per_unit(spent[rounds[0]], jobs[rounds[0]], spent[number], jobs[number])
        figure.rows.append(Row("planning", f"{number} rounds", spent[number], ratios))
    figure.facts = {
        "peak_gib": peaks,
        "peak_gib_with_the_mapped_file": mapped,
        "labelled": labels,
        "jobs": {str(number): count for number, count in jobs.items()},
        "seconds_of_audio_a_clip": round(CLIP_S, 2),
    }
    return figure


def _config(folder: Path, rounds: int) -> Path:
    """Write the demo's config with so many budgets for its iterative arms."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config["budget"] = [round((index + 1) / rounds, 4) for index in range(rounds)]
    for kind in ("tables", "figures", "inside"):
        config[kind] = {}
    config["figures"]["figure2"] = {
        "dataset": "merged",
        "arms": ["after", "kmeans-margin", "kmeans-random"],
        "budgets": config["budget"],
    }
    path = folder / f"rounds{rounds}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _in_a_process(pool: int, setting: Setting) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", str(pool), str(setting.threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(pool: int, threads: int, folder: Path) -> dict[str, float]:
    """Return seconds and peak of memory of one round: one epoch, then everything is scored."""
    import numpy as np
    import pandas as pd
    import torch

    from after_ser.learn.finetune.round import Split, run_round
    from after_ser.model.families.conv_encoder import save_model
    from after_ser.model.latents import INDEX, LATENTS, MEANS, Latents
    from after_ser.model.scratch import build_scratch
    from after_ser.run.atomic import write_tsv
    from after_ser.run.device import set_threads

    set_threads(threads)
    classes = ["anger", "happy", "neutral", "sad"]
    draw = np.random.default_rng(0)
    frames = np.maximum(20, draw.gamma(9.0, CLIP_S * 50 / 9.0, pool)).astype(np.int64)
    utts = [f"clip{index:05d}" for index in range(pool)]
    offsets = np.concatenate([[0], np.cumsum(frames)])
    store = np.lib.format.open_memmap(
        folder / LATENTS, mode="w+", dtype=np.float16, shape=(int(offsets[-1]), 512)
    )
    for start in range(0, len(store), 65_536):  # written in pieces: the peak is the round's
        part = store[start : start + 65_536]
        part[:] = draw.standard_normal(part.shape, dtype=np.float32)
    store.flush()
    store._mmap.close()
    np.save(folder / MEANS, np.zeros((pool, 512), dtype=np.float32))
    write_tsv(folder / INDEX, pd.DataFrame({"utt": utts, "offset": offsets[:-1], "frames": frames}))
    (folder / "model").mkdir()
    save_model(build_scratch(_ARCHITECTURE, 0), folder / "model", True)
    held, known = round(_SHARE_HELD_OUT * pool), round(_SHARE_LABELLED * pool)
    val, test, train = utts[:held], utts[held : 2 * held], utts[2 * held :]
    truth = {utt: classes[index % 4] for index, utt in enumerate(utts)}
    labelled = pd.DataFrame({"utt": train[:known], "label": [truth[u] for u in train[:known]]})
    settings = {
        **{"learning_rate": 1e-4, "batch_size": 16, "max_epochs": 1, "max_steps": 0},
        **{"patience": 1, "crop_s": 10.0, "class_weights": "none", "head": "mean-relu-linear"},
    }
    latents = Latents(folder)
    memory = Memory()
    begun = time.perf_counter()
    run_round(
        split=Split(train, val, test, {utt: truth[utt] for utt in val + test}),
        labelled=labelled,
        latents=latents,
        start=folder / "model",
        previous=None,
        classes=classes,
        settings=settings,
        head_seed=0,
        seed_parts=("benchmark",),
        device=torch.device("cpu"),
    )
    seconds = time.perf_counter() - begun
    own, resident = memory.peaks()
    return {
        "seconds": seconds,
        "peak_gib": own,
        "with_the_file_gib": resident,
        "labelled": known,
    }


class Memory:
    """Peaks of this process's memory from now on, looked at twenty times a second."""

    def __init__(self) -> None:
        """Begin to look."""
        self._highest = (0.0, 0.0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self._look()

    def _look(self) -> None:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        own, resident = (int(fields[name].split()[0]) / 2**20 for name in ("RssAnon", "VmRSS"))
        self._highest = (max(own, self._highest[0]), max(resident, self._highest[1]))

    def peaks(self) -> tuple[float, float]:
        """Return GiB of the process's own memory, and of all that is resident, files included."""
        self._done.set()
        self._thread.join()
        self._look()
        return self._highest


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        import tempfile

        with tempfile.TemporaryDirectory() as name:
            print(json.dumps(child(int(sys.argv[2]), int(sys.argv[3]), Path(name))))
    else:
        main(measure)
