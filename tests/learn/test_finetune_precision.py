"""bfloat16 against float32: asked for, refused where it is not there, off by roundings alone."""

import pandas as pd
import pytest
import torch
from finetune_clips import CLASSES, CPU, SETTINGS, labels, random_clips, write_latents, write_start

from after_ser.core.errors import InputError
from after_ser.learn.finetune import precision
from after_ser.learn.finetune.batches import collate
from after_ser.learn.finetune.precision import uses_bf16
from after_ser.learn.finetune.round import Split, run_round
from after_ser.learn.finetune.train import add_gradients
from after_ser.model.classifier import start_classifier
from after_ser.model.latents import Latents

HEAD = "mean-relu-linear"


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
    )
    return model, fit, frames


#: bfloat16 keeps 8 bits, so each rounding is off by at most 2^-8 of the value. On the way from
#: latents to logits there are ten products and activations (projection, positions, queries, keys,
#: values, scores, attended values, output, and the two of the feed-forward part), and each rounds
#: two operands and a result. The head and the sums are float32. The way back is twice as long.
FORWARD = 10 * 3 * 2**-8
BACKWARD = 2 * FORWARD


@pytest.mark.parametrize("group_norm", [False, True])
def test_one_pass_in_bf16_is_off_by_its_roundings_at_most(tmp_path, group_norm):
    model = start_classifier(write_start(tmp_path / "start", group_norm), CLASSES, HEAD, seed=1)
    model.eval()  # no dropout
    clips = random_clips(16)
    latents, sizes = collate(clips.frames, CPU)
    logits, gradients, computed_in = [], [], []
    inside = model.transformer.layers[0].attention.q_proj
    inside.register_forward_hook(lambda module, given, found: computed_in.append(found.dtype))
    for model.bf16 in (False, True):
        with torch.no_grad():
            logits.append(model(latents, sizes))
        model.zero_grad()
        add_gradients(model, clips.frames, torch.arange(16) % 4, torch.ones(4), CPU)
        trained = [p.grad for p in model.parameters() if p.requires_grad]
        assert all(gradient.dtype == torch.float32 for gradient in trained)
        gradients.append(torch.cat([gradient.flatten() for gradient in trained]))
    assert set(computed_in[: len(computed_in) // 2]) == {torch.float32}
    assert set(computed_in[len(computed_in) // 2 :]) == {torch.bfloat16}
    assert 0 < apart(*logits) < FORWARD
    assert 0 < apart(*gradients) < BACKWARD
    rounded = logits[1].to(torch.bfloat16).float()
    assert (rounded != logits[1]).float().mean() > 0.5, "scores are not rounded to bfloat16"


def apart(exact, other):
    """The distance of two tensors as a share of the first one's length."""
    return float((other - exact).norm() / exact.norm())


def test_a_fit_computes_as_its_settings_say_and_keeps_float32_weights(tmp_path, monkeypatch):
    write_start(tmp_path / "start")
    plain, _, exact = fitted(tmp_path, monkeypatch, precision="fp32")
    _, _, automatic = fitted(tmp_path, monkeypatch)
    model, _, rounded = fitted(tmp_path, monkeypatch, precision="bf16")
    assert not plain.bf16 and model.bf16
    for name in ("val", "test", "pool"):
        pd.testing.assert_frame_equal(automatic[name], exact[name], check_exact=True)
        assert not rounded[name].equals(exact[name])
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
