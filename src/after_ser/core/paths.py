"""Every path of a run, once: rules use the templates with wildcards, cells with values.

What no setting of a run can change is shared by all runs; the rest begins with the run's name. A
named setting is part of a path exactly where it matters. docs/results.md shows the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Paths:
    """The path templates of one run; fields in braces are Snakemake's wildcards."""

    corpus = "results/corpora/{corpus}"

    def __init__(self, run: str) -> None:
        """`run` is the run's name."""
        self.run = f"results/{run}"
        self.config = f"{self.run}/config.yaml"
        self.scores = f"{self.run}/scores.tsv"
        self.times = f"{self.run}/times.tsv"
        self.baseline_scores = f"{self.run}/baseline_scores.tsv"
        self.baseline_times = f"{self.run}/baseline_times.tsv"
        self.tables = f"{self.run}/tables"
        self.figures = f"{self.run}/figures"
        self.inside = self.run + "/inside/{dataset}/{arm}.html"
        self.logs = f"{self.run}/log"
        self.state = f"{self.run}/state"
        self.annotation = f"{self.run}/annotation"
        self.backbone = self.run + "/backbone/{backbone}"
        self.fewshot = self.run + "/fewshot/{backbone}"

        split = self.run + "/{split}"
        self.split_logs = f"{split}/log"
        self.split_state = f"{split}/state"

        self.dataset = split + "/datasets/{dataset}"
        self.manifest = f"{self.dataset}/manifest.tsv"
        self.injected = f"{self.dataset}/injected.tsv"
        self.of_fold = self.dataset + "/fold{fold}"  # .balance.tsv, .answers.json ...
        self.fold = f"{self.of_fold}.tsv"

        # {seed} is the TAPT run's, which several seeds of fine-tuning may share
        adapted = "{start}/{dataset}/fold{fold}/seed{seed}"
        self.tapt_run = "{backbone}/" + adapted
        self.tapt = f"{split}/tapt/{self.tapt_run}"
        self.tapt_latents = f"{split}/latents/{self.tapt_run}"
        self.pretrained_latents = split + "/latents/{backbone}/pretrained/{dataset}"
        self.ptapt_run = adapted
        self.ptapt = f"{split}/ptapt/{adapted}"

        self.baseline = split + "/baselines/{baseline}/{dataset}"
        self.baseline_features = f"{self.baseline}/features"
        self.baseline_fit = self.baseline + "/fold{fold}/seed{seed}"

        self.start = split + "/al/{protocol}/{backbone}/{start}"
        self.seed = self.start + "/{dataset}/fold{fold}/{init}/seed{seed}"
        self.round0 = f"{self.seed}/round0"
        self.round = self.seed + "/{strategy}/round{round}"


#: What rules write into a folder: an output's name to its file.
CHECKPOINT = {
    "config": "config.json",
    "weights": "model.safetensors",
    "preprocessor": "preprocessor_config.json",
}
LATENTS = {
    "latents": "latents.npy",
    "index": "index.tsv",
    "means": "means.npy",
    "timing": "timing.json",
}
FIT_FILES = {
    "metrics": "metrics.json",
    "predictions": "predictions.tsv",
    "pool": "pool.tsv",
    "history": "history.tsv",
    "timing": "timing.json",
    "weights": "model/model.safetensors",
    "config": "model/config.json",
}


def files_in(folder: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return the outputs of a rule that writes these files into a folder, by name."""
    return {name: f"{folder}/{file}" for name, file in names.items()}


def one_of(names: Iterable[str]) -> str:
    """Return a regular expression for a wildcard that is one of these names and nothing else."""
    return "|".join(names) or "(?!)"


#: The same with the run as one more field, for cells.
TEMPLATES = Paths("{run}")
