"""Cached latents in batches against transformers' own classes on samples, one clip at a time.

With the fast CPU path, and with `fast: false`, where transformers' own modules run.

The plain way knows nothing of this project but the weights: soundfile reads a clip, transformers'
feature extractor normalises it, and its model hears it alone, through CNN and transformer.
"""

import numpy as np
import pytest
import soundfile
import torch
from finetune_clips import CLASSES, CPU, FRAMES_PER_SECOND, SETTINGS
from selfsupervised_clips import ARCH, GROUP_NORM, waveform, write_manifest
from transformers import (
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
)

from after_ser.learn.finetune import predict as predict_module
from after_ser.learn.finetune import round as round_module
from after_ser.learn.finetune import train as train_module
from after_ser.learn.finetune.batches import collate
from after_ser.learn.finetune.embeddings import embed
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.learn.finetune.train import fit
from after_ser.learn.tapt.clips import Clip
from after_ser.model.classifier import start_classifier
from after_ser.model.families.conv_encoder import ConvBody, save_model
from after_ser.model.families.wav2vec2_fast.transformer import FastBody
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.load import quiet_transformers
from after_ser.model.registry import HEADS, family_of
from after_ser.model.scratch import build_scratch
from after_ser.select.base import PoolView
from after_ser.select.registry import strategy

#: Seconds of the clips: from two frames to a hundred, no two alike.
SECONDS = [0.13, 4.1, 0.6, 2.3, 1.1, 0.31, 3.2, 0.9, 1.7, 0.45, 2.75, 1.4]
TAKEN = 5
SEQUENCE_CLASSIFICATION = "sequence-classification"
#: The two ways add in another order, which is all that they may differ by.
CLOSE = 2e-5
NO_DROPOUT = {
    **{"dropout": 0.0, "activation_dropout": 0.0, "attention_dropout": 0.0},
    **{"feat_proj_dropout": 0.0, "layerdrop": 0.0, "apply_spec_augment": False},
}


class Plain:
    """What transformers makes of the clips of a folder with the weights of a classifier."""

    def __init__(self, folder, head, fast=True):
        self.head = head
        self.classifier = start_classifier(folder / "start", CLASSES, head, 5, fast=fast)
        assert isinstance(self.classifier.body, FastBody if fast else ConvBody)
        with torch.no_grad():  # a new head says nearly the same of every clip
            self.classifier.head.output.weight.mul_(20 if head == SEQUENCE_CLASSIFICATION else 4)
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder / "start")
        self.inputs = []
        for clip in clips_of(folder):
            samples, rate = soundfile.read(clip.path, dtype="float32")
            self.inputs.append(extractor(samples, sampling_rate=rate).input_values[0])
        kind = Wav2Vec2Model
        given = {"local_files_only": True, "attn_implementation": "eager"}
        if head == SEQUENCE_CLASSIFICATION:
            kind, given = Wav2Vec2ForSequenceClassification, given | {"num_labels": len(CLASSES)}
        with quiet_transformers():
            self.model = kind.from_pretrained(folder / "start", **given).eval()
        if head == SEQUENCE_CLASSIFICATION:
            self.model.projector.load_state_dict(self.classifier.head.projector.state_dict())
            self.model.classifier.load_state_dict(self.classifier.head.output.state_dict())

    def pooled(self, values):
        """What the last linear layer is given of one clip alone, [1, its width]."""
        body = self.model if self.head != SEQUENCE_CLASSIFICATION else self.model.wav2vec2
        states = body(torch.as_tensor(values)[None]).last_hidden_state
        if self.head == "relu-mean-linear":
            return states.relu().mean(dim=1)
        if self.head == SEQUENCE_CLASSIFICATION:
            return self.model.projector(states).mean(dim=1)
        return states.mean(dim=1).relu()

    def logits(self, values):
        """[1, C] of one clip alone; where transformers has the head, its own class says it."""
        if self.head == SEQUENCE_CLASSIFICATION:
            return self.model(torch.as_tensor(values)[None]).logits
        return self.classifier.head.output(self.pooled(values))

    def every(self, what):
        with torch.inference_mode():
            return torch.cat([what(one) for one in self.inputs]).double().numpy()


def clips_of(folder):
    return [
        Clip(f"toy/c{index:02d}", str(folder / f"audio/c{index:02d}.flac"), seconds, f"{index:x}")
        for index, seconds in enumerate(SECONDS)
    ]


@pytest.fixture(scope="module", params=["group norm (base)", "layer norm (large)"])
def folder(request, tmp_path_factory):
    """A start checkpoint without ones and zeros in it, clips of all lengths, and their latents."""
    folder = tmp_path_factory.mktemp("fast")
    given = GROUP_NORM if request.param.startswith("group") else ARCH
    model = build_scratch({**given, **NO_DROPOUT, "layers": 3, "conv_dim": 16}, 3)
    with torch.no_grad():  # norms and biases of a new model are ones and zeros
        for parameter in model.parameters():
            parameter.add_(0.08 * torch.randn(parameter.shape, generator=draws(parameter.numel())))
    save_model(model, folder / "start", do_normalize=True)
    (folder / "audio").mkdir()
    for index, clip in enumerate(clips_of(folder)):
        # loud and quiet ones, and a constant that normalising takes away
        samples = waveform(clip.seconds, index) * (0.04 + 0.08 * index) + 0.01 * (index % 3)
        soundfile.write(clip.path, samples, 16_000, subtype="PCM_16")
    write_manifest(folder / "manifest.tsv", clips_of(folder))
    for kind in ("float32", "float16"):
        extract_latents(
            folder / "start", folder / "manifest.tsv", None, folder / kind, "cpu", precision=kind
        )
    return folder


def draws(seed):
    return torch.Generator().manual_seed(seed)


def cached(folder, kind="float32"):
    with Latents(folder / kind) as latents:
        return load_clips(latents, [clip.utt for clip in clips_of(folder)])


def log_probabilities(logits):
    return torch.log_softmax(torch.from_numpy(logits), dim=1).numpy()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("fast", "frames_per_batch"), [(1, 16_384), (1, 120), (0, 120)])
def test_scores_are_those_of_the_plain_way(folder, head, fast, frames_per_batch, monkeypatch):
    """In one batch that is mostly padding, and in batches of clips of about the same length."""
    monkeypatch.setattr(predict_module, "FRAMES_PER_BATCH", frames_per_batch)
    plain = Plain(folder, head, fast)
    logits = plain.every(plain.logits)
    assert logits.std(axis=0).min() > 0.02, "the model tells clips apart"
    clips = cached(folder)
    assert clips.lengths().min() < 5 and clips.lengths().max() > 90
    latents, lengths = collate(list(clips.frames), CPU)
    with torch.inference_mode():
        fast = plain.classifier.eval()(latents, lengths).double().numpy()
    assert np.abs(fast - logits).max() < CLOSE
    scores = predict(plain.classifier, clips, CPU)
    assert np.abs(np.log(scores) - log_probabilities(logits)).max() < CLOSE
    # what stays in its file is the same
    monkeypatch.setattr(round_module, "IN_MEMORY", 0)
    assert (predict(plain.classifier, cached(folder), CPU) == scores).all()


@pytest.mark.parametrize("head", ["mean-relu-linear", SEQUENCE_CLASSIFICATION])
def test_the_same_clips_are_chosen(folder, head):
    plain = Plain(folder, head)
    clips = cached(folder)
    logits, pooled = plain.every(plain.logits), plain.every(plain.pooled)
    fast = embed(plain.classifier, clips, CPU)
    assert fast.embeddings.std(axis=0).max() > 0.01
    assert np.abs(fast.embeddings - pooled).max() < CLOSE
    with Latents(folder / "float32") as latents:
        means = latents.means(clips.utts)
    body = getattr(plain.model, "wav2vec2", plain.model)
    expected = plain.every(
        lambda one: body.feature_extractor(torch.as_tensor(one)[None]).mean(dim=2)
    )
    assert expected.std(axis=0).max() > 1e-3 and np.abs(means - expected).max() < CLOSE
    unlabelled, known = slice(2, None), slice(0, 2)

    def view(probs, embeddings, means):
        return PoolView(
            tuple(clips.utts[unlabelled]),
            {
                "probs": probs[unlabelled],
                "embeddings": embeddings[unlabelled],
                "cnn_means": means[unlabelled].astype(np.float64),
                "labelled_probs": probs[known],
                "labelled_embeddings": embeddings[known],
            },
        )

    ways = (
        view(predict(plain.classifier, clips, CPU), fast.embeddings, means),
        view(np.exp(log_probabilities(logits)), pooled, expected),
    )
    for name in ("entropy", "margin", "least_confidence", "coreset", "kmeans", "badge"):
        one, two = (strategy(name).select(way, TAKEN, np.random.default_rng(1)) for way in ways)
        np.testing.assert_allclose(one.scores, two.scores, atol=10 * CLOSE, err_msg=name)
        if name != "kmeans":  # both clips of a cluster of two are equally far from its centre
            assert list(one.indices) == list(two.indices), name


def test_sixteen_bits_say_nearly_the_same(folder):
    """How near on real models is measured by benchmarks/latents.py."""
    plain = Plain(folder, "mean-relu-linear")
    expected = log_probabilities(plain.every(plain.logits))
    found = np.log(predict(plain.classifier, cached(folder, "float16"), CPU))
    apart = np.abs(found - expected).max()
    assert 1e-6 < apart < 5e-2, "rounded, and little"
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.9
    chosen = [
        set(np.argsort((np.exp(logs) * logs).sum(axis=1))[:TAKEN]) for logs in (found, expected)
    ]
    assert len(chosen[0] & chosen[1]) >= TAKEN - 1


def gradients(module):
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def expect_equal(own, theirs, scale):
    """The largest difference is small beside the largest gradient."""
    assert set(own) <= set(theirs) and own
    for name, gradient in own.items():
        apart = float((gradient - theirs[name]).abs().max())
        assert apart < 1e-4 * scale, (name, apart, scale)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("head", ["mean-relu-linear", SEQUENCE_CLASSIFICATION])
def test_a_training_batch_has_the_gradient_of_the_plain_way(folder, head, fast):
    """Dropout is off in the checkpoint: both are in training mode."""
    chosen = [1, 5, 3, 9, 7]  # 4.1 s beside 0.31 s: most of the batch is padding
    targets = torch.tensor([0, 1, 2, 3, 1])
    plain = Plain(folder, head, fast)
    classifier, clips = plain.classifier.train(), cached(folder)
    latents, lengths = collate([clips.frames[index] for index in chosen], CPU)
    loss = torch.nn.functional.cross_entropy(classifier(latents, lengths), targets)
    loss.backward()
    own = gradients(classifier)
    assert not any(name.startswith("projection.") for name in own), "it is frozen"
    output = {n: own.pop(f"head.output.{n}") for n in ("weight", "bias")}
    classifier.zero_grad(set_to_none=True)

    plain.model.train()
    plain.model.zero_grad(set_to_none=True)
    total = 0.0
    for index, target in zip(chosen, targets, strict=True):  # each alone: nothing is padded
        one = torch.nn.functional.cross_entropy(plain.logits(plain.inputs[index]), target[None])
        (one / len(chosen)).backward()
        total += float(one.detach()) / len(chosen)
    assert float(loss.detach()) == pytest.approx(total, abs=CLOSE)
    theirs = {n.removeprefix("wav2vec2."): g for n, g in gradients(plain.model).items()}
    last = plain.model.classifier if head == SEQUENCE_CLASSIFICATION else classifier.head.output
    scale = float(last.weight.grad.abs().max())
    expect_equal(output, gradients(last), scale)
    renamed = {
        name.replace("transformer.", "encoder.", 1).removeprefix("head."): g
        for name, g in own.items()
    }
    assert len(renamed) > 40
    expect_equal(renamed, theirs, scale)

    if head == SEQUENCE_CLASSIFICATION and plain.model.config.feat_extract_norm == "layer":
        # with layer norm transformers' own way is a padded batch with its mask
        plain.model.zero_grad(set_to_none=True)
        longest = max(len(plain.inputs[index]) for index in chosen)
        values, mask = torch.zeros(len(chosen), longest), torch.zeros(len(chosen), longest).long()
        for row, index in enumerate(chosen):
            values[row, : len(plain.inputs[index])] = torch.as_tensor(plain.inputs[index])
            mask[row, : len(plain.inputs[index])] = 1
        plain.model(values, attention_mask=mask, labels=targets).loss.backward()
        theirs = {n.removeprefix("wav2vec2."): g for n, g in gradients(plain.model).items()}
        expect_equal(renamed, theirs, scale)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_in_parts_has_the_gradient_of_the_batch(folder, weighted, monkeypatch):
    """Clips of about the same length go together; classes weigh what they weigh in the whole."""
    chosen = [1, 5, 3, 9, 7, 2]
    targets = torch.tensor([0, 1, 2, 3, 1, 1])
    weights = torch.tensor([0.1, 2.0, 1.0, 0.5]) if weighted else torch.ones(4)
    classifier, clips = Plain(folder, "mean-relu-linear").classifier.train(), cached(folder)
    frames = [clips.frames[index] for index in chosen]
    loss = torch.nn.functional.cross_entropy(classifier(*collate(frames, CPU)), targets, weights)
    loss.backward()
    whole = gradients(classifier)
    scale = float(whole["head.output.weight"].abs().max())
    seen = []

    def counted(part, device):
        seen.append(len(part))
        return collate(part, device)

    monkeypatch.setattr(train_module, "collate", counted)
    for frames_per_batch, parts in ((100_000, 1), (60, 4), (1, 6)):
        monkeypatch.setattr(predict_module, "FRAMES_PER_BATCH", frames_per_batch)
        classifier.zero_grad(set_to_none=True)
        seen.clear()
        found = train_module.add_gradients(classifier, frames, targets, weights, CPU)
        assert (sum(seen), len(seen)) == (6, parts)
        assert float(found) == pytest.approx(float(loss.detach()), abs=CLOSE)
        expect_equal(gradients(classifier), whole, scale)


def test_a_fit_reports_the_losses_of_the_plain_way(folder):
    """One batch of clips of all lengths, at a rate that changes nothing."""
    plain = Plain(folder, "mean-relu-linear")
    clips = cached(folder)
    labels = [CLASSES[index % 4] for index in range(len(SECONDS))]
    logs = log_probabilities(plain.every(plain.logits))
    expected = -np.mean([logs[row, CLASSES.index(label)] for row, label in enumerate(labels)])
    settings = {**SETTINGS, "learning_rate": 1e-12, "batch_size": 64, "max_epochs": 1}
    settings |= {"class_weights": "none", "crop_s": 1000.0}
    found = fit(
        plain.classifier, clips, labels, clips, labels, settings, FRAMES_PER_SECOND, ("test",),
        CPU,
    )  # fmt: skip
    assert found.history["train_loss"].tolist() == pytest.approx([expected], abs=CLOSE)
    assert found.history["val_loss"].tolist() == pytest.approx([expected], abs=CLOSE)


def test_a_checkpoint_that_wants_raw_samples_gets_them(folder, tmp_path):
    """The preprocessor's file decides, as it does for transformers."""
    model = build_scratch({**ARCH, **NO_DROPOUT}, 1)
    save_model(model, tmp_path / "start", do_normalize=False)
    extract_latents(
        tmp_path / "start", folder / "manifest.tsv", None, tmp_path / "out", "cpu",
        precision="float32",
    )  # fmt: skip
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "start")
    with quiet_transformers():
        cnn = Wav2Vec2Model.from_pretrained(tmp_path / "start").eval().feature_extractor
    with Latents(tmp_path / "out") as latents, torch.inference_mode():
        for clip in clips_of(folder)[:3]:
            samples, rate = soundfile.read(clip.path, dtype="float32")
            values = extractor(samples, sampling_rate=rate).input_values[0]
            expected = cnn(torch.as_tensor(values)[None])[0].T.numpy()
            np.testing.assert_allclose(latents.frames(clip.utt), expected, atol=CLOSE)


@pytest.mark.parametrize("fast", [True, False])
def test_layers_are_the_hidden_states_of_transformers(folder, fast):
    """All of them, in its order; padding changes none of a clip's own frames."""
    body = family_of(folder / "start").body(folder / "start", fast)
    clips, chosen = cached(folder), [1, 5, 3]
    latents, lengths = collate([clips.frames[index] for index in chosen], CPU)
    valid = torch.arange(latents.shape[1]) < lengths[:, None]
    plain = Plain(folder, "mean-relu-linear")
    with torch.inference_mode():
        projected = body.project(latents)
        states = body.layers(projected.clone(), valid)
        assert torch.equal(states[-1], body.last(projected.clone(), valid))
        for row, index in enumerate(chosen):
            given = torch.as_tensor(plain.inputs[index])[None]
            found = plain.model(given, output_hidden_states=True)
            # in transformers 5 the last hidden state of a pre-norm model is without the final norm
            theirs = [*found.hidden_states[:-1], found.last_hidden_state]
            assert len(states) == len(theirs) == 4
            for own, other in zip(states, theirs, strict=True):
                assert float((own[row, : lengths[row]] - other[0]).abs().max()) < CLOSE


@pytest.mark.parametrize("fast", [True, False])
def test_a_layer_that_is_skipped_in_training_has_the_state_before_it(tmp_path, fast):
    save_model(
        build_scratch({**ARCH, **NO_DROPOUT, "layers": 3, "layerdrop": 1.0}, 1), tmp_path, True
    )
    body = family_of(tmp_path).body(tmp_path, fast)
    body.transformer.train()
    states = body.layers(torch.randn(1, 9, ARCH["hidden_size"]), None)
    assert len(states) == 4 and torch.equal(states[0], states[1])
    assert torch.equal(states[1], states[2])
