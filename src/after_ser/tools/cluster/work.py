"""How much work a job is: speech by corpus, the size of its model, operations, memory and disk.

Nothing is looked up on disk: planning needs no data, and every cluster job reads the Snakefile
three times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.registry import family_named
from after_ser.model.shape import Shape

Config = dict[str, Any]
Wildcards = Mapping[str, str]


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
    "tess": (2800, 1.6),
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


def shape_of(backbone: Config) -> Shape:
    """Return the size of a backbone of the config, as its family takes it to be."""
    return family_named(backbone).shape(backbone)


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
