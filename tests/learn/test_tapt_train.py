"""The training loop: the loss falls, the outputs are whole, mistakes are one line."""

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from selfsupervised_clips import (
    ARCH,
    GROUP_NORM,
    LENGTHS,
    load_encoder,
    load_pretraining_model,
    settings,
    write_clips,
)

from after_ser.core.errors import InputError
from after_ser.learn.tapt.batches import Batches
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.train import levelled_off, measurable, pretrain
from after_ser.model.families.conv_encoder import normalise, save_model
from after_ser.model.families.wav2vec2_fast.dropout import Dropout
from after_ser.model.geometry import Geometry
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import read_tsv

SEED = ("tapt", "toy", 1, 0)


@pytest.fixture
def clips(tmp_path):
    return write_clips(tmp_path / "audio", LENGTHS)


@pytest.mark.parametrize("name", ["eq1", "eq2", "eq1+eq2", "wav2vec2"])
def test_loss_falls(clips, tmp_path, name):
    given = settings(objective=name, steps=40, learning_rate=3e-3, clip_norm=1.0)
    pretrain(ARCH, clips, given, SEED, tmp_path / "out", tmp_path / "state", "cpu")
    loss = read_tsv(tmp_path / "out" / "log.tsv", numeric=("loss",))["loss"]
    assert len(loss) == 40
    assert loss[-8:].mean() < loss[:8].mean() - 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("arch", [ARCH, GROUP_NORM], ids=["layer norm", "group norm"])
def test_tapt_changes_every_part_and_its_outputs_are_whole(clips, tmp_path, arch, precision):
    start = build_scratch(arch, 0)
    save_model(start, tmp_path / "start", do_normalize=True)
    given = settings(precision=precision)
    pretrain(tmp_path / "start", clips, given, SEED, tmp_path / "out", tmp_path / "state", "cpu")
    before, after = start.state_dict(), load_pretraining_model(tmp_path / "out").state_dict()
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert not unchanged, unchanged  # also the CNN, which is frozen only in fine-tuning
    load_encoder(tmp_path / "out")
    log = read_tsv(tmp_path / "out" / "log.tsv")
    assert list(log.columns) == [
        "step", "loss", "eq1", "eq2", "eq2_accuracy", "perplexity", "perplexity_soft", "lr",
    ]  # fmt: skip
    assert list(log["step"]) == ["1", "2", "3", "4", "5", "6"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["objective"] == "eq1+eq2"
    assert 2 <= summary["perplexity_last"] <= summary["perplexity_of_all_codes"] == 16
    timing = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert (timing["step"], timing["attempts"]) == ("tapt", 1)
    assert 0 < timing["compute_s"] <= timing["wall_s"]
    assert not (tmp_path / "state").exists()


def test_a_step_draws_dropout_our_way(clips):
    _, _, model = measurable(ARCH, clips, settings(), "cpu", 1)
    dropouts = [one for one in model.module.modules() if isinstance(one, torch.nn.Dropout)]
    assert len(dropouts) > 4
    assert {type(one) for one in dropouts} == {Dropout}
    assert all(one.training for one in dropouts)


def test_same_seed_same_bytes_other_seed_other_bytes(clips, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(ARCH, clips, settings(), ("x", seed), tmp_path / name, tmp_path / "st", "cpu")
    weights = {n: (tmp_path / n / "model.safetensors").read_bytes() for n in "abc"}
    assert weights["a"] == weights["b"] != weights["c"]


def test_audio_read_per_batch_gives_the_same_as_audio_in_memory(clips, tmp_path):
    for name, size in (("memory", 1.5), ("disk", 0.0)):
        given = settings(cache_gb=size)
        pretrain(ARCH, clips, given, SEED, tmp_path / name, tmp_path / "st", "cpu")
    one, two = (tmp_path / n / "model.safetensors" for n in ("memory", "disk"))
    assert one.read_bytes() == two.read_bytes()


def test_crops_are_bounded_differ_by_epoch_and_normalised(clips):
    model = build_scratch(ARCH, 0)
    maker = Batches(clips, settings(), Geometry.of(model.config), normalise, ("x",))
    seen = {}
    for step in range(12):
        batch = maker.make(step)
        assert batch.waveforms.shape[1] <= 16_000
        for row, utt in enumerate(batch.utts):
            seen.setdefault(utt, []).append(batch.waveforms[row].numpy())
    long = "toy/c5"  # 1.6 s, crop 1 s
    assert len(seen[long]) > 1
    assert not np.array_equal(seen[long][0], seen[long][1])
    assert abs(seen[long][0].mean()) < 1e-4
    assert seen[long][0].std() == pytest.approx(1, abs=1e-3)


def test_masks_differ_from_step_to_step(tmp_path):
    maker = Batches(
        write_clips(tmp_path, [1.0]), settings(), Geometry((40,), (40,)), normalise, ("x",)
    )
    first, second, again = maker.make(0), maker.make(1), maker.make(0)
    assert (first.mask_array != second.mask_array).any()
    assert (first.mask_array == again.mask_array).all()
    assert (first.mask.numpy() == first.mask_array).all()


def test_nan_stops_with_step_and_utterances(clips, tmp_path):
    save_model(build_scratch(ARCH, 0), tmp_path / "start", do_normalize=True)
    weights = tmp_path / "start/model.safetensors"  # of somebody else: ours are checked
    tensors = load_file(weights)
    tensors["project_hid.weight"][0, 0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"nan at step 1 \(toy/c") as error:
        pretrain(
            tmp_path / "start", clips, settings(), SEED, tmp_path / "out", tmp_path / "st", "cpu"
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_audio_of_another_rate_is_refused(clips, tmp_path):
    soundfile.write(clips[2].path, np.zeros(8_000, dtype=np.float32), 8_000)
    with pytest.raises(InputError, match="8000 Hz"):
        pretrain(ARCH, clips, settings(), SEED, tmp_path / "out", tmp_path / "st", "cpu")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"warmup": 6}, "warmup 6"),
        ({"objective": "eq4"}, "eq4"),
        ({"precision": "fp16"}, "fp16"),
        ({"mask_share": 1.5}, "mask_share"),
        ({"lr": 1}, 'unknown key "lr"'),
    ],
)
def test_wrong_settings_are_named(change, said):
    with pytest.raises(InputError, match=said):
        settings(**change)


def test_learning_rate_is_warm_up_flat_linear():
    given = PretrainSettings(steps=20_000)
    assert given.rate(0) == pytest.approx(1e-6)
    assert given.rate(99) == pytest.approx(1e-4)
    assert given.rate(1_099) == 1e-4
    assert given.rate(1_100) == pytest.approx(1e-4)
    assert given.rate(10_550) == pytest.approx(0.5e-4)
    assert 0 < given.rate(19_999) < 1e-8


def test_gumbel_temperature_is_constant_unless_told():
    assert PretrainSettings().gumbel(123) == 2.0
    falling = PretrainSettings(steps=101, gumbel_end=0.5)
    assert [falling.gumbel(s) for s in (0, 50, 100)] == pytest.approx([2.0, 1.0, 0.5])


def test_levelled_off_compares_the_last_two_tenths():
    falling = levelled_off([2 - 0.01 * i for i in range(100)])
    assert falling["levelled_off"] is False
    assert falling["loss_before"] == pytest.approx(1.155)
    assert falling["loss_last"] == pytest.approx(1.055)
    flat = levelled_off([2.0] * 50 + [1.0] * 50)
    assert flat["levelled_off"] is True and flat["relative_improvement"] == 0
    assert levelled_off([1.0] * 19)["levelled_off"] is None
