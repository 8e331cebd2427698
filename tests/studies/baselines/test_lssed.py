"""LSSED's PyConvResNet on log-mel segments."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from after_ser.core.errors import InputError
from after_ser.studies.baselines.clips import waveform
from after_ser.studies.baselines.lssed import fit, predict
from after_ser.studies.baselines.pyconvresnet import PyConvResNet
from after_ser.studies.baselines.segments import cut, gather, mean_by_clip
from tests.studies.baselines.baseline_clips import CLASSES, settings, write_clips


def fitted(clips, change, classes=CLASSES):
    options = {**settings("lssed"), "epochs": 1, **change}
    return fit(clips, clips, classes=classes, settings=options, seed=0, device="cpu")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 4)


def test_segments_cover_the_clip_and_none_is_inside_another():
    signal = torch.arange(1, 24).float()
    for length, hop, starts in [(10, 7, [0, 7, 14]), (23, 5, [0]), (24, 5, [0]), (22, 5, [0, 5])]:
        parts = cut(signal, length, hop)
        assert [int(part[0]) - 1 for part in parts] == starts
        padded = torch.cat((signal, torch.zeros(length + hop)))
        for begin, part in zip(starts, parts, strict=True):
            assert part.tolist() == padded[begin : begin + length].tolist()
    assert cut(torch.zeros(4, 7), 5, 2).shape == (2, 4, 5)


def test_a_clips_score_is_the_mean_of_its_segments():
    segments = gather([torch.zeros(2, 1, 1), torch.zeros(1, 1, 1)])
    assert segments.clip.tolist() == [0, 0, 1]
    probs = np.array([[0.2, 0.8], [0.6, 0.4], [1.0, 0.0]])
    np.testing.assert_allclose(mean_by_clip(probs, segments), [[0.4, 0.6], [1.0, 0.0]])


def test_weights_load_and_a_classifier_of_other_classes_stays_new(tmp_path, clips):
    torch.manual_seed(7)
    network = PyConvResNet(4, "small", 0.125)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    given = {"weights": str(tmp_path), "learning_rate": 1e-12}
    result = fitted(clips, given)
    (note,) = result.notes
    assert note.startswith("starts from given weights, but for the classifier")
    torch.testing.assert_close(
        result.model.network.stem[0].weight, network.stem[0].weight, rtol=0, atol=1e-6
    )
    assert fitted(clips, given, [*CLASSES, "happy"]).notes == ["starts from given weights"]
    with pytest.raises(InputError, match="lssed: weights: .*does not fit"):
        fitted(clips, {**given, "width": 0.25})
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="is not readable as safetensors"):
        fitted(clips, given)


@pytest.mark.parametrize("width", [0.1, 0.0])
def test_a_width_that_four_kernels_cannot_share_is_named(clips, width):
    with pytest.raises(InputError, match=f"width is {width}; .*0.0625"):
        fitted(clips, {"width": width})


def test_one_segment_is_too_little_and_two_are_enough(clips):
    with pytest.raises(InputError, match="one segment, of clip0-000"):
        fitted(clips[:1], {})
    result = fitted(clips[:2], {})
    assert predict(result.model, clips[:1]).shape == (1, 3)


def test_features_are_normalised_per_band_by_the_train_clips(clips):
    features = fitted(clips, {"hop": 0.5}).model.features
    heard = [features.transform(waveform(clip)).clamp(min=1e-6).log() for clip in clips]
    torch.testing.assert_close(features.mean[:, 0], torch.cat(heard, dim=1).mean(dim=1))
    frames = sum(spectrogram.shape[1] for spectrogram in heard)
    parts = torch.cat([features.segments(spectrogram) for spectrogram in heard]).float()
    assert parts.shape[1:] == (32, 25)  # segments do not overlap here; zeros behind the end
    torch.testing.assert_close(
        parts.square().sum(dim=(0, 2)) / frames, torch.ones(32), rtol=0.01, atol=0
    )
