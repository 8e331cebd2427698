"""Loss on speech that pre-training does not learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from after_ser.core.seeding import rng
from after_ser.learn.tapt.batches import Batches
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.objectives.base import perplexity
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.step import MaskedLoss
from after_ser.model.geometry import Geometry


def hold_out(
    clips: Sequence[Clip], share: float, *seed: str | int
) -> tuple[list[Clip], list[Clip], str]:
    """Return (clips to learn from, clips held out, "speakers", "clips" or "").

    Whole speakers are held out, drawn by lot, as long as they have no more than twice the `share`
    of all seconds; single clips where no speaker is so small or not every clip names one. At
    least one clip is on each side, or none is held out.
    """
    total = sum(clip.seconds for clip in clips)
    draw = rng(*seed, "validation")
    chosen: set[str] = set()
    kind = ""
    if share > 0 and all(clip.speaker for clip in clips):
        speakers = sorted({clip.speaker for clip in clips})
        kind = "speakers"
        chosen = _fill(
            {s: [clip for clip in clips if clip.speaker == s] for s in speakers},
            [speakers[i] for i in draw.permutation(len(speakers))],
            share * total,
            total,
        )
    if share > 0 and not chosen and len(clips) > 1:
        kind = "clips"
        order = draw.permutation(len(clips))
        count = min(len(clips) - 1, max(1, round(share * len(clips))))
        chosen = {clips[index].utt for index in order[:count]}
    learnt = [clip for clip in clips if clip.utt not in chosen]
    return learnt, [clip for clip in clips if clip.utt in chosen], kind if chosen else ""


def _fill(
    groups: dict[str, list[Clip]], order: Sequence[str], wanted: float, total: float
) -> set[str]:
    """Return clips of whole groups, in this order, of `wanted` seconds: not over twice, not all."""
    chosen: set[str] = set()
    seconds = 0.0
    for name in order:
        more = sum(clip.seconds for clip in groups[name])
        if seconds < wanted and seconds + more <= 2 * wanted and seconds + more < total:
            chosen |= {clip.utt for clip in groups[name]}
            seconds += more
    return chosen


class Validation:
    """Scores a model on the same crops, masks and negatives every time."""

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: PretrainSettings,
        geometry: Geometry,
        prepare: Callable[[np.ndarray], np.ndarray],
        seed: tuple[str | int, ...],
    ) -> None:
        """`prepare` and `seed` as Batches takes them; there is at least one clip."""
        self._batches = Batches(clips, settings, geometry, prepare, (*seed, "validation"))

    def measure(self, masked: MaskedLoss, device: torch.device) -> dict[str, float]:
        """Return the loss, its parts and the code book's perplexity over all clips.

        Nothing is dropped and every code is the best one. Means are over masked frames.
        """
        training = masked.training
        masked.eval()
        totals: torch.Tensor | None = None
        frames, names, shape = 0, [""], torch.Size()
        with torch.no_grad():
            for batch in self._batches.one_epoch():
                count = int(batch.mask_array.sum())
                loss, named, codes = masked(batch.to(device), 1.0)
                names, shape = ["loss", *named], codes.shape
                found = torch.cat([torch.stack([loss, *named.values()]), codes.flatten()]) * count
                totals = found if totals is None else totals + found
                frames += count
        masked.train(training)
        assert totals is not None
        totals = totals / frames
        row = dict(zip(names, totals.tolist(), strict=False))
        if shape.numel() > 0 and totals.numel() > len(row):
            best, mean = totals[len(row) :].view(shape)
            row |= {"perplexity": float(perplexity(best))}
            row |= {"perplexity_soft": float(perplexity(mean))}
        return row
