"""The work of each rule's jobs: operations of a model, other seconds, and memory besides the model.

docs/architecture.md ("What jobs ask for") has the formulae in words and what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Protocol

from after_ser.acquisition.registry import STRATEGIES
from after_ser.cluster.work import Shape, Speech, shape_of, speech_of
from after_ser.fewshot.grid import JOINT, selections

Config = dict[str, Any]
Wildcards = Mapping[str, str]


class Sizes(Protocol):
    """What an estimate asks about a config: the speech and the model of a job's wildcards."""

    config: Config

    def dataset(self, wildcards: Wildcards) -> Speech:
        """Return the speech of the wildcard's dataset."""

    def shape(self, wildcards: Wildcards) -> Shape:
        """Return the architecture of the wildcard's backbone."""


#: Sustained operations per second. The GPU's is an assumption, half of what a V100 can do in fp32;
#: the CPU's was measured on one thread: 5.4e9 for TAPT and 5.8e9 for fits of the demo's backbone,
#: which is so small that overhead decides (wav2vec2-base reaches 59e9).
GPU_FLOPS = 8e12
CPU_FLOPS = 5e9
#: A step on one clip costs a GPU at least this, whatever its size.
GPU_CLIP_S = 0.05
#: A process that has imported torch and transformers has 0.7 GB; CUDA adds up to 3 GB.
TORCH_MB = 1_500
CUDA_MB = 3_000
#: Backward costs twice what forward does.
TRAINING = 3
#: Early stopping: a fit ends after about so many times its patience.
EPOCHS_PER_PATIENCE = 3


@dataclass(frozen=True)
class Estimate:
    """The work of one job.

    flops: operations of a model; seconds: what else takes time, on one CPU; mem_mb: what it holds
    besides the model; shape: the model; trained_frames: frames of a training batch;
    single_clips: training steps on one clip at a time; on_gpu: False where this job has no use
    for one; forward: those of the operations that no backward follows, where some have one.
    """

    flops: float = 0.0
    seconds: float = 0.0
    mem_mb: float = 500.0
    shape: Shape | None = None
    trained_frames: float = 0.0
    single_clips: float = 0.0
    on_gpu: bool = True
    forward: float = 0.0


def _corpus(seconds_per_hour: float, mem_mb: float) -> Callable[[Sizes, Wildcards], Estimate]:
    def estimate(sizes: Sizes, wildcards: Wildcards) -> Estimate:
        speech = speech_of(sizes.config, wildcards["corpus"])
        return Estimate(seconds=seconds_per_hour * speech.seconds / 3600, mem_mb=mem_mb)

    return estimate


def _table(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """Reading and writing tables of a dataset's clips; near-duplicates are looked for."""
    clips = sizes.dataset(wildcards).clips
    return Estimate(seconds=clips / 50, mem_mb=1000 + clips / 50)


def _inside(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """Reading what every run of an arm picked and predicted, and a few clips of audio."""
    config = sizes.config
    rows = sizes.dataset(wildcards).clips * len(config["folds"]) * len(config["seeds"])
    return Estimate(seconds=20 + rows * len(config["budget"]) / 50_000, mem_mb=1500 + rows / 1000)


def _pretraining(settings: Config, shape: Shape) -> Estimate:
    seconds = settings["steps"] * settings["seconds_per_step"]
    # P-TAPT leaves the CNN as it is (tapt.objectives.pseudo_labels)
    cnn = 1 if settings.get("objective") == "p-tapt" else TRAINING
    return Estimate(
        flops=(cnn * shape.cnn_flops + TRAINING * shape.transformer_flops) * seconds,
        mem_mb=2500,  # the cache of samples has 1.5 GB, a checkpoint in the making the rest
        shape=shape,
        trained_frames=settings["seconds_per_step"]
        * shape.frames_per_second
        / settings["accumulation"],
    )


def _pretrain_backbone(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    backbone = sizes.config["backbones"][wildcards["backbone"]]
    return _pretraining(backbone["pretraining"], shape_of(backbone))


def _tapt(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    return _pretraining(sizes.config["tapt"][wildcards["start"]], sizes.shape(wildcards))


#: Operations per second of audio of wav2vec (version 1) large, forward, and its width.
_WAV2VEC1_FLOPS = 9.6e9
_STATES_PER_S, _STATES_WIDTH = 50, 512


def _ptapt_states(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    settings = sizes.config["tapt"][wildcards["start"]]["first_stage"]
    speech = sizes.dataset(wildcards)
    crop_s = min(settings["crop_s"], speech.seconds / max(speech.clips, 1))
    seconds = settings["steps"] * settings["batch_size"] * crop_s
    return Estimate(
        flops=TRAINING * _WAV2VEC1_FLOPS * seconds,
        mem_mb=8000 + _samples_mb(speech),
    )


def _ptapt_clusters(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    settings = sizes.config["tapt"][wildcards["start"]]["first_stage"]
    speech = sizes.dataset(wildcards)
    frames = speech.seconds * _STATES_PER_S
    distances = 2 * frames * _STATES_WIDTH * sum(settings["clusters"]) * settings["iterations"]
    return Estimate(
        # K-means waits for memory: a fifth of the speed of training
        flops=_WAV2VEC1_FLOPS * speech.seconds + 5 * distances,
        mem_mb=6000 + _samples_mb(speech) + frames * _STATES_WIDTH * 4 / 1e6,
    )


def _samples_mb(speech: Speech) -> float:
    return speech.seconds * 16_000 * 2 / 1e6


def _extraction(shape: Shape, speech: Speech) -> Estimate:
    """The CNN once over all clips; they are decoded at some 100 times real time."""
    return Estimate(
        flops=shape.cnn_flops * speech.seconds,
        seconds=speech.seconds / 100,
        # pages of the mapped latents that wait to be written count as the job's memory
        mem_mb=1000 + 0.5 * shape.latents_mb * speech.seconds,
        shape=shape,
    )


def _latents(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    return _extraction(sizes.shape(wildcards), sizes.dataset(wildcards))


def _surprisal(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    shape, speech = sizes.shape(wildcards), sizes.dataset(wildcards)
    options = {
        **STRATEGIES["alps"].feature_options,
        **sizes.config["strategies"].get("alps", {}),
    }
    return Estimate(
        flops=(1 + options["maskings"]) * shape.transformer_flops * speech.seconds,
        mem_mb=1000 + 0.5 * shape.latents_mb * speech.seconds,
        shape=shape,
    )


def _initial_set(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """K-means over the clips' means for every k: 19 s for 15,400 clips (docs/benchmarks.md)."""
    clips = sizes.dataset(wildcards).clips
    return Estimate(seconds=clips / 100, mem_mb=1000 + clips / 10)


def _acquire_with_features(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """The model over the pool, as often as MC dropout asks, then the choice itself."""
    known = STRATEGIES[wildcards["strategy"]]
    speech, shape = sizes.dataset(wildcards), sizes.shape(wildcards)
    choice = Estimate(seconds=speech.clips / 100, mem_mb=1000 + speech.clips / 10, on_gpu=False)
    if not known.of_model:
        return choice
    own = sizes.config["strategies"].get(wildcards["strategy"], {})
    options = {**known.options, **known.feature_options, **own}
    passes = options.get("passes", 2)  # embeddings of the pool and of what is labelled
    return replace(
        choice,
        flops=passes * shape.transformer_flops * speech.seconds,
        mem_mb=choice.mem_mb + shape.latents_mb * speech.seconds,
        shape=shape,
        on_gpu=True,
    )


def _fit(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """Epochs over the labelled clips and val, then val, test and pool once; latents in memory."""
    config = sizes.config
    protocol = config["protocols"][wildcards["protocol"]]
    shape, speech = sizes.shape(wildcards), sizes.dataset(wildcards)
    index = int(wildcards.get("round", 0)) + protocol["budget_shift"]
    fraction = config["budget"][min(index, len(config["budget"]) - 1)]
    train = speech.share(fraction).cropped(protocol["crop_s"])
    epochs = _epochs(protocol)
    if protocol["max_steps"]:
        steps = max(1, ceil(train.clips / protocol["batch_size"]))
        epochs = min(epochs, ceil(protocol["max_steps"] / steps))
    val = config["datasets"][wildcards["dataset"]]["val"]["share"]
    scored = epochs * val * speech.seconds + speech.seconds
    crop_s = min(protocol["crop_s"], 1.5 * speech.seconds / max(speech.clips, 1))
    return Estimate(
        flops=shape.transformer_flops * (epochs * TRAINING * train.seconds + scored),
        forward=shape.transformer_flops * scored,
        mem_mb=1000 + shape.latents_mb * speech.seconds,
        shape=shape,
        trained_frames=protocol["batch_size"] * crop_s * shape.frames_per_second,
    )


def _epochs(settings: Config) -> int:
    most: int = settings["max_epochs"]
    if settings.get("restore") == "last":
        return most
    return min(most, EPOCHS_PER_PATIENCE * settings["patience"])


def _robustness(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """Every level of every perturbation on the test clips, which are perturbed on the CPU."""
    conditions = sizes.config["tables"].get("robustness", {}).get("conditions", {})
    levels = 1 + sum(len(one) for one in conditions.values())
    groups = sizes.config["datasets"][wildcards["dataset"]]["folds"]["groups"]
    shape, test = sizes.shape(wildcards), sizes.dataset(wildcards).share(1 / groups)
    return Estimate(
        flops=levels * (shape.cnn_flops + shape.transformer_flops) * test.seconds,
        seconds=levels * test.seconds / 50,
        mem_mb=2000 + 2 * _samples_mb(test),
        shape=shape,
    )


def _extract_features(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """Functionals by openSMILE, at some 30 times real time."""
    speech = sizes.dataset(wildcards)
    return Estimate(seconds=speech.seconds / 30, mem_mb=2000 + speech.clips / 50)


#: Seconds per hour of speech and epoch that a baseline trains, on a GPU: 800 times real time.
_BASELINE_EPOCH_S = 4.5
_OWN_METHOD_EPOCHS = 200


def _fit_baseline(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """Epochs by the options of the method; one without any, such as an SVM, has no use for a GPU.

    A user's own method may do as it likes: it gets a GPU and the time of 200 epochs.
    """
    options = sizes.config["baselines"][wildcards["baseline"]]
    speech = sizes.dataset(wildcards)
    features_mb = speech.seconds * 100 * 128 * 4 / 1e6  # 128 bands of 10 ms
    known = options["method"] == "egemaps_svm"
    if known:
        return Estimate(seconds=speech.clips / 10, mem_mb=2000 + speech.clips / 5, on_gpu=False)
    epochs = 0
    for name in [name for name in options if name.endswith("epochs")]:
        patience = options.get(f"{name.removesuffix('epochs')}patience", 0)
        most = options[name]
        epochs += min(most, EPOCHS_PER_PATIENCE * patience) if patience else most
    epochs = epochs or _OWN_METHOD_EPOCHS
    return Estimate(
        flops=epochs * _BASELINE_EPOCH_S * speech.seconds / 3600 * GPU_FLOPS / 20,
        seconds=epochs * _BASELINE_EPOCH_S * speech.seconds / 3600,
        mem_mb=TORCH_MB + CUDA_MB + 1000 + 2 * features_mb + _samples_mb(speech),
    )


def _few_speech(sizes: Sizes, corpora: Sequence[str]) -> Speech:
    found = Speech(0, 0)
    for corpus in corpora:
        found = found + speech_of(sizes.config, corpus)
    return found.cropped(sizes.config["fewshot"]["longest_s"])


def _fewshot_latents(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    # a corpus that is target and source is heard once for each
    times = max(1, len(selections(sizes.config, wildcards["corpus"])))
    speech = _few_speech(sizes, [wildcards["corpus"]]).share(times)
    return _extraction(sizes.shape(wildcards), speech)


def _fewshot_prefinetune(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    study, shape = sizes.config["fewshot"], sizes.shape(wildcards)
    speech = _few_speech(sizes, wildcards["sources"].split(JOINT))
    epochs = _epochs(study["prefinetune"])
    batch = study["prefinetune"]["batch_size"]
    return Estimate(
        flops=TRAINING * epochs * shape.transformer_flops * speech.seconds,
        single_clips=epochs * speech.clips / batch,
        mem_mb=2000 + 0.5 * shape.latents_mb * speech.seconds,
        shape=shape,
        trained_frames=batch * study["longest_s"] * shape.frames_per_second,
    )


#: Emotions of a target speaker; ESD has five.
_EMOTIONS = 5


def _fewshot_adapt(sizes: Sizes, wildcards: Wildcards) -> Estimate:
    """A fit per emotion, trial and k, on k clips and with val clips scored after every epoch."""
    study, shape = sizes.config["fewshot"], sizes.shape(wildcards)
    settings, clips = study["adapt"], 0.0
    for k in study["k"]:
        few = k <= settings["few"]
        names = ("few_epochs", "few_patience") if few else ("max_epochs", "patience")
        most, patience = (settings[name] for name in names)
        epochs = min(most, EPOCHS_PER_PATIENCE * patience)
        clips += epochs * (k + study["val_clips"] / TRAINING)
    clips *= _EMOTIONS * study["trials"]
    target = _few_speech(sizes, [study["target"]["corpus"]])
    return Estimate(
        flops=TRAINING * shape.transformer_flops * clips * study["longest_s"],
        single_clips=clips / settings["batch_size"],
        mem_mb=1000 + shape.latents_mb * target.share(0.2).seconds,
        shape=shape,
        trained_frames=settings["batch_size"] * study["longest_s"] * shape.frames_per_second,
    )


#: Every rule that is submitted to a cluster. Seconds per hour of speech for corpora: a synthesiser
#: in Python, checksums of the files, decoding and resampling.


ESTIMATES: dict[str, Callable[[Sizes, Wildcards], Estimate]] = {
    "synthesise_corpus": _corpus(3600, 1000),
    "index_corpus": _corpus(60, 1000),
    "convert_corpus": _corpus(120, 2000),
    "merge_corpora": _table,
    "inject_outliers": _table,
    "make_fold": _table,
    "audit_dataset": _table,
    "inside": _inside,
    "pretrain_backbone": _pretrain_backbone,
    "pretrained_latents": _latents,
    "pretrained_surprisal": _surprisal,
    "tapt": _tapt,
    "ptapt_states": _ptapt_states,
    "ptapt_clusters": _ptapt_clusters,
    "initial_set": _initial_set,
    "acquire_with_features": _acquire_with_features,
    "fit_round": _fit,
    "robustness": _robustness,
    "extract_features": _extract_features,
    "fit_baseline": _fit_baseline,
    "fewshot_latents": _fewshot_latents,
    "fewshot_prefinetune": _fewshot_prefinetune,
    "fewshot_adapt": _fewshot_adapt,
}
#: Rules whose jobs are those of another one with other inputs (`use rule`).
SAME_WORK = {
    "fit_round0": "fit_round",
    "tapt_latents": "pretrained_latents",
    "tapt_surprisal": "pretrained_surprisal",
    "ptapt": "tapt",
    "merge_own_corpora": "merge_corpora",
    "ask_initial_set": "initial_set",
    "ask_with_features": "acquire_with_features",
}
