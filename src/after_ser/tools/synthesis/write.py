"""Writes synthetic corpora: small copies of real ones in their official layouts, and plain speech.

Every clip has a random source of its own, named by corpus, path and seed, so that one clip's audio
does not depend on how many others there are.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.run.atomic import atomic_path, write_text
from after_ser.tools.synthesis.channel import Channel, copy_with_noise, record
from after_ser.tools.synthesis.emotion import DIMENSIONS, express, improvise
from after_ser.tools.synthesis.layouts.base import Clip, Layout
from after_ser.tools.synthesis.layouts.registry import get_layout
from after_ser.tools.synthesis.phonemes import inventory, sentence
from after_ser.tools.synthesis.plan import choose_speakers, plan
from after_ser.tools.synthesis.speakers import Speaker, make_speaker
from after_ser.tools.synthesis.voice import SAMPLE_RATE, render

PRETRAINING = "pretraining"


def write_corpus(
    layout: str, root: str | Path, *, clips: int, speakers: int | None, seed: int
) -> list[Clip]:
    """Write a synthetic corpus in the official layout `layout` into `root`, return its plan.

    `clips` is the number of sound clips, of the four classes and of others; planted bad files (a
    silent, a too short, a byte-identical one, at most one per corpus) come on top. `speakers` None
    means all of a small corpus, else about one per six clips. Raises InputError for an unknown
    layout, impossible numbers and a `root` that is not empty.
    """
    chosen = get_layout(layout)
    if clips < 8:
        raise InputError(f"synthetic {layout}: clips is {clips}; expected at least 8")
    folder = _empty_folder(Path(root))
    people = choose_speakers(chosen, clips, speakers)
    voices = {name: make_speaker(layout, name, gender, DIMENSIONS, seed) for name, gender in people}
    planned = plan(chosen, clips, [name for name, _ in people], seed)
    by_path = {clip.path: clip for clip in planned}
    durations = {}
    for clip in planned:
        wave = _recorded(by_path[clip.twin] if clip.twin else clip, chosen, voices, seed)
        if clip.twin:
            wave = copy_with_noise(wave, rng("twin", layout, clip.path, seed))
        durations[clip.path] = len(wave) / chosen.sample_rate
        draw = rng("stereo", layout, clip.path, seed)
        if draw.random() < chosen.stereo_share:
            wave = np.stack([wave, 0.98 * wave + draw.normal(0.0, 1e-4, len(wave))], axis=1)
        _write_wav(folder / clip.path, wave, chosen.sample_rate)
    _write_defects(folder, chosen, planned, [name for name, _ in people], seed)
    chosen.write_labels(folder, planned, durations, seed)
    return planned


def write_pretraining_speech(root: str | Path, clips: int, seed: int) -> None:
    """Write unlabelled speech of layout "csv" into `root`: metadata.csv and audio/*.wav (16 kHz).

    Its speakers occur in no corpus; languages, voices, expressions and recording conditions are
    more varied than in any. Columns are path, speaker, label, the last one empty. Raises
    InputError for a `root` that is not empty.
    """
    if clips < 1:
        raise InputError(f"synthetic {PRETRAINING}: clips is {clips}; expected at least 1")
    folder = _empty_folder(Path(root))
    people = max(4, clips // 6)
    voices = [
        make_speaker(
            PRETRAINING, f"person{i:04d}", ("female", "male")[i % 2], DIMENSIONS, seed, variety=1.3
        )
        for i in range(people)
    ]
    lines = ["path,speaker,label"]
    for number in range(clips):
        speaker = voices[number % people]
        path = f"audio/{speaker.name}_{number // people:03d}.wav"
        draw = rng("clip", PRETRAINING, path, seed)
        sounds = inventory(
            str(draw.choice(["mixed", "mixed", "en", "de", "fa"])), f"{PRETRAINING}-{speaker.name}"
        )
        words = sentence(sounds, f"{PRETRAINING}/{path}", (4, 8))
        wave = render(words, speaker, improvise(speaker, draw), draw)
        recorded = record(wave, _random_channel(draw), SAMPLE_RATE, draw)
        _write_wav(folder / path, recorded, SAMPLE_RATE)
        lines.append(f"{path},{speaker.name},")
    write_text(folder / "metadata.csv", "\n".join(lines) + "\n")


def _recorded(clip: Clip, layout: Layout, voices: dict[str, Speaker], seed: int) -> np.ndarray:
    """Return the take of `clip` as float64 [samples] at the layout's rate."""
    draw = rng("clip", layout.name, clip.path, seed)
    speaker = voices[clip.speaker]
    words = sentence(inventory(layout.language, layout.name), f"{layout.name}/{clip.text}")
    expression = express(clip.emotion, speaker, draw, layout.strength)
    wave = render(words, speaker, expression, draw)
    return record(wave, layout.channel, layout.sample_rate, draw)


def _random_channel(draw: np.random.Generator) -> Channel:
    return Channel(
        low=float(draw.uniform(50, 150)),
        high=float(draw.uniform(5000, 7600)),
        level=float(draw.uniform(-30, -18)),
        level_spread=3.0,
        snr=float(draw.uniform(18, 40)),
        snr_spread=4.0,
        colour=float(draw.uniform(0.3, 1.6)),
        hum=float(draw.choice([0.0, 0.0, 50.0, 60.0])),
        echo=float(draw.uniform(0.0, 0.2)),
    )


def _write_defects(
    folder: Path, layout: Layout, planned: Sequence[Clip], speakers: Sequence[str], seed: int
) -> None:
    for path, kind in layout.defects(speakers).items():
        samples = layout.sample_rate * 3 // 2
        wave = np.zeros(samples)
        if kind == "short":
            draw = rng("defect", layout.name, path, seed)
            wave = draw.normal(0.0, 0.02, layout.sample_rate // 8)
        _write_wav(folder / path, wave, layout.sample_rate)
    if layout.duplicated:
        source, target = _duplicate_names(layout, planned)
        shutil.copyfile(folder / source, folder / target)


def _duplicate_names(layout: Layout, planned: Sequence[Clip]) -> tuple[str, str]:
    """Return a clip and a free name of the same speaker and label for its byte-identical copy."""
    used = {clip.path for clip in planned}
    for clip in planned:
        for slot in layout.slots(clip.speaker, clip.label, 1):
            if slot.path not in used:
                return clip.path, slot.path
    raise InputError(
        f"synthetic {layout.name}: no file name is left for the planted duplicate; "
        "expected fewer clips or more speakers"
    )


def _empty_folder(root: Path) -> Path:
    """Create `root`; refuse one with content, which could be a real corpus."""
    if root.exists() and (
        not root.is_dir() or any(not entry.name.startswith(".") for entry in root.iterdir())
    ):
        raise InputError(f"synthetic corpus: {root} is not empty; expected a new or empty folder")
    root.mkdir(parents=True, exist_ok=True)
    return root


def _write_wav(path: Path, wave: np.ndarray, sample_rate: int) -> None:
    samples = np.rint(np.clip(wave, -1.0, 1.0) * 32767).astype("<i2")
    with atomic_path(path) as temporary:
        wavfile.write(temporary, sample_rate, samples)
