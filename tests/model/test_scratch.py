"""Models from scratch: their geometry, their seed, and mistakes in their description."""

import pytest
import torch
from selfsupervised_clips import ARCH, GROUP_NORM

from after_ser.core.errors import InputError
from after_ser.model.geometry import Geometry
from after_ser.model.scratch import build_scratch

BASE = Geometry((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))


def test_geometry_of_wav2vec2_base():
    assert (BASE.stride, BASE.receptive_field) == (320, 400)
    assert [BASE.frames(n) for n in (0, 399, 400, 719, 720, 16_000)] == [1, 1, 1, 1, 2, 49]


def test_geometry_agrees_with_the_model():
    model = build_scratch(ARCH, 0)
    geometry = Geometry.of(model.config)
    for samples in (geometry.receptive_field, 5_000, 16_001):
        features = model.wav2vec2.feature_extractor(torch.zeros(1, samples))
        assert features.shape[-1] == geometry.frames(samples)


def test_same_seed_same_weights_and_no_trace_in_the_callers_random_state():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = build_scratch(ARCH, 7).state_dict()
    assert torch.equal(torch.rand(1), expected)
    again, other = build_scratch(ARCH, 7).state_dict(), build_scratch(ARCH, 8).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["project_hid.weight"], other["project_hid.weight"])


def test_layer_norm_unless_group_norm_is_asked_for():
    assert build_scratch(ARCH, 0).config.feat_extract_norm == "layer"
    assert build_scratch(GROUP_NORM, 0).config.feat_extract_norm == "group"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hiden_size": 3}, "hiden_size"),
        ({"conv_kernel": [10, 4]}, "lengths"),
        ({"heads": 3}, "num_attention_heads 3"),
        ({"codevector_dim": 15}, "codevector_dim 15"),
    ],
)
def test_mistakes_are_named(change, said):
    with pytest.raises(InputError, match=said):
        build_scratch({**ARCH, **change}, 0)


def test_missing_entries_are_named():
    with pytest.raises(InputError, match="layers"):
        build_scratch({key: value for key, value in ARCH.items() if key != "layers"}, 0)
