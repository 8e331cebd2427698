"""One pass of TAPT over the clips against the Hugging Face recipe for pre-training wav2vec 2.0.

    python benchmarks/pretraining.py --data <folder with emodb and cremad>

The recipe is that of transformers' run_wav2vec2_pretraining_no_trainer.py: random batches padded to
the longest, masks and negatives drawn by transformers' own functions, its loss, gradient clipping.
Ours with wav2vec 2.0's objective does the same work; with the paper's Eq. 1 and 2 other work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from finetuning import padded
from harness import Figure, Setting, interleaved, main
from material import ARCHITECTURES, SAMPLE_RATE, Material, material
from transformers import Wav2Vec2ForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import (
    _compute_mask_indices,
    _sample_negative_indices,
)

from after_ser.learn.finetune.precision import has_bf16
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.train import measurable
from after_ser.model.families.conv_encoder import normalise

#: Clips and clips in a batch; the recipe's own is 8.
SIZES = {"toy": (8, 4), "small": (96, 16), "base": (24, 8)}
#: The recipe's probability of a span's start times length, and the share that this masks.
_MASK_TIME, _SPAN, _SHARE = 0.65, 10, 0.49
_SAME = "wav2vec 2.0's objective"


def measure(setting: Setting) -> Figure:
    """Measure every size."""
    figure = Figure("pretraining", "One pass of TAPT", "time of the Hugging Face recipe / time")
    for size in setting.sizes:
        clips, batch_size = SIZES[size]
        given = material(setting, size, clips)
        ways = {
            "Hugging Face recipe": _recipe(given, batch_size, setting),
            _SAME: _ours(given, size, batch_size, "wav2vec2", setting),
            "Eq. 1 + Eq. 2": _ours(given, size, batch_size, "eq1+eq2", setting),
        }
        if has_bf16(torch.device(setting.device)):
            ways[f"{_SAME}, bf16"] = _ours(given, size, batch_size, "wav2vec2", setting, "bf16")
        figure.add(size, interleaved(ways, setting.repeats), "Hugging Face recipe")
        figure.facts[size] = {
            "clips": clips,
            "batch_size": batch_size,
            "seconds_of_audio": round(given.seconds, 1),
        }
        figure.targets += [(size, name, 2.0) for name in ways if name.startswith(_SAME)]
    return figure


def _recipe(given: Material, batch_size: int, setting: Setting) -> Callable[[], None]:
    model: Any = Wav2Vec2ForPreTraining.from_pretrained(
        given.model, local_files_only=True, use_safetensors=True
    )
    model = model.train().to(setting.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
    masked = model.config.feat_extract_norm == "layer"
    waveforms = [normalise(waveform) for waveform in given.waveforms]
    order = np.random.default_rng(0).permutation(len(waveforms))

    def run() -> None:
        for at in range(0, len(order), batch_size):
            chosen = [waveforms[i] for i in order[at : at + batch_size]]
            inputs = padded(chosen, masked)
            length = int(model._get_feat_extract_output_lengths(inputs["input_values"].shape[1]))
            frames = None
            if masked:
                frames = model._get_feature_vector_attention_mask(length, inputs["attention_mask"])
            shape = (len(chosen), length)
            mask = _compute_mask_indices(shape, _MASK_TIME, _SPAN, attention_mask=frames)
            drawn = _sample_negative_indices(shape, model.config.num_negatives, mask)
            loss = model(
                **{name: value.to(setting.device) for name, value in inputs.items()},
                mask_time_indices=torch.from_numpy(mask).to(setting.device),
                sampled_negative_indices=torch.from_numpy(drawn).to(setting.device),
            ).loss / max(int(mask.sum()), 1)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            loss.item()

    return run


def _ours(
    given: Material,
    size: str,
    batch_size: int,
    objective: str,
    setting: Setting,
    precision: str = "fp32",
) -> Callable[[], None]:
    lengths = [len(waveform) / SAMPLE_RATE for waveform in given.waveforms]
    clips = [
        Clip(utt, str(given.manifest.parent / f"{utt}.wav"), length, utt)
        for utt, length in zip(given.utts, lengths, strict=True)
    ]
    settings = PretrainSettings(
        objective=objective,
        steps=100_000,
        seconds_per_step=max(max(lengths), batch_size * sum(lengths) / len(lengths)),
        crop_s=max(lengths),
        mask_share=_SHARE,
        mask_span=_SPAN,
        clip_norm=1.0,
        learning_rate=1e-5,
        precision=precision,
    )
    make, step, _ = measurable(
        ARCHITECTURES[size], clips, settings, setting.device, setting.threads
    )

    def run() -> None:
        number, heard = 0, 0
        while heard < len(clips):  # step numbers begin anew: every pass is the same
            batch = make(number)
            step(batch)
            number, heard = number + 1, heard + len(batch.utts)

    return run


if __name__ == "__main__":
    main(measure)
