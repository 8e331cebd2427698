"""Which clips a synthetic corpus holds: labels, speakers, names, near-duplicates, label errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.tools.synthesis.layouts.base import FOUR_CLASSES, Clip, Layout, Slot, shuffled

OTHER_SHARE = 0.12  # of clips that carry a label outside the four classes
NEAR_DUPLICATE_SHARE = 0.04
MISLABELLED_SHARE = 0.03


def choose_speakers(layout: Layout, clips: int, speakers: int | None) -> list[tuple[str, str]]:
    """Return (name, gender) of the speakers; None takes as many as give six clips to each.

    Raises InputError where the corpus has fewer, or IEMOCAP would get half a session.
    """
    official = len(layout.speakers)
    if speakers is None:
        wanted = official if official <= 10 else min(official, max(4, clips // 6))
        return list(layout.speakers[:wanted])
    if not 1 <= speakers <= official:
        raise InputError(
            f"synthetic {layout.name}: speakers is {speakers}; expected 1 to {official}"
        )
    if layout.name == "iemocap" and speakers % 2:
        raise InputError(
            f"synthetic iemocap: speakers is {speakers}; expected an even number (two per session)"
        )
    return list(layout.speakers[:speakers])


def label_counts(labels: Mapping[str, tuple[str, int]], clips: int) -> dict[str, int]:
    """Share `clips` among labels in the release's proportions (largest remainders).

    Labels outside the four classes share OTHER_SHARE of the clips; a label of the four gets at
    least one.
    """
    wanted: dict[str, float] = {}
    for group, share in ((True, 1 - OTHER_SHARE), (False, OTHER_SHARE)):
        members = {
            label: count
            for label, (emotion, count) in labels.items()
            if (emotion in FOUR_CLASSES) == group
        }
        for label, count in members.items():
            wanted[label] = clips * share * count / sum(members.values())
    counts = {label: int(value) for label, value in wanted.items()}
    by_remainder = sorted(wanted, key=lambda label: (counts[label] - wanted[label], label))
    for label in by_remainder[: clips - sum(counts.values())]:
        counts[label] += 1
    for label, (emotion, _) in labels.items():
        if emotion in FOUR_CLASSES and counts[label] == 0:
            donor = max(counts, key=lambda name: counts[name])
            counts[donor] -= 1
            counts[label] += 1
    return counts


def plan(layout: Layout, clips: int, speakers: Sequence[str], seed: int) -> list[Clip]:
    """Return `clips` planned clips, sorted by path.

    Raises InputError where the layout has too few file names for so many clips.
    """
    draw = rng("plan", layout.name, clips, len(speakers), seed)
    per_speaker = -(-clips // len(speakers))
    planned: list[Clip] = []
    used: set[str] = set()
    turn = 0
    for label, count in label_counts(layout.labels, clips).items():
        free = {
            speaker: shuffled(layout.slots(speaker, label, per_speaker), draw)
            for speaker in speakers
        }
        able = [speaker for speaker in speakers if free[speaker]]
        for _ in range(count):
            # In turn, so that every speaker says every label about equally often.
            for attempt in range(len(able)):
                speaker = able[(turn + attempt) % len(able)]
                slot = _take(free[speaker], used)
                if slot is not None:
                    break
            else:
                raise InputError(
                    f"synthetic {layout.name}: {clips} clips of {len(speakers)} speakers need more "
                    f"file names of label {label} than the release has; expected fewer clips or "
                    "more speakers"
                )
            turn += 1
            used.add(slot.path)
            emotion = layout.labels[label][0]
            planned.append(Clip(slot.path, slot.text, speaker, label, emotion))
    planned.sort(key=lambda clip: clip.path)
    if layout.near_duplicates:
        planned = _repeat(planned, layout, per_speaker, draw)
    return _mislabel(planned, draw)


def _take(free: list[Slot], used: set[str]) -> Slot | None:
    while free:
        slot = free.pop()
        if slot.path not in used:
            return slot
    return None


def _repeat(
    planned: list[Clip], layout: Layout, per_speaker: int, draw: np.random.Generator
) -> list[Clip]:
    """Turn some clips into near-duplicates: another name for the take of a clip that stays.

    The name is the same speaker's, of the same label and, while the layout has any, of the same
    text. The clip that gives way has the same label, so label counts stay as they are.
    """
    wanted = round(NEAR_DUPLICATE_SHARE * len(planned))
    result = {clip.path: clip for clip in planned}
    sources: set[str] = set()
    repeats: set[str] = set()
    order = [planned[int(number)] for number in draw.permutation(len(planned))]
    for same_text in (True, False):
        for source in order:
            if len(repeats) >= wanted:
                break
            if source.path not in result or source.path in sources | repeats:
                continue
            free = [
                slot
                for slot in layout.slots(source.speaker, source.label, per_speaker)
                if slot.path not in result and (slot.text == source.text or not same_text)
            ]
            # The same speaker's clips go first, which keeps speakers balanced too.
            leaving = sorted(
                (
                    clip
                    for clip in result.values()
                    if clip.label == source.label
                    and clip.path not in sources | repeats | {source.path}
                ),
                key=lambda clip: (clip.speaker != source.speaker, clip.path),
            )
            if free and leaving:
                del result[leaving[0].path]
                result[free[0].path] = replace(
                    source, path=free[0].path, text=free[0].text, twin=source.path
                )
                sources.add(source.path)
                repeats.add(free[0].path)
    return sorted(result.values(), key=lambda clip: clip.path)


def _mislabel(planned: list[Clip], draw: np.random.Generator) -> list[Clip]:
    """Let some clips of the four classes be heard with another class's emotion."""
    basic = FOUR_CLASSES[:4]
    sources = {clip.twin for clip in planned}
    candidates = [
        number
        for number, clip in enumerate(planned)
        if clip.emotion in basic and not clip.twin and clip.path not in sources
    ]
    result = list(planned)
    wanted = round(MISLABELLED_SHARE * len(planned))
    for number in draw.permutation(candidates)[:wanted]:
        clip = planned[int(number)]
        others = [emotion for emotion in basic if emotion != clip.emotion]
        result[int(number)] = replace(clip, emotion=others[int(draw.integers(len(others)))])
    return result
