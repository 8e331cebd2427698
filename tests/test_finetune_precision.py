"""bfloat16 against float32: asked for, refused where it is not there, and close where it is."""

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_clips import CLASSES, CPU, SETTINGS, labels, random_clips, write_latents, write_start

from after_ser.backbone.latents import Latents
from after_ser.errors import InputError
from after_ser.evaluation.metrics import score
from after_ser.finetune import precision
from after_ser.finetune.precision import uses_bf16
from after_ser.finetune.round import Split, run_round


def test_auto_is_bf16_on_gpus_alone(monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    gpu = torch.device("cuda")
    assert [uses_bf16(name, CPU) for name in precision.PRECISIONS] == [False, False, True]
    assert [uses_bf16(name, gpu) for name in precision.PRECISIONS] == [True, False, True]
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert not uses_bf16("auto", gpu)
    with pytest.raises(InputError, match="precision: bf16") as caught:
        uses_bf16("bf16", CPU)
    assert "\n" not in str(caught.value)


def fitted(folder, monkeypatch, **settings):
    """One round on clips whose classes differ; emulated bfloat16 has the same numbers."""
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    clips = random_clips(40)
    truth = dict(zip(clips.utts, labels(40), strict=True))
    train, val, test = clips.utts[:24], clips.utts[24:32], clips.utts[32:]
    known = train[:12]
    model, fit, frames = run_round(
        split=Split(train, val, test, {utt: truth[utt] for utt in val + test}),
        labelled=pd.DataFrame({"utt": known, "label": [truth[utt] for utt in known]}),
        latents=Latents(write_latents(folder / "latents", clips)),
        start=folder / "start",
        previous=None,
        classes=CLASSES,
        settings={**SETTINGS, **settings},
        head_seed=1,
        seed_parts=("test",),
        device=CPU,
        score=score,
    )
    return model, fit, frames


def test_bf16_and_fp32_agree_within_its_eight_bits(tmp_path, monkeypatch):
    write_start(tmp_path / "start")
    _, plain, exact = fitted(tmp_path, monkeypatch, precision="fp32")
    _, _, automatic = fitted(tmp_path, monkeypatch)
    model, half, rounded = fitted(tmp_path, monkeypatch, precision="bf16")
    for name in ("val", "test", "pool"):
        columns = [column for column in exact[name] if column != "utt"]
        a, b = (frames[name][columns].to_numpy() for frames in (exact, rounded))
        assert (automatic[name][columns].to_numpy() == a).all(), "auto is fp32 on a CPU"
        assert 0 < np.abs(a - b).max() < 0.05
        assert (a.argmax(1) == b.argmax(1)).mean() >= 0.75
        assert len(np.unique(b[:, 0])) == len(b), "scores are not rounded to bfloat16"
    np.testing.assert_allclose(half.history["val_loss"], plain.history["val_loss"], atol=0.05)
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
