"""LSSED's benchmark: a PyConvResNet on spectrograms (Fan et al., ICASSP 2021).

Public are the network and weights that need a password and are pickles. So everything around the
network is our assumption: log-mel input, normalised per band with the mean and deviation of train;
segments with overlap, whose probabilities are averaged; Adam and early stopping as for AFTER.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchaudio.transforms import MelSpectrogram

from after_ser.core.errors import InputError
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.studies.baselines.base import Clip, Fitted
from after_ser.studies.baselines.clips import labels_of, samples, waveform
from after_ser.studies.baselines.pyconvresnet import PyConvResNet
from after_ser.studies.baselines.segments import Segments, cut, gather, mean_by_clip, score_segments
from after_ser.studies.baselines.train import fit_epochs, shuffled_batches, start

_FLOOR = 1e-6  # power below which a band is silent: -60 dB of a window of full scale, or so
_WINDOW_S = 0.025
_HEAD = ("head.weight", "head.bias")


@dataclass(frozen=True)
class LogMel:
    """Log-mel segments [n, mels, frames]; `mean` and `deviation` [mels, 1] are those of train."""

    transform: MelSpectrogram
    segment: int  # frames
    hop: int  # frames
    mean: Tensor
    deviation: Tensor

    def segments(self, spectrogram: Tensor) -> Tensor:
        """Return a clip's segments; what lies behind its end is the mean of train, 0."""
        return cut((spectrogram - self.mean) / self.deviation, self.segment, self.hop).half()


@dataclass(frozen=True)
class Model:
    """What `predict` takes."""

    network: PyConvResNet
    features: LogMel
    device: torch.device


def build(classes: int, settings: dict[str, Any]) -> PyConvResNet:
    """Return an untrained network of the size that `settings` describe."""
    width = settings["width"]
    if width < 0.0625 or (64 * width) % 4:
        raise InputError(
            f"config: baselines: lssed: width is {width}; expected a multiple of 0.0625, so that "
            "channels can be shared out among four kernels"
        )
    depth = settings["network"].removeprefix("pyconvresnet-")
    return PyConvResNet(classes, depth, width)


def fit(
    train: list[Clip],
    val: list[Clip],
    *,
    classes: list[str],
    settings: dict[str, Any],
    seed: int,
    device: str,
) -> Fitted:
    """Train on segments, choose the epoch by the val loss of whole clips.

    settings: network (pyconvresnet-50, -101, -152, small), width, mels, frame_shift, seconds and
    hop (of segments; all in seconds), learning_rate, batch_size, epochs, patience, weights
    (safetensors file or folder, "" for none). Raises InputError for a width and weights that do
    not fit, and for less than two segments in train.
    """
    place = start(seed, device)
    network = build(len(classes), settings)
    notes = _load(network, settings["weights"]) if settings["weights"] else []
    network.to(place)
    transform = _transform(settings)
    heard = [_log_mel(transform, clip) for clip in train]
    features = _features(transform, heard, settings)
    parts = gather([features.segments(spectrogram) for spectrogram in heard])
    heard.clear()
    if len(parts.clip) < 2:
        raise InputError(
            f"baseline lssed: train has one segment, of {train[0].utt}; expected two or more, "
            "because batch normalisation has nothing to normalise in one"
        )
    checked = gather([features.segments(_log_mel(transform, clip)) for clip in val])
    targets = torch.tensor(labels_of(train))[parts.clip]
    size = settings["batch_size"]

    def loss(batch: np.ndarray) -> Tensor:
        chosen = parts.values[batch].to(place).float().unsqueeze(1)
        return cross_entropy(network(chosen), targets[batch].to(place))

    history, best = fit_epochs(
        network,
        torch.optim.Adam(network.parameters(), lr=settings["learning_rate"]),
        name="lssed",
        epochs=settings["epochs"],
        patience=settings["patience"],
        batches=lambda epoch: shuffled_batches(len(parts.clip), size, seed, epoch),
        loss=loss,
        val_probabilities=lambda: _probabilities(network, checked, size, place),
        val_labels=labels_of(val),
        seed=seed,
    )
    return Fitted(Model(network, features, place), history, best, len(history), notes)


def predict(model: Model, clips: list[Clip]) -> np.ndarray:
    """Return the mean of the segments' probabilities [clips, classes], each clip scored alone."""
    rows = []
    for clip in clips:
        own = gather([model.features.segments(_log_mel(model.features.transform, clip))])
        rows.append(_probabilities(model.network, own, len(own.clip), model.device))
    return np.concatenate(rows)


def _probabilities(
    network: PyConvResNet, segments: Segments, size: int, device: torch.device
) -> np.ndarray:
    values = segments.values.unsqueeze(1)
    return mean_by_clip(score_segments(network, values, size, device), segments)


def _transform(settings: dict[str, Any]) -> MelSpectrogram:
    return MelSpectrogram(
        sample_rate=SAMPLE_RATE,
        n_fft=1024,  # the narrowest of 128 mel bands would have no bin of 512
        win_length=samples(_WINDOW_S),
        hop_length=samples(settings["frame_shift"]),
        n_mels=settings["mels"],
        pad_mode="constant",
    )


def _log_mel(transform: MelSpectrogram, clip: Clip) -> Tensor:
    """Return the natural log of a clip's mel power [mels, T]."""
    log: Tensor = transform(waveform(clip)).clamp(min=_FLOOR).log()
    return log


def _features(transform: MelSpectrogram, heard: list[Tensor], settings: dict[str, Any]) -> LogMel:
    segment, hop = (
        max(1, round(samples(settings[name]) / samples(settings["frame_shift"])))
        for name in ("seconds", "hop")
    )
    frames = sum(spectrogram.shape[1] for spectrogram in heard)
    total = sum(spectrogram.double().sum(dim=1) for spectrogram in heard)
    squares = sum(spectrogram.double().square().sum(dim=1) for spectrogram in heard)
    mean = torch.as_tensor(total) / frames
    deviation = (torch.as_tensor(squares) / frames - mean.square()).clamp(min=1e-8).sqrt()
    return LogMel(transform, segment, hop, mean.float()[:, None], deviation.float()[:, None])


def _load(network: PyConvResNet, given: str) -> list[str]:
    """Load safetensors with this network's names; a classifier of other classes stays new."""
    place = Path(given).expanduser()
    path = place / "model.safetensors" if place.is_dir() else place
    where = f"config: baselines: lssed: weights: {path}"
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where} is not readable as safetensors ({reason})") from None
    own = network.state_dict()
    notes = ["starts from given weights"]
    if any(name in state and state[name].shape != own[name].shape for name in _HEAD):
        state |= {name: own[name] for name in _HEAD}
        notes = ["starts from given weights, but for the classifier, which has other classes"]
    wrong = sorted(
        name
        for name in own.keys() | state.keys()
        if name not in own or name not in state or own[name].shape != state[name].shape
    )
    if wrong:
        raise InputError(
            f"{where} does not fit the network of these options in {len(wrong)} tensors, "
            f"the first is {wrong[0]}; expected those of after_ser.studies.baselines.pyconvresnet"
        )
    network.load_state_dict(state)
    return notes
