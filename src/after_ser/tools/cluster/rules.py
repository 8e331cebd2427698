"""Every rule that is submitted to a cluster: the work of its jobs and what they run on.

The one place for this: requests to a cluster and `make plan` both read RULES.
docs/running.md ("What jobs request") has the formulae in words and what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import ceil

from after_ser.model.shape import Shape
from after_ser.select.registry import STRATEGIES, options_of
from after_ser.studies.fewshot.grid import JOINT, selections
from after_ser.tools.cluster.work import Config, Job, Speech, Work, speech_of

#: Sustained operations per second. The GPU's is an assumption, half of what a V100 can do in fp32;
#: the CPU's was measured on one thread: 5.4e9 for TAPT and 5.8e9 for fits of the demo's backbone,
#: which is so small that overhead decides (wav2vec2-base reaches 59e9).
GPU_FLOPS = 8e12
CPU_FLOPS = 5e9
#: A process that has imported torch and transformers has 0.7 GB; CUDA adds up to 3 GB.
TORCH_MB = 1_500
CUDA_MB = 3_000
#: Backward costs twice what forward does.
TRAINING = 3
#: Early stopping: a fit ends after about so many times its patience.
EPOCHS_PER_PATIENCE = 3

#: FLAC of 16-bit speech is about half of its samples (0.55 for the demo's).
_FLAC = 0.55
#: Bytes of a row of predictions.tsv or pool.tsv: a name and four probabilities.
_ROW = 80.0
#: A float32 has 4 bytes; quantiser and projections of pre-training are a few per cent of a model.
_FLOAT, _PRETRAINING = 4.0, 1.02
#: Bytes of the tables and logs of a fit.
_TABLES = 100_000.0


class Gpus(Enum):
    """Which jobs of a rule ask for GPUs."""

    NONE = 0
    ALL_JOBS = 1
    SOME_JOBS = 2  # those whose Work says so
    SEVERAL = 3  # as many a job as `gpus_per_pretraining` says


#: The kinds of work that a calibration measures, by the field of tools.plan.calibration.Speeds.
TAPT, FIT, SCORE, CNN = "tapt", "fit", "score", "cnn"
#: What a job imports before its step begins: likewise.
TABLES, TORCH, TRANSFORMERS = "start_tables_s", "start_s", "start_transformers_s"


@dataclass(frozen=True)
class Rule:
    """What is known of a rule's jobs before they run.

    work: what one of them has to do; gpus: whether they use any; cpus: of a job, 0 for the config's
    `threads`; kind: what most of its operations are; imports: what it loads. A request is an upper
    bound: `used` is the share of its `seconds` that was used in the demo, `used_flops` that of its
    operations (one thread of an AMD EPYC; a baseline's depends on its size).
    """

    work: Callable[[Job], Work]
    gpus: Gpus = Gpus.NONE
    cpus: int = 1
    kind: str = SCORE
    imports: str = TABLES
    used: float = 1.0
    used_flops: float = 1.0


def _on_model(
    work: Callable[[Job], Work],
    kind: str,
    imports: str = TORCH,
    gpus: Gpus = Gpus.ALL_JOBS,
    used: float = 1.0,
) -> Rule:
    """Return a rule whose jobs run a model."""
    return Rule(work, gpus, 0, kind, imports, used)


def _epochs(settings: Config, most: str = "max_epochs", patience: str = "patience") -> int:
    """Return the epochs of a fit that may stop early."""
    limit: int = settings[most]
    if settings.get("restore") == "last":
        return limit
    return min(limit, EPOCHS_PER_PATIENCE * settings[patience])


def _synthesise(job: Job) -> Work:
    """A synthesiser in Python: slower than speech."""
    return Work(seconds=job.corpus.seconds, mem_mb=1000, disk=1e6 * job.corpus.samples_mb)


def _index(job: Job) -> Work:
    """Checksums of the files."""
    return Work(seconds=job.corpus.seconds / 60, mem_mb=1000)


def _convert(job: Job) -> Work:
    """Decoding and resampling."""
    speech = job.corpus
    return Work(seconds=speech.seconds / 30, mem_mb=2000, disk=_FLAC * 1e6 * speech.samples_mb)


def _table(job: Job) -> Work:
    """Reading and writing tables of a dataset's clips; near-duplicates are looked for."""
    clips = job.dataset.clips
    return Work(seconds=clips / 50, mem_mb=1000 + clips / 50)


def _inside(job: Job) -> Work:
    """Reading what every run of an arm picked and predicted, and a few clips of audio."""
    config = job.config
    rows = job.dataset.clips * len(config["folds"]) * len(config["seeds"])
    return Work(seconds=20 + rows * len(config["budget"]) / 50_000, mem_mb=1500 + rows / 1000)


def _checkpoint(shape: Shape) -> float:
    """Return the bytes of a checkpoint folder."""
    return _FLOAT * _PRETRAINING * shape.parameters


def _pretraining(settings: Config, shape: Shape) -> Work:
    seconds = settings["steps"] * settings["seconds_per_step"]
    # P-TAPT leaves the CNN as it is (learn.tapt.objectives.pseudo_labels)
    cnn = 1 if settings.get("objective") == "p-tapt" else TRAINING
    return Work(
        flops=(cnn * shape.cnn_flops + TRAINING * shape.transformer_flops) * seconds,
        mem_mb=2500,  # the cache of samples has 1.5 GB, a checkpoint in the making the rest
        disk=_checkpoint(shape),
        shape=shape,
        trained_frames=settings["seconds_per_step"]
        * shape.frames_per_second
        / settings["accumulation"],
    )


def _pretrain_backbone(job: Job) -> Work:
    return _pretraining(job.section("backbones", "backbone")["pretraining"], job.shape)


def _tapt(job: Job) -> Work:
    return _pretraining(job.section("tapt", "start"), job.shape)


#: Operations per second of audio of wav2vec (version 1) large, forward, and its width.
_WAV2VEC1_FLOPS = 9.6e9
_STATES_PER_S, _STATES_WIDTH = 50, 512


def _ptapt_states(job: Job) -> Work:
    settings = job.section("tapt", "start")["first_stage"]
    speech = job.dataset
    seconds = settings["steps"] * settings["batch_size"] * min(settings["crop_s"], speech.clip_s)
    return Work(
        flops=TRAINING * _WAV2VEC1_FLOPS * seconds,
        mem_mb=8000 + speech.samples_mb,
        disk=_FLOAT * _STATES_WIDTH * 100 * speech.seconds,
    )


def _ptapt_clusters(job: Job) -> Work:
    settings = job.section("tapt", "start")["first_stage"]
    speech = job.dataset
    frames = speech.seconds * _STATES_PER_S
    distances = 2 * frames * _STATES_WIDTH * sum(settings["clusters"]) * settings["iterations"]
    return Work(
        # K-means waits for memory: a fifth of the speed of training
        flops=_WAV2VEC1_FLOPS * speech.seconds + 5 * distances,
        mem_mb=6000 + speech.samples_mb + frames * _STATES_WIDTH * 4 / 1e6,
    )


def _extraction(shape: Shape, speech: Speech) -> Work:
    """The CNN once over all clips; they are decoded at some 100 times real time."""
    latents_mb = shape.latents_mb * speech.seconds
    return Work(
        flops=shape.cnn_flops * speech.seconds,
        seconds=speech.seconds / 100,
        # pages of the mapped latents that wait to be written count as the job's memory
        mem_mb=1000 + 0.5 * latents_mb,
        disk=1e6 * latents_mb + _FLOAT * speech.clips * shape.conv_dim[-1],
        shape=shape,
    )


def _latents(job: Job) -> Work:
    return _extraction(job.shape, job.dataset)


_SURPRISAL_BINS = 50


def _surprisal(job: Job) -> Work:
    shape, speech = job.shape, job.dataset
    options = options_of("alps", job.config["strategies"].get("alps", {}))
    return Work(
        flops=(1 + options["maskings"]) * shape.transformer_flops * speech.seconds,
        mem_mb=1000 + 0.5 * shape.latents_mb * speech.seconds,
        disk=_FLOAT * _SURPRISAL_BINS * speech.clips,
        shape=shape,
    )


def _initial_set(job: Job) -> Work:
    """K-means over the clips' means for every k: 19 s for 15,400 clips (docs/benchmarks.md)."""
    clips = job.dataset.clips
    return Work(seconds=clips / 100, mem_mb=1000 + clips / 10)


def _acquire_with_features(job: Job) -> Work:
    """The model over the pool, as often as MC dropout asks, then the choice itself."""
    name = job.wildcards["strategy"]
    speech = job.dataset
    choice = Work(seconds=speech.clips / 100, mem_mb=1000 + speech.clips / 10, on_gpu=False)
    if "model" not in STRATEGIES[name].reads:
        return choice
    options = options_of(name, job.config["strategies"].get(name, {}))
    passes = options.get("passes", 2)  # embeddings of the pool and of what is labelled
    shape = job.shape
    return replace(
        choice,
        flops=passes * shape.transformer_flops * speech.seconds,
        mem_mb=choice.mem_mb + shape.latents_mb * speech.seconds,
        shape=shape,
        on_gpu=True,
    )


def _fit_round(job: Job) -> Work:
    """Epochs over the labelled clips and val, then val, test and pool once; latents in memory."""
    config, protocol = job.config, job.section("protocols", "protocol")
    shape, speech = job.shape, job.dataset
    index = int(job.wildcards.get("round", 0)) + protocol["budget_shift"]
    fraction = config["budget"][min(index, len(config["budget"]) - 1)]
    train = speech.share(fraction).cropped(protocol["crop_s"])
    epochs = _epochs(protocol)
    if protocol["max_steps"]:
        steps = max(1, ceil(train.clips / protocol["batch_size"]))
        epochs = min(epochs, ceil(protocol["max_steps"] / steps))
    val = job.section("datasets", "dataset")["val"]["share"]
    scored = epochs * val * speech.seconds + speech.seconds
    crop_s = min(protocol["crop_s"], 1.5 * speech.clip_s)
    return Work(
        flops=shape.transformer_flops * (epochs * TRAINING * train.seconds + scored),
        forward=shape.transformer_flops * scored,
        mem_mb=1000 + shape.latents_mb * speech.seconds,
        disk=_FLOAT * shape.transformer_parameters + _ROW * speech.clips + _TABLES,
        shape=shape,
        trained_frames=protocol["batch_size"] * crop_s * shape.frames_per_second,
    )


def _robustness(job: Job) -> Work:
    """Every level of every perturbation on the test clips, which are perturbed on the CPU."""
    conditions = job.config["tables"].get("robustness", {}).get("conditions", {})
    levels = 1 + sum(map(len, conditions.values()))
    groups = job.section("datasets", "dataset")["folds"]["groups"]
    shape, test = job.shape, job.dataset.share(1 / groups)
    return Work(
        flops=levels * (shape.cnn_flops + shape.transformer_flops) * test.seconds,
        seconds=levels * test.seconds / 50,
        mem_mb=2000 + 2 * test.samples_mb,
        shape=shape,
    )


_FUNCTIONALS = 88


def _extract_features(job: Job) -> Work:
    """Functionals by openSMILE, at some 30 times real time."""
    speech = job.dataset
    return Work(
        seconds=speech.seconds / 30,
        mem_mb=2000 + speech.clips / 50,
        disk=2 * _FLOAT * _FUNCTIONALS * speech.clips,
    )


#: Seconds per hour of speech and epoch that a baseline trains, on a GPU: 800 times real time.
_BASELINE_EPOCH_S = 4.5
_OWN_METHOD_EPOCHS = 200


def _fit_baseline(job: Job) -> Work:
    """Epochs by the options of the method; one without any, such as an SVM, has no use for a GPU.

    A user's own method may do as it likes: it gets a GPU and the time of 200 epochs.
    """
    options = job.section("baselines", "baseline")
    speech = job.dataset
    if options["method"] == "egemaps_svm":
        return Work(seconds=speech.clips / 10, mem_mb=2000 + speech.clips / 5, on_gpu=False)
    epochs = 0
    for name in [name for name in options if name.endswith("epochs")]:
        patience = options.get(f"{name.removesuffix('epochs')}patience", 0)
        epochs += min(options[name], EPOCHS_PER_PATIENCE * patience) if patience else options[name]
    seconds = (epochs or _OWN_METHOD_EPOCHS) * _BASELINE_EPOCH_S * speech.seconds / 3600
    features_mb = speech.seconds * 100 * 128 * 4 / 1e6  # 128 bands of 10 ms
    return Work(
        flops=seconds * GPU_FLOPS / 20,
        seconds=seconds,
        mem_mb=TORCH_MB + CUDA_MB + 1000 + 2 * features_mb + speech.samples_mb,
    )


def _few_speech(job: Job, corpora: Sequence[str]) -> Speech:
    total = Speech(0, 0)
    for corpus in corpora:
        total = total + speech_of(job.config, corpus)
    return total.cropped(job.config["fewshot"]["longest_s"])


def _fewshot_latents(job: Job) -> Work:
    corpus = job.wildcards["corpus"]
    # a corpus that is target and source is heard once for each
    times = max(1, len(selections(job.config, corpus)))
    work = _extraction(job.shape, _few_speech(job, [corpus]).share(times))
    return replace(work, disk=1e6 * job.shape.latents_mb * job.corpus.seconds)


def _fewshot_prefinetune(job: Job) -> Work:
    study, shape = job.config["fewshot"], job.shape
    speech = _few_speech(job, job.wildcards["sources"].split(JOINT))
    epochs = _epochs(study["prefinetune"])
    batch = study["prefinetune"]["batch_size"]
    return Work(
        flops=TRAINING * epochs * shape.transformer_flops * speech.seconds,
        single_clips=epochs * speech.clips / batch,
        mem_mb=2000 + 0.5 * shape.latents_mb * speech.seconds,
        disk=_FLOAT * shape.transformer_parameters + _TABLES,
        shape=shape,
        trained_frames=batch * study["longest_s"] * shape.frames_per_second,
    )


#: Emotions of a target speaker; ESD has five.
_EMOTIONS = 5


def _fewshot_adapt(job: Job) -> Work:
    """A fit per emotion, trial and k, on k clips and with val clips scored after every epoch."""
    study, shape = job.config["fewshot"], job.shape
    settings, clips = study["adapt"], 0.0
    for k in study["k"]:
        names = ("few_epochs", "few_patience") if k <= settings["few"] else ()
        clips += _epochs(settings, *names) * (k + study["val_clips"] / TRAINING)
    clips *= _EMOTIONS * study["trials"]
    target = _few_speech(job, [study["target"]["corpus"]])
    return Work(
        flops=TRAINING * shape.transformer_flops * clips * study["longest_s"],
        single_clips=clips / settings["batch_size"],
        mem_mb=1000 + shape.latents_mb * target.share(0.2).seconds,
        shape=shape,
        trained_frames=settings["batch_size"] * study["longest_s"] * shape.frames_per_second,
    )


RULES = {
    "synthesise_corpus": Rule(_synthesise, used=0.013),
    "index_corpus": Rule(_index, used=0.02),
    "convert_corpus": Rule(_convert, cpus=2, used=0.1),
    "merge_corpora": Rule(_table, used=0.01),
    "inject_outliers": Rule(_table, used=0.02),
    "make_fold": Rule(_table, used=0.01),
    "audit_dataset": Rule(_table, used=0.02),
    "inside": Rule(_inside, used=0.15),
    "pretrain_backbone": _on_model(_pretrain_backbone, TAPT, TRANSFORMERS, Gpus.SEVERAL),
    "pretrained_latents": _on_model(_latents, CNN, TRANSFORMERS, used=0.15),
    "pretrained_surprisal": _on_model(_surprisal, SCORE, TRANSFORMERS),
    "tapt": _on_model(_tapt, TAPT, TRANSFORMERS, Gpus.SEVERAL),
    "ptapt_states": _on_model(_ptapt_states, TAPT, TRANSFORMERS),
    "ptapt_clusters": _on_model(_ptapt_clusters, SCORE),
    "initial_set": Rule(_initial_set, used=0.1),
    "acquire_with_features": _on_model(
        _acquire_with_features, SCORE, gpus=Gpus.SOME_JOBS, used=0.1
    ),
    "fit_round": _on_model(_fit_round, FIT),
    "robustness": _on_model(_robustness, SCORE, TRANSFORMERS, used=0.3),
    "extract_features": Rule(_extract_features, cpus=0, used=0.45),
    "fit_baseline": Rule(_fit_baseline, Gpus.SOME_JOBS, 0, FIT, TORCH, 0.01, 0.01),
    "fewshot_latents": _on_model(_fewshot_latents, CNN, TRANSFORMERS),
    "fewshot_prefinetune": _on_model(_fewshot_prefinetune, FIT),
    "fewshot_adapt": _on_model(_fewshot_adapt, FIT),
}
#: Rules whose jobs are those of another one with other inputs (`use rule`).
SAME_WORK = {
    "fit_round0": "fit_round",
    "ptapt": "tapt",
    "tapt_latents": "pretrained_latents",
    "tapt_surprisal": "pretrained_surprisal",
    "merge_own_corpora": "merge_corpora",
    "ask_initial_set": "initial_set",
    "ask_with_features": "acquire_with_features",
}


def _materialise_backbone(job: Job) -> Work:
    return Work(disk=_checkpoint(job.shape))


#: Rules that run where Snakemake runs and leave more than tables.
LOCAL_RULES = {"materialise_backbone": Rule(_materialise_backbone)}


def rule_of(name: str) -> Rule:
    """Return what is known of a rule; one that is not listed reads and writes a few tables."""
    name = SAME_WORK.get(name, name)
    return RULES.get(name) or LOCAL_RULES.get(name) or Rule(lambda job: Work())
