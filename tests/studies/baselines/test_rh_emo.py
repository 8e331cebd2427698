"""RH-emo: spectrograms, autoencoder, its two runs of pre-training, and the classifier."""

import math
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from torch.nn.functional import binary_cross_entropy, cross_entropy

from after_ser.core.errors import InputError
from after_ser.studies.baselines import rh_emo_pretraining
from after_ser.studies.baselines.base import Clip
from after_ser.studies.baselines.clips import waveform
from after_ser.studies.baselines.rh_emo import fit, predict, spectrograms
from after_ser.studies.baselines.rh_emo_autoencoder import AutoEncoder, pretraining_loss
from after_ser.studies.baselines.rh_emo_pretraining import pretrain, scaled_ratings
from after_ser.studies.baselines.segments import gather
from tests.studies.baselines.baseline_clips import CLASSES, settings, write_clips

SMALL = settings("rh_emo")
QUICK = {**SMALL, "reconstruction_epochs": 1, "supervised_epochs": 1, "epochs": 1}


def fitted(train, val, options):
    return fit(train, val, classes=CLASSES, settings=options, seed=0, device="cpu")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 6)


def test_spectrograms_are_4_s_segments_scaled_to_one():
    time = torch.arange(16000 * 8) / 16000
    signal = 0.1 * torch.sin(2 * math.pi * 1000 * time)
    parts = spectrograms(signal)
    assert parts.shape == (3, 512, 128)  # 0-4, 3-7, 6-8 s
    assert [float(part.max()) for part in parts] == [1.0, 1.0, 1.0]
    assert float(parts.min()) == 0.0
    assert parts[0].sum(1).argmax() == 64  # 1 kHz of 8 kHz in 512 bins
    assert not parts[:, :, 126:].any()
    assert not parts[2, :, 65:].any()  # silence behind the end
    assert spectrograms(signal[: 16000 * 4]).shape[0] == 1
    assert spectrograms(signal[:100]).shape == (1, 512, 128)
    assert not spectrograms(torch.zeros(20)).any()


def test_the_autoencoder_keeps_the_size_and_makes_four_axes():
    torch.manual_seed(0)
    x = torch.rand(2, 1, 512, 128)
    outputs = AutoEncoder(3, hidden=8)(x)
    assert outputs.embedding.shape == (2, 4, 64, 64)
    assert outputs.spectrogram.shape == x.shape
    assert outputs.emotion.shape == (2, 3)
    assert outputs.ratings is not None and outputs.ratings.shape == (2, 3)
    assert AutoEncoder(3, hidden=8, ratings=False)(x).ratings is None


def test_the_decoder_averages_its_channels():
    decoder = AutoEncoder(3, hidden=8).decoder
    embedding = torch.randn(1, 4, 64, 64)
    channels = decoder.layers(embedding)
    assert channels.shape == (1, 4, 512, 128)
    torch.testing.assert_close(decoder(embedding)[0, 0], channels[0].sum(0) / 4)


def test_each_head_reads_its_own_axis():
    torch.manual_seed(0)
    model = AutoEncoder(3, hidden=8).eval()
    outputs = model(torch.rand(1, 1, 512, 128))
    for axis, logit in enumerate([outputs.emotion[0, 0], *outputs.ratings[0]]):
        (gradient,) = torch.autograd.grad(logit, outputs.embedding, retain_graph=True)
        assert [bool(channel.any()) for channel in gradient[0]] == [i == axis for i in range(4)]


def test_the_loss_is_the_papers_and_missing_ratings_count_nothing():
    torch.manual_seed(0)
    x, emotion = torch.rand(3, 1, 512, 128), torch.tensor([0, 2, 1])
    ratings = torch.tensor([[0.1, 0.5, math.nan], [math.nan, 0.9, math.nan], [1.0, 0.0, math.nan]])
    outputs = AutoEncoder(3, hidden=8)(x)
    reconstruction = binary_cross_entropy(outputs.spectrogram.sigmoid(), x)
    given = outputs.ratings.sigmoid()
    rated = binary_cross_entropy(given[[0, 2], 0], ratings[[0, 2], 0])
    rated = rated + binary_cross_entropy(given[:, 1], ratings[:, 1])
    expected = reconstruction + 0.01 * (cross_entropy(outputs.emotion, emotion) + 100 * rated)
    torch.testing.assert_close(pretraining_loss(outputs, x, emotion, ratings, 0.01), expected)
    alone = pretraining_loss(outputs, x, emotion, ratings, 0.0)
    torch.testing.assert_close(alone, reconstruction)


def test_ratings_are_scaled_by_the_train_clips_of_their_corpus():
    def clip(utt, valence):
        return Clip(utt, "", 0, "s", valence, None if valence is None else 2.0, None)

    train = [clip("a/1", 1.0), clip("a/2", 5.0), clip("b/1", 10.0), clip("b/2", 20.0)]
    train.append(clip("a/3", None))
    others = [clip("a/9", 2.0), clip("a/8", 6.0), clip("b/9", 12.5), clip("c/9", 3.0)]
    assert scaled_ratings(train, train)[:, 0].tolist()[:4] == [0.0, 1.0, 0.0, 1.0]
    valence = scaled_ratings(train, others)[:, 0].tolist()
    assert valence[:3] == [0.25, 1.0, 0.25] and math.isnan(valence[3])
    assert scaled_ratings(train, train)[:, 1:].isnan().all()  # one value only, and none


def test_reconstruction_gets_better_and_only_the_second_run_trains_the_heads():
    torch.manual_seed(0)
    x = torch.rand(12, 512, 1).pow(4).expand(12, 512, 128)
    data = (gather([x]), torch.zeros(12, dtype=torch.long), torch.full((12, 3), math.nan))
    model = AutoEncoder(3, hidden=8, ratings=False)
    device = torch.device("cpu")
    options = {**SMALL, "reconstruction_epochs": 6, "reconstruction_learning_rate": 0.01}
    before = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def loss():
        outputs = model.eval()(x.unsqueeze(1))
        return float(pretraining_loss(outputs, x.unsqueeze(1), data[1], data[2], 0.0))

    first = loss()
    run = {"stage": "reconstruction", "beta": 0.0, "settings": options, "seed": 0}
    assert 1 <= pretrain(model, data, data, device=device, **run) <= 6
    assert loss() < 0.97 * first
    after = model.state_dict()
    assert torch.equal(before["emotion.1.weight"], after["emotion.1.weight"])  # beta is 0
    run |= {"stage": "supervised", "beta": 0.01}
    pretrain(model, data, data, device=device, **run)
    assert not torch.equal(before["emotion.1.weight"], model.state_dict()["emotion.1.weight"])
    run["settings"] = {**options, "supervised_learning_rate": 1e30}
    with pytest.raises(InputError, match="supervised run: "):
        pretrain(model, data, data, device=device, **run)


def test_pretraining_keeps_the_epoch_of_lowest_val_loss_and_stops_by_patience(monkeypatch):
    torch.manual_seed(0)
    x = torch.rand(4, 512, 1).pow(4).expand(4, 512, 128)
    data = (gather([x]), torch.zeros(4, dtype=torch.long), torch.full((4, 3), math.nan))
    model = AutoEncoder(3, hidden=8, ratings=False)
    marks, losses = [], iter([0.5, 0.3, 0.4, 0.6, 0.1])

    def val_loss(*_):
        marks.append(float(model.encoder.layers[0].weight.detach().sum()))
        return next(losses)

    monkeypatch.setattr(rh_emo_pretraining, "_mean_loss", val_loss)
    options = {**SMALL, "reconstruction_epochs": 5, "reconstruction_patience": 2}
    run = {"stage": "reconstruction", "beta": 0.0, "settings": options, "seed": 0}
    assert pretrain(model, data, data, device=torch.device("cpu"), **run) == 2
    assert len(marks) == 4
    assert float(model.encoder.layers[0].weight.detach().sum()) == marks[1] != marks[3]


def test_heads_of_ratings_are_on_where_a_corpus_has_them(clips):
    rated = [
        replace(clip, valence=1.0 + index, arousal=5.0 - index, dominance=2.0 + index % 2)
        for index, clip in enumerate(clips)
    ]
    every = fitted(rated, rated[:2], QUICK)
    assert every.notes == []
    some = fitted([*rated[:4], *clips[4:]], rated[:2], QUICK)
    assert len(some.notes) == 1 and "learn from the others" in some.notes[0]
    none = fitted(clips, clips[:2], QUICK)
    assert len(none.notes) == 1 and "three heads are off" in none.notes[0]
    own, other = (dict(result.model.network.encoder.named_parameters()) for result in (every, none))
    assert any(not torch.equal(own[name], other[name]) for name in own)


def test_an_epoch_of_pretraining_may_be_some_of_the_segments(clips):
    options = {**QUICK, "reconstruction_batch_size": 2, "supervised_batch_size": 2}
    networks = [
        fitted(clips, clips[:2], {**options, "epoch_segments": count}).model.network
        for count in (0, 6, 2)
    ]
    states = [network.encoder.state_dict() for network in networks]
    weight, batches = "layers.0.weight", "layers.1.num_batches_tracked"
    assert torch.equal(states[0][weight], states[1][weight])
    assert not torch.equal(states[0][weight], states[2][weight])
    assert [int(state[batches]) for state in states] == [6, 6, 2]


def test_one_clip_each_is_enough(clips):
    result = fitted(clips[:1], clips[1:2], QUICK)
    assert predict(result.model, clips[:1]).shape == (1, 3)


def test_a_long_clip_is_scored_by_all_of_its_segments(clips, tmp_path):
    model = fitted(clips, clips[:2], QUICK).model
    signal = torch.cat([waveform(clip) for clip in clips * 2])
    path = tmp_path / "long.flac"
    soundfile.write(path, signal.numpy(), 16000, "PCM_16")
    parts = spectrograms(signal).half().float().unsqueeze(1)
    assert len(parts) > 2
    with torch.no_grad():
        expected = model.network(parts).softmax(1).mean(0)
    scored = predict(model, [replace(clips[0], path=str(path))])[0]
    np.testing.assert_allclose(scored, expected, atol=2e-3)
