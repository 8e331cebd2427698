"""RH-emo's hybrid autoencoder: real encoder, classifiers of its axes, quaternion decoder.

Guizzo et al. 2022/23, "Learning Speech Emotion Representations in the Quaternion Domain"
(arXiv 2204.02385). The four channels of the embedding are the axes of one quaternion: emotion,
valence, arousal, dominance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from after_ser.studies.baselines.quaternion import QuaternionConvTranspose2d

BINS, FRAMES = 512, 128  # of a spectrogram; the three poolings make it 64 x 64
EMBEDDING = (4, 64, 64)
RATINGS = ("valence", "arousal", "dominance")
#: The published weight of the binary cross-entropies of valence, arousal and dominance.
RATING_WEIGHT = 100.0


class Encoder(nn.Module):
    """Three 3x3 convolutions 1-2-4-4 with 256 parameters; [B, 1, 512, 128] to [B, 4, 64, 64].

    Convolutions with biases have 244 of the published 256; batch norm behind the first two has the
    other 12. Nothing follows the last one but its pooling, so that components of either sign occur.
    """

    def __init__(self) -> None:
        """Make the layers with torch's global generator."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1),
            nn.BatchNorm2d(2),
            nn.ReLU(),
            nn.MaxPool2d((2, 2)),
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d((2, 1)),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.MaxPool2d((2, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings [B, 4, 64, 64] of spectrograms [B, 1, 512, 128] in 0 to 1."""
        embedding: Tensor = self.layers(x)
        return embedding


class Decoder(nn.Module):
    """Three transposed quaternion convolutions that undo the poolings; channels averaged."""

    def __init__(self) -> None:
        """Make the layers with torch's global generator."""
        super().__init__()
        self.layers = nn.Sequential(
            QuaternionConvTranspose2d(4, 4, (2, 1)),
            nn.ReLU(),
            QuaternionConvTranspose2d(4, 4, (2, 1)),
            nn.ReLU(),
            QuaternionConvTranspose2d(4, 4, (2, 2)),
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits [B, 1, 512, 128] of the spectrograms; their sigmoid is in 0 to 1."""
        quaternions: Tensor = self.layers(embedding)
        return quaternions.mean(dim=1, keepdim=True)


def axis_head(hidden: int, outputs: int) -> nn.Sequential:
    """Return the classifier of one axis [B, 64, 64]: 4096-hidden-hidden-outputs."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(EMBEDDING[1] * EMBEDDING[2], hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


@dataclass(frozen=True)
class Outputs:
    """Embedding [B, 4, 64, 64], and logits: spectrogram, emotion [B, C], ratings [B, 3] or None."""

    embedding: Tensor
    spectrogram: Tensor
    emotion: Tensor
    ratings: Tensor | None


class AutoEncoder(nn.Module):
    """Encoder, decoder, and one classifier per axis; without `ratings` only the emotion's.

    hidden: units of the classifiers' two hidden layers. At the published 4096, with four classes
    and ratings, the whole has 134.3 million parameters, 256 of them the encoder's.
    """

    def __init__(self, classes: int, hidden: int = 4096, ratings: bool = True) -> None:
        """Make the four parts with torch's global generator."""
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.emotion = axis_head(hidden, classes)
        self.ratings = nn.ModuleList(axis_head(hidden, 1) for _ in RATINGS if ratings)

    def forward(self, x: Tensor) -> Outputs:
        """Return everything computed from spectrograms [B, 1, 512, 128]."""
        embedding = self.encoder(x)
        ratings = None
        if self.ratings:
            axes = [head(embedding[:, axis]) for axis, head in enumerate(self.ratings, start=1)]
            ratings = torch.cat(axes, dim=1)
        return Outputs(embedding, self.decoder(embedding), self.emotion(embedding[:, 0]), ratings)


def pretraining_loss(
    outputs: Outputs, x: Tensor, emotion: Tensor, ratings: Tensor, beta: float
) -> Tensor:
    """Return BCE of the reconstruction + beta (CE of the emotion + 100 sum of BCE of ratings).

    emotion [B]: class numbers. ratings [B, 3] in 0 to 1, NaN where a clip has none: such entries
    count nothing, each rating is averaged over the clips that have it. beta 0 is the first run.
    """
    loss = binary_cross_entropy_with_logits(outputs.spectrogram, x)
    if not beta:
        return loss
    supervised = cross_entropy(outputs.emotion, emotion)
    if outputs.ratings is not None:
        for axis in range(len(RATINGS)):
            known = ~ratings[:, axis].isnan()
            if bool(known.any()):
                supervised = supervised + RATING_WEIGHT * binary_cross_entropy_with_logits(
                    outputs.ratings[known, axis], ratings[known, axis]
                )
    return loss + beta * supervised
