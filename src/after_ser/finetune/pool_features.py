"""Everything a strategy may need to see of the pool besides the scores in pool.tsv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from after_ser.acquisition.registry import OF_MODEL
from after_ser.backbone.latents import INDEX, Latents
from after_ser.errors import InputError
from after_ser.finetune.classifier import load_classifier
from after_ser.finetune.embeddings import embed, mc_probabilities
from after_ser.finetune.round import load_clips
from after_ser.runtime.atomic import read_array, read_tsv


def pool_features(
    needs: frozenset[str],
    pool: list[str],
    labelled: list[str],
    *,
    model: tuple[Path, Path] | None,
    latents: Path | None,
    cnn_latents: Path | None,
    surprisal: Path | None,
    passes: int,
    seed_parts: tuple[str | int, ...],
    device: torch.device,
) -> dict[str, np.ndarray]:
    """Return the fields of PoolView in `needs` but probs, rows in the order of `sorted(pool)`.

    pool, labelled: clips; no label is given. model: weights and config of the round before;
    latents: folder of its start's CNN outputs; cnn_latents: folder of the pre-trained model's;
    surprisal: file of `tapt.surprisal`, beside the index.tsv of its latents. What `needs` does
    not ask for may be None. `seed_parts` name the dropout masks, of which there are `passes`.
    """
    pool, labelled = sorted(pool), sorted(labelled)
    found: dict[str, np.ndarray] = {}
    if needs & OF_MODEL:
        if model is None or latents is None:
            raise ValueError("features of the model need its files and latents")
        classifier = load_classifier(*model).to(device)
        with Latents(latents) as store:
            unlabelled, known = load_clips(store, pool), load_clips(store, labelled)
        if "embeddings" in needs:
            found["embeddings"] = embed(classifier, unlabelled, device).embeddings
        if needs & {"labelled_probs", "labelled_embeddings"}:
            seen = embed(classifier, known, device)
            found |= {"labelled_probs": seen.probs, "labelled_embeddings": seen.embeddings}
        if "mc_probs" in needs:
            found["mc_probs"] = mc_probabilities(classifier, unlabelled, passes, seed_parts, device)
    if "cnn_means" in needs:
        if cnn_latents is None:
            raise ValueError("cnn_means need the pre-trained model's latents")
        with Latents(cnn_latents) as store:
            found["cnn_means"] = store.means(pool).astype(np.float64)
    if "surprisal" in needs:
        if surprisal is None:
            raise ValueError("surprisal needs its file")
        found["surprisal"] = _rows_of(pool, surprisal)
    return found


def _rows_of(pool: list[str], surprisal: Path) -> np.ndarray:
    index = list(read_tsv(surprisal.parent / INDEX)["utt"])
    rows = read_array(surprisal)
    if len(rows) != len(index):
        raise InputError(
            f"{surprisal}: {len(rows)} rows for {len(index)} clips in {INDEX}; expected one each"
        )
    where = {utt: row for row, utt in enumerate(index)}
    chosen: np.ndarray = rows[[where[utt] for utt in pool]].astype(np.float64)
    return chosen
