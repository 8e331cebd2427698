"""How much work a job is: speech by corpus, the size of its model, operations, memory and disk.

Nothing is looked up on disk: planning needs no data, and every cluster job reads the Snakefile
three times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

Config = dict[str, Any]
Wildcards = Mapping[str, str]
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Speech:
    """Clips and their seconds."""

    clips: float
    seconds: float

    def __add__(self, other: Speech) -> Speech:
        """Return both together."""
        return Speech(self.clips + other.clips, self.seconds + other.seconds)

    @property
    def samples_mb(self) -> float:
        """Megabytes of its samples, 16 bits each."""
        return self.seconds * SAMPLE_RATE * 2 / 1e6

    @property
    def clip_s(self) -> float:
        """Mean length of a clip in seconds."""
        return self.seconds / max(self.clips, 1)

    def share(self, part: float) -> Speech:
        """Return this part of it."""
        return Speech(part * self.clips, part * self.seconds)

    def cropped(self, crop_s: float) -> Speech:
        """Return it with clips of mean length cut to `crop_s` seconds."""
        return Speech(self.clips, min(self.seconds, self.clips * crop_s))


#: Clips and hours of a whole release, rounded up from what its authors report; `csv` is a guess.
RELEASES = {
    "iemocap": (10_100, 12.5),
    "emodb": (540, 0.5),
    "shemo": (3_000, 3.5),
    "ravdess": (1_440, 1.5),
    "emovdb": (7_000, 9.5),
    "cremad": (7_450, 5.5),
    "savee": (480, 0.6),
    "esd": (35_000, 29.5),
    "msp_podcast": (152_000, 238.0),
    "msp_improv": (8_450, 9.6),
    "mandarin_affective": (26_000, 20.0),
    "csv": (10_000, 10.0),
}
#: Mean length of a clip where only hours are given, and of a synthetic one.
CLIP_S = 3.6
SYNTHETIC_CLIP_S = 2.0
#: Share of a release's clips that has one of the four classes and outlives balancing: 15,400 train
#: clips of the 30,000 in Merged's releases, and 5,531 of IEMOCAP's 10,039.
USED = 0.6


def speech_of(config: Config, corpus: str) -> Speech:
    """Return the speech of a whole corpus: synthetic, by its `hours`, or by its release."""
    entry = config["corpora"][corpus]
    if "synthetic" in entry:
        clips = entry["synthetic"]["clips"]
        return Speech(clips, clips * SYNTHETIC_CLIP_S)
    if "hours" in entry:
        seconds = 3600 * entry["hours"]
        return Speech(seconds / CLIP_S, seconds)
    clips, hours = RELEASES.get(entry["layout"], RELEASES["csv"])
    return Speech(clips, 3600 * hours)


def speech_in(config: Config, dataset: str) -> Speech:
    """Return the speech of a dataset: what is used of its corpora, near-duplicates included."""
    entry = config["datasets"][dataset]
    total = Speech(0, 0)
    for corpus in [entry["target"], *entry["extra"]]:
        share = 1.0 if "synthetic" in config["corpora"][corpus] else USED
        total = total + speech_of(config, corpus).share(share)
    inject = entry.get("inject", {})
    more = inject.get("duplicates", 0) + inject.get("foreign", {}).get("share", 0)
    return total.share(1 + more)


@dataclass(frozen=True)
class Shape:
    """The architecture of a wav2vec 2.0, as far as its cost depends on it."""

    conv_dim: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    hidden: int
    layers: int
    intermediate: int
    latent_bytes: int = 2  # of one number: float16, or 4

    @property
    def frames_per_second(self) -> float:
        """Frames that leave the CNN per second of audio."""
        return SAMPLE_RATE / prod(self.strides)

    @property
    def cnn_flops(self) -> float:
        """Floating-point operations of the CNN per second of audio, forward."""
        rate, width, total = float(SAMPLE_RATE), 1, 0.0
        for dim, kernel, stride in zip(self.conv_dim, self.kernels, self.strides, strict=True):
            rate /= stride
            total += 2 * rate * width * dim * kernel
            width = dim
        return total

    @property
    def transformer_flops(self) -> float:
        """Floating-point operations of the transformer per second of audio, forward.

        Attention's quadratic part is left out: a tenth at 10 s, which the margin covers.
        """
        return 2 * self.frames_per_second * self.transformer_parameters

    @property
    def parameters(self) -> float:
        """Parameters of CNN and transformer, about."""
        widths = (1, *self.conv_dim)
        cnn = sum(
            before * after * kernel
            for before, after, kernel in zip(widths, self.conv_dim, self.kernels, strict=False)
        )
        return cnn + self.transformer_parameters

    @property
    def latents_mb(self) -> float:
        """Megabytes of latents per second of audio."""
        return self.latent_bytes * self.frames_per_second * self.conv_dim[-1] / 1e6

    @property
    def transformer_parameters(self) -> float:
        """Parameters of projection and transformer, biases and positions left out."""
        layer = 4 * self.hidden**2 + 2 * self.hidden * self.intermediate
        return float(self.layers * layer + self.conv_dim[-1] * self.hidden)


_CNN = ((512,) * 7, (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
BASE = Shape(*_CNN, hidden=768, layers=12, intermediate=3072)
LARGE = Shape(*_CNN, hidden=1024, layers=24, intermediate=4096)
#: Parts of a model's name that say it is of the large size.
_LARGE_NAMES = ("large", "xls-r", "xlsr")


def shape_of(backbone: Config) -> Shape:
    """Return the architecture of a backbone of the config.

    One that is not pre-trained here is taken for wav2vec2-base, or for wav2vec2-large where its
    name says so: its own config.json lies on the hub.
    """
    if "scratch" not in backbone:
        name = str(backbone.get("hub", backbone.get("folder", ""))).lower()
        return LARGE if any(part in name for part in _LARGE_NAMES) else BASE
    arch = backbone["scratch"]
    strides = tuple(arch["conv_stride"])
    dim = arch["conv_dim"]
    return Shape(
        conv_dim=(dim,) * len(strides) if isinstance(dim, int) else tuple(dim),
        kernels=tuple(arch["conv_kernel"]),
        strides=strides,
        hidden=arch["hidden_size"],
        layers=arch["layers"],
        intermediate=arch["intermediate_size"],
    )


@dataclass(frozen=True)
class Job:
    """One job as its rule's formula sees it: the resolved config and the job's wildcards."""

    config: Config
    wildcards: Wildcards

    def section(self, name: str, wildcard: str) -> Config:
        """Return the entry of a config section that one of the job's wildcards names."""
        entry: Config = self.config[name][self.wildcards[wildcard]]
        return entry

    @property
    def corpus(self) -> Speech:
        """The speech of the job's corpus."""
        return speech_of(self.config, self.wildcards["corpus"])

    @property
    def dataset(self) -> Speech:
        """The speech of the job's dataset."""
        return speech_in(self.config, self.wildcards["dataset"])

    @property
    def shape(self) -> Shape:
        """The architecture of the job's backbone."""
        shape = shape_of(self.section("backbones", "backbone"))
        return replace(shape, latent_bytes=4 if self.config.get("latents") == "float32" else 2)


#: Seconds that a training step on a single clip takes on a GPU at least, whatever its size.
GPU_CLIP_S = 0.05


@dataclass(frozen=True)
class Work:
    """What one job has to do, without any margin.

    flops: operations of a model; forward: those of them that no backward follows, where the others
    are training; seconds: what else takes time, on one CPU; single_clips: training steps on one
    clip at a time; mem_mb: what it holds besides the model; disk: bytes that it leaves in results/;
    shape: the model; trained_frames: frames of a training batch; on_gpu: False where this job has
    no use for a GPU though others of its rule have.
    """

    flops: float = 0.0
    forward: float = 0.0
    seconds: float = 0.0
    single_clips: float = 0.0
    mem_mb: float = 500.0
    disk: float = 10_000.0
    shape: Shape | None = None
    trained_frames: float = 0.0
    on_gpu: bool = True

    def model_seconds(self, training: float, scoring: float, on_gpu: bool) -> float:
        """Return the seconds of the model's part at these operations per second."""
        seconds = (self.flops - self.forward) / training + self.forward / scoring
        return seconds + (GPU_CLIP_S * self.single_clips if on_gpu else 0)
