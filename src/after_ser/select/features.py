"""What strategies are shown of the clips besides the scores in pool.tsv: one function each.

A function takes the `Inputs` of a query, and the options of its `Feature` as keywords. It returns
float64 rows for `inputs.pool`, or for `inputs.labelled` where the feature's name begins with
"labelled_". A strategy that needs something else of the model has such a function in its own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from after_ser.core.errors import InputError
from after_ser.learn.finetune.batches import Clips, collate, scoring_batches
from after_ser.learn.finetune.embeddings import Embedded, embed, mc_probabilities
from after_ser.learn.finetune.predict import frames_per_batch
from after_ser.learn.finetune.round import load_clips
from after_ser.model.classifier import Classifier, load_classifier
from after_ser.model.latents import INDEX, Latents
from after_ser.run.atomic import read_array, read_tsv
from after_ser.select.base import Floats
from after_ser.select.registry import Entry, known_options, load


class Inputs:
    """What a feature is computed from: names of clips, and the files that its entry reads.

    pool:       the unlabelled clips, sorted; labelled: those with a label, sorted. No label itself
                is among the inputs.
    seed_parts: name the query, for functions that draw at random (`core.seeding.rng`).
    """

    def __init__(
        self,
        pool: Sequence[str],
        labelled: Sequence[str],
        files: Mapping[str, Sequence[str | Path]],
        seed_parts: tuple[str | int, ...],
        device: torch.device,
    ) -> None:
        """`files`: the paths of each input that the strategy's features read, by its name."""
        self.pool, self.labelled = sorted(pool), sorted(labelled)
        self.seed_parts, self.device = seed_parts, device
        self._files = files

    def files(self, name: str) -> list[Path]:
        """Return the paths of an input; ValueError where no feature of the entry reads it."""
        if name not in self._files:
            raise ValueError(
                f"the feature reads {name}; expected it in `reads` of its registry entry"
            )
        return [Path(path) for path in self._files[name]]

    @cached_property
    def model(self) -> Classifier:
        """The model of the round before, on the device, in evaluation mode."""
        weights, config = self.files("model")
        return load_classifier(weights, config).to(self.device).eval()

    def clips(self, names: list[str]) -> Clips:
        """Return the latents of clips, which are what the model is given."""
        with Latents(self.files("latents")[0].parent) as store:
            return load_clips(store, names)

    def batches(self, clips: Clips) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
        """Yield (rows [B] of the clips, latents [B, T, D], lengths [B]) until each clip was there.

        Batches are as large as the device scores them; clips of about the same length share one.
        """
        for rows in scoring_batches(clips.lengths(), frames_per_batch(self.device)):
            yield rows, *collate([clips.frames[row] for row in rows], self.device)

    @cached_property
    def labelled_embedded(self) -> Embedded:
        """Embeddings and probabilities of the labelled clips, from one pass of the model."""
        return embed(self.model, self.clips(self.labelled), self.device)


def compute(entry: Entry, inputs: Inputs, options: Mapping[str, Any]) -> dict[str, Floats]:
    """Return the entry's features by name, without those of pool.tsv.

    Raises ValueError for a function that does not return a row for each clip.
    """
    features: dict[str, Floats] = {}
    for feature in entry.features:
        if not feature.function:
            continue
        values = load(feature.function)(inputs, **known_options(feature.options, options))
        labelled = feature.name.startswith("labelled_")
        clips = len(inputs.labelled if labelled else inputs.pool)
        if len(values) != clips:
            raise ValueError(
                f"{feature.function}: {len(values)} rows; expected one for each of {clips} clips"
            )
        features[feature.name] = values
    return features


def embeddings(inputs: Inputs) -> Floats:
    """Return what the linear layer of the head is given, [N, D]."""
    return embed(inputs.model, inputs.clips(inputs.pool), inputs.device).embeddings


def labelled_embeddings(inputs: Inputs) -> Floats:
    """Return the same of the labelled clips, [L, D]."""
    return inputs.labelled_embedded.embeddings


def labelled_probs(inputs: Inputs) -> Floats:
    """Return the model's probabilities for the labelled clips, [L, C]."""
    return inputs.labelled_embedded.probs


def mc_probs(inputs: Inputs, passes: int) -> Floats:
    """Return probabilities under dropout masks, each the same for the whole pool, [N, K, C]."""
    clips = inputs.clips(inputs.pool)
    return mc_probabilities(inputs.model, clips, passes, inputs.seed_parts, inputs.device)


def cnn_means(inputs: Inputs) -> Floats:
    """Return each clip's mean CNN latents of the pre-trained model, [N, D']."""
    with Latents(inputs.files("cnn_latents")[0].parent) as store:
        return store.means(inputs.pool).astype(np.float64)


def surprisal(inputs: Inputs, **_made_with: float) -> Floats:
    """Return the masked InfoNCE loss of the start model in T equal parts of time, [N, T].

    The file was made by `learn.tapt.surprisal`, with the options; an index.tsv of clips lies beside
    it. Raises InputError where the two do not fit.
    """
    file = inputs.files("surprisal")[0]
    index = list(read_tsv(file.parent / INDEX)["utt"])
    rows = read_array(file)
    if len(rows) != len(index):
        raise InputError(
            f"{file}: {len(rows)} rows for {len(index)} clips in {INDEX}; expected one each"
        )
    row_of = {utt: row for row, utt in enumerate(index)}
    chosen: Floats = rows[[row_of[utt] for utt in inputs.pool]].astype(np.float64)
    return chosen
