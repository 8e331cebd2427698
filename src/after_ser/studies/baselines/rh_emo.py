"""RH-emo: a hybrid autoencoder makes quaternions of speech, a quaternion network classifies them.

Guizzo et al. 2022/23, "Learning Speech Emotion Representations in the Quaternion Domain". Segments
of 4 s; magnitude spectrograms; pre-training for reconstruction, then also for emotion, valence,
arousal and dominance; a quaternion AlexNet, VGG16 or ResNet50 on the frozen encoder's embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from after_ser.core.seeding import derive_seed
from after_ser.studies.baselines.base import Clip, Fitted
from after_ser.studies.baselines.clips import labels_of, samples, waveform
from after_ser.studies.baselines.quaternion_classifiers import build_classifier
from after_ser.studies.baselines.rh_emo_autoencoder import BINS, FRAMES, AutoEncoder, Encoder
from after_ser.studies.baselines.rh_emo_pretraining import pretrain, scaled_ratings
from after_ser.studies.baselines.segments import Segments, cut, gather, mean_by_clip, score_segments
from after_ser.studies.baselines.train import fit_epochs, shuffled_batches, start

_SEGMENT_S, _OVERLAP_S = 4.0, 1.0
_FFT, _HOP = 1024, 512  # samples


class RhEmo(nn.Module):
    """What scores segments: encoder and quaternion classifier."""

    def __init__(self, encoder: Encoder, classifier: nn.Module) -> None:
        """Put the two together."""
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, classes] of spectrograms [B, 1, 512, 128]."""
        logits: Tensor = self.classifier(self.encoder(x))
        return logits


@dataclass(frozen=True)
class Model:
    """What `predict` takes."""

    network: RhEmo
    device: torch.device


def build(classes: int, settings: dict[str, Any]) -> RhEmo:
    """Return an untrained encoder and classifier of the size that `settings` describe."""
    return RhEmo(Encoder(), build_classifier(settings["classifier"], classes))


def fit(
    train: list[Clip],
    val: list[Clip],
    *,
    classes: list[str],
    settings: dict[str, Any],
    seed: int,
    device: str,
) -> Fitted:
    """Pre-train the autoencoder in two runs, then train the classifier on its embeddings.

    settings: classifier (alexnet, vgg16, resnet50, small) with learning_rate, batch_size,
    epochs, patience; hidden (units of the axes' heads), beta, epoch_segments (0: all); and epochs,
    patience, batch_size, learning_rate, weight_decay of each run of pre-training, as
    reconstruction_<name> and supervised_<name>. History and best epoch are the classifier's. All
    epochs are chosen on val.
    """
    place = start(seed, device)
    ratings = scaled_ratings(train, train)
    known = ~ratings.isnan()
    autoencoder = AutoEncoder(len(classes), settings["hidden"], bool(known.any())).to(place)
    parts = {name: _segments(clips) for name, clips in (("train", train), ("val", val))}
    labels = {"train": labels_of(train), "val": labels_of(val)}
    data = {
        name: (
            parts[name],
            torch.tensor(labels[name])[parts[name].clip],
            scaled_ratings(train, clips)[parts[name].clip],
        )
        for name, clips in (("train", train), ("val", val))
    }
    for stage, beta in (("reconstruction", 0.0), ("supervised", settings["beta"])):
        pretrain(
            autoencoder,
            data["train"],
            data["val"],
            stage=stage,
            beta=beta,
            settings=settings,
            seed=seed,
            device=place,
        )
    encoder = autoencoder.encoder
    embedded = {name: embed(encoder, own, place) for name, own in parts.items()}
    torch.manual_seed(derive_seed(seed, "rh_emo", "classifier"))
    classifier = build_classifier(settings["classifier"], len(classes)).to(place)
    size = settings["batch_size"]
    targets = data["train"][1]

    def loss(batch: np.ndarray) -> Tensor:
        chosen = embedded["train"].values[batch].to(place).float()
        return cross_entropy(classifier(chosen), targets[batch].to(place))

    history, best = fit_epochs(
        classifier,
        torch.optim.Adam(classifier.parameters(), lr=settings["learning_rate"]),
        name="rh_emo",
        epochs=settings["epochs"],
        patience=settings["patience"],
        batches=lambda epoch: shuffled_batches(len(targets), size, seed, epoch),
        loss=loss,
        val_probabilities=lambda: _probabilities(classifier, embedded["val"], size, place),
        val_labels=labels["val"],
        seed=seed,
    )
    model = Model(RhEmo(encoder, classifier).eval(), place)
    return Fitted(model, history, best, len(history), _notes(known))


def predict(model: Model, clips: list[Clip]) -> np.ndarray:
    """Return the mean of the segments' probabilities [clips, classes], each clip scored alone."""
    rows = []
    for clip in clips:
        own = embed(model.network.encoder, _segments([clip]), model.device)
        rows.append(_probabilities(model.network.classifier, own, len(own.clip), model.device))
    return np.concatenate(rows)


def spectrograms(signal: Tensor) -> Tensor:
    """Return the magnitudes [n, 512, 128] of a signal [T] at 16 kHz, in 0 to 1.

    n segments of 4 s with 1 s of overlap, silence behind the last. 1,024 Hann-windowed samples
    every 512 make 513 bins x 126 frames: the bin of 8 kHz is left out, two frames of zeros are
    added. Each segment is divided by its largest magnitude; silence stays 0.
    """
    length = samples(_SEGMENT_S)
    parts = cut(signal, length, length - samples(_OVERLAP_S))
    window = torch.hann_window(_FFT)
    transformed = torch.stft(
        parts, _FFT, _HOP, window=window, pad_mode="constant", return_complex=True
    )
    magnitude = transformed.abs()[:, :BINS]
    magnitude = pad(magnitude, (0, FRAMES - magnitude.shape[-1]))
    largest = magnitude.amax(dim=(1, 2), keepdim=True)
    return magnitude / torch.where(largest > 0, largest, torch.ones_like(largest))


@torch.no_grad()
def embed(encoder: Encoder, segments: Segments, device: torch.device) -> Segments:
    """Return the embeddings [N, 4, 64, 64] of spectrograms [N, 512, 128], each on its own."""
    encoder.eval()
    values = [
        encoder(batch.to(device).float().unsqueeze(1)).half().cpu()
        for batch in segments.values.split(32)
    ]
    return Segments(torch.cat(values), segments.clip)


def _segments(clips: list[Clip]) -> Segments:
    return gather([spectrograms(waveform(clip)).half() for clip in clips])


def _probabilities(
    classifier: nn.Module, embedded: Segments, size: int, device: torch.device
) -> np.ndarray:
    return mean_by_clip(score_segments(classifier, embedded.values, size, device), embedded)


def _notes(known: Tensor) -> list[str]:
    """Say what is missing of ratings; `known` [train clips, 3] is where they are."""
    if not bool(known.any()):
        return [
            "train has no valence, arousal and dominance, so that these three heads are off and "
            "only the emotion supervises the pre-training"
        ]
    if not bool(known.all()):
        return [
            "some train clips have no valence, arousal or dominance; those heads learn from the "
            "others"
        ]
    return []
