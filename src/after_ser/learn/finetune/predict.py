"""Class probabilities of clips, each scored in full."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from after_ser.learn.finetune.batches import Clips, collate, scoring_batches
from after_ser.model.classifier import Classifier

#: Frames of a batch, padding included: on two CPU cores larger ones are no faster, and clips of a
#: small pool would be padded to twice their length. A GPU takes more (5 minutes of audio at 20 ms).
FRAMES_PER_BATCH, ON_A_GPU = 1_024, 16


def frames_per_batch(device: torch.device) -> int:
    """Return how many frames are scored at once on a device."""
    return FRAMES_PER_BATCH * (ON_A_GPU if device.type == "cuda" else 1)


@torch.inference_mode()
def predict(
    model: Classifier,
    clips: Clips,
    device: torch.device,
    pause: Callable[[], None] | None = None,
) -> np.ndarray:
    """Return probabilities [N, C] float64 in the order of `clips`, uncropped, dropout off.

    `pause` is called after every batch; it may end the process.
    """
    model.eval()
    probs = np.zeros((len(clips.utts), len(model.classes)))
    for batch in scoring_batches(clips.lengths(), frames_per_batch(device)):
        latents, sizes = collate([clips.frames[i] for i in batch], device)
        logits = model(latents, sizes)
        probs[batch] = torch.softmax(logits.double(), dim=1).cpu().numpy()
        if pause is not None:
            pause()
    return probs
