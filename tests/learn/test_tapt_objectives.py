"""Eq. 1 and Eq. 2 against plain numpy, wav2vec 2.0's own against transformers."""

import numpy as np
import pytest
import torch
from selfsupervised_clips import ARCH, GROUP_NORM, around, settings

from after_ser.core.errors import InputError
from after_ser.learn.tapt.batches import Batches
from after_ser.learn.tapt.forward import masked_forward
from after_ser.learn.tapt.masked_batch import MaskedBatch
from after_ser.learn.tapt.masking import sample_negatives
from after_ser.learn.tapt.objectives.base import ModelOutput, hard_perplexity, soft_perplexity
from after_ser.learn.tapt.objectives.registry import build_objective, check_objective
from after_ser.model.families.conv_encoder import normalise
from after_ser.model.geometry import Geometry
from after_ser.model.scratch import build_scratch


def toy_batch(frames=(12, 7), samples=None, seed=0):
    generator = np.random.default_rng(seed)
    total = max(frames)
    valid = np.arange(total)[None, :] < np.array(frames)[:, None]
    mask = valid & (generator.uniform(size=valid.shape) < 0.4)
    mask[:, 1] = mask[:, 3] = True
    waveforms = generator.normal(size=(len(frames), samples or 1)).astype(np.float32)
    return MaskedBatch(
        utts=("a", "b"),
        waveforms=torch.from_numpy(waveforms),
        valid=torch.from_numpy(valid),
        mask=torch.from_numpy(mask),
        mask_array=mask,
        seed=("test", seed),
    )


def toy_output(batch, groups=2, codes=5, width=6, hidden=16):
    generator = torch.Generator().manual_seed(1)
    shape = tuple(batch.valid.shape)
    logits = torch.randn(*shape, groups, codes, generator=generator)
    return ModelOutput(
        context=torch.randn(*shape, width, generator=generator, requires_grad=True),
        quantised=torch.randn(*shape, width, generator=generator, requires_grad=True),
        hidden=torch.randn(*shape, hidden, generator=generator, requires_grad=True),
        code_logits=logits,
        codes=logits.argmax(-1),
    )


def objective(name, **kwargs):
    model = around(build_scratch({**ARCH, "codevectors": 5}, 0))
    return build_objective(name, model, 0, **kwargs)


@pytest.mark.parametrize("kappa", [0.1, 0.5])
def test_eq1_equals_the_printed_formula(kappa):
    batch = toy_batch()
    output = toy_output(batch)
    losses = []
    for b in range(2):
        frames = np.flatnonzero(batch.valid[b])
        c, q = output.context[b].detach().numpy(), output.quantised[b].detach().numpy()
        for i in np.flatnonzero(batch.mask[b]):
            sim = [c[i] @ q[j] / np.linalg.norm(c[i]) / np.linalg.norm(q[j]) for j in frames]
            powers = np.exp(np.array(sim) / kappa)
            losses.append(-np.log(powers[list(frames).index(i)] / powers.sum()))
    value, parts = objective("eq1", temperature=kappa).loss(output, batch)
    assert float(value.detach()) == pytest.approx(np.mean(losses), rel=1e-5)
    assert list(parts) == ["eq1"]


def test_eq1_does_not_see_padding():
    batch = toy_batch()
    output = toy_output(batch)
    before, _ = objective("eq1").loss(output, batch)
    with torch.no_grad():
        output.quantised[~batch.valid] = 100.0
        output.context[~batch.valid] = -100.0
    after, _ = objective("eq1").loss(output, batch)
    assert torch.equal(before, after)


def test_eq2_equals_the_printed_formula():
    batch = toy_batch()
    output = toy_output(batch)
    eq2 = objective("eq2")
    weight, bias = eq2.head.weight.detach().numpy(), eq2.head.bias.detach().numpy()
    losses = []
    for b, t in zip(*np.nonzero(batch.mask_array), strict=True):
        scores = (weight @ output.hidden[b, t].detach().numpy() + bias).reshape(2, 5)
        for group in range(2):
            predicted = np.exp(scores[group]) / np.exp(scores[group]).sum()
            losses.append(-np.log(predicted[output.codes[b, t, group]]))
    value, parts = eq2.loss(output, batch)
    masked = batch.mask_array.sum()
    assert float(value.detach()) == pytest.approx(np.sum(losses) / masked, rel=1e-5)
    assert list(parts) == ["eq2", "eq2_accuracy"]


def test_eq2_gives_the_code_book_no_gradient():
    model = build_scratch(ARCH, 0).train()
    batch = real_batch(model)
    eq2 = build_objective("eq2", around(model), 0)
    eq2.loss(masked_forward(around(model), batch), batch)[0].backward()
    assert model.quantizer.weight_proj.weight.grad is None
    assert model.quantizer.codevectors.grad is None
    assert eq2.head.weight.grad.abs().sum() > 0
    assert model.wav2vec2.masked_spec_embed.grad.abs().sum() > 0


def test_eq3_is_the_sum():
    batch = toy_batch()
    output = toy_output(batch)
    both, parts = objective("eq1+eq2").loss(output, batch)
    assert float(both.detach()) == pytest.approx(float(parts["eq1"] + parts["eq2"]))
    alone, _ = objective("eq1").loss(output, batch)
    assert float(parts["eq1"]) == float(alone.detach())


@pytest.mark.parametrize("name", ["eq3", "", "eq1+eq1", "wav2vec"])
def test_unknown_objectives_are_refused(name):
    with pytest.raises(InputError, match="objective"):
        check_objective(name)


def test_perplexities():
    batch = toy_batch()
    logits = torch.full((2, 12, 2, 5), -30.0)
    logits[..., 2] = 30.0
    collapsed = logits.argmax(-1)
    assert float(soft_perplexity(logits, batch.mask)) == pytest.approx(2.0)
    assert float(hard_perplexity(collapsed, batch.mask, 5)) == pytest.approx(2.0)
    assert float(soft_perplexity(torch.zeros(2, 12, 2, 5), batch.mask)) == pytest.approx(10.0)


def real_batch(model, seconds=(0.9, 0.6)):
    geometry = Geometry.of(model.config)
    samples = [int(value * 16_000) for value in seconds]
    batch = toy_batch(tuple(geometry.frames(n) for n in samples), max(samples))
    batch.waveforms[1, samples[1] :] = 0
    return batch


@pytest.mark.parametrize("arch", [ARCH, GROUP_NORM], ids=["layer norm", "group norm"])
@pytest.mark.parametrize("training", [False, True])
def test_forward_and_own_loss_equal_transformers(arch, training):
    """Equal clips lengths, so that transformers needs no attention mask in either case."""
    model = build_scratch({**arch, "dropout": 0.0, "attention_dropout": 0.0,
                           "activation_dropout": 0.0}, 0).train(training)  # fmt: skip
    batch = real_batch(model, (0.9, 0.9))
    own = build_objective("wav2vec2", around(model), 0)
    flat = np.zeros((*batch.mask.shape, own.negatives), dtype=np.int64)
    flat[batch.mask_array] = sample_negatives(
        batch.mask_array, own.negatives, *batch.seed, "negatives"
    )
    torch.manual_seed(5)
    theirs = model(
        batch.waveforms,
        mask_time_indices=batch.mask,
        sampled_negative_indices=torch.from_numpy(flat),
    )
    torch.manual_seed(5)
    output = masked_forward(around(model), batch, temperature=2.0)
    torch.testing.assert_close(output.context, theirs.projected_states)
    torch.testing.assert_close(output.quantised, theirs.projected_quantized_states)
    value, parts = own.loss(output, batch)
    masked = batch.mask.sum()
    torch.testing.assert_close(parts["contrastive"] * masked, theirs.contrastive_loss.detach())
    if training:
        torch.testing.assert_close(value * masked, theirs.loss, rtol=1e-4, atol=1e-3)
        perplexity = soft_perplexity(output.code_logits, batch.mask)
        torch.testing.assert_close(perplexity, theirs.codevector_perplexity)


def test_transformers_gives_no_loss_without_negatives_and_we_do():
    model = build_scratch(ARCH, 0).train()
    batch = real_batch(model)
    assert model(batch.waveforms, mask_time_indices=batch.mask).loss is None
    own = build_objective("wav2vec2", around(model), 0)
    value, _ = own.loss(masked_forward(around(model), batch), batch)
    assert torch.isfinite(value)


def test_padding_does_not_change_a_layer_norm_clip():
    model = build_scratch(ARCH, 0).eval()
    batch = real_batch(model)
    frames = int(batch.valid[1].sum())
    alone = MaskedBatch(
        utts=("b",),
        waveforms=batch.waveforms[1:, : int(0.6 * 16_000)],
        valid=batch.valid[1:, :frames],
        mask=batch.mask[1:, :frames],
        mask_array=batch.mask_array[1:, :frames],
        seed=batch.seed,
    )
    with torch.no_grad():
        together, single = (
            masked_forward(around(model), batch),
            masked_forward(around(model), alone),
        )
    torch.testing.assert_close(together.context[1:, :frames], single.context, rtol=1e-4, atol=1e-5)


def test_masks_are_applied_whatever_the_checkpoint_says_about_spec_augment():
    model = build_scratch({**ARCH, "apply_spec_augment": False}, 0).eval()
    batch = real_batch(model)
    with torch.no_grad():
        before = masked_forward(around(model), batch).context
        model.wav2vec2.masked_spec_embed += 1.0
        after = masked_forward(around(model), batch).context
    assert not torch.equal(before, after)


def test_batches_of_one_tiny_clip_give_a_finite_loss(tmp_path):
    from selfsupervised_clips import write_clips

    clips = write_clips(tmp_path, [0.03])
    model = build_scratch(ARCH, 0).train()
    batch = Batches(clips, settings(), Geometry.of(model.config), normalise, ("x",)).make(0)
    for name in ("eq1", "eq2", "wav2vec2"):
        value, _ = build_objective(name, around(model), 0).loss(
            masked_forward(around(model), batch), batch
        )
        assert torch.isfinite(value), name
