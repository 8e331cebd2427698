"""P-TAPT: clusters of emotion states, their place in time, and predicting them under masks."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from selfsupervised_clips import ARCH, GROUP_NORM, around, load_pretraining_model, settings
from stopped_training import crash, stop_at, terminate

from after_ser.core.errors import InputError
from after_ser.learn.tapt.batches import Batches
from after_ser.learn.tapt.masking import span_mask
from after_ser.learn.tapt.objectives.registry import OBJECTIVES, build_objective, check_objective
from after_ser.learn.tapt.pseudo_labels import PseudoLabels
from after_ser.learn.tapt.train import pretrain
from after_ser.model.families.conv_encoder import normalise, save_model
from after_ser.model.geometry import Geometry
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import read_tsv
from after_ser.studies.ptapt.cluster import cluster_states, kmeans
from after_ser.studies.ptapt.states import load_states
from after_ser.studies.ptapt.train import train_states
from tests.learn.test_tapt_objectives import toy_batch, toy_output
from tests.studies.ptapt.ptapt_clips import CLASSES, SEED, states_settings, write_emotions

TAPT = ("tapt", "toy", 1, 0)
GIVEN = settings(objective="p-tapt", steps=6, checkpoint_every=2, mask_min_spans=2)
SIZES = (3, 6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Clips, a folder of their clusters, and a backbone."""
    folder = tmp_path_factory.mktemp("made")
    clips, labels = write_emotions(folder / "audio")
    states = states_settings(steps=6)
    train_states(clips, labels, CLASSES, states, SEED, folder / "ptapt", folder / "s", "cpu")
    cluster_states(folder / "ptapt", clips, SIZES, 5, SEED, folder / "ptapt", "cpu")
    save_model(build_scratch(GROUP_NORM, 0), folder / "backbone", do_normalize=True)
    return folder, clips


def predict(made, out, given=GIVEN):
    folder, clips = made
    targets = PseudoLabels(folder / "ptapt")
    pretrain(folder / "backbone", clips, given, TAPT, out / "out", out / "state", "cpu", 1, targets)
    return out / "out"


@pytest.fixture(scope="module")
def undisturbed(made, tmp_path_factory):
    return predict(made, tmp_path_factory.mktemp("undisturbed"))


def test_every_frame_of_every_clip_has_a_cluster_per_granularity(made, tmp_path):
    folder, clips = made
    labels, index = np.load(folder / "ptapt/clusters.npy"), read_tsv(folder / "ptapt/index.tsv")
    described = json.loads((folder / "ptapt/clusters.json").read_text())
    geometry = load_states(folder / "ptapt").geometry
    frames = [geometry.frames(round(clip.seconds * 16_000)) for clip in clips]
    assert list(index["utt"]) == [clip.utt for clip in clips]
    assert index["frames"].astype(int).tolist() == frames
    assert labels.shape == (sum(frames), 2) and labels.dtype == np.int16
    assert (labels.max(axis=0) + 1 <= SIZES).all() and described["clusters"] == list(SIZES)
    assert described["used"] == [len(set(labels[:, 0])), len(set(labels[:, 1]))]
    coarse, fine = described["mean_squared_distance"]
    assert 0 < fine < coarse
    cluster_states(folder / "ptapt", clips, SIZES, 5, SEED, tmp_path, "cpu")
    for name in ("clusters.npy", "index.tsv", "clusters.json"):
        assert (tmp_path / name).read_bytes() == (folder / "ptapt" / name).read_bytes()


def test_kmeans_finds_clusters_that_are_there():
    draw = np.random.default_rng(0)
    truth = np.repeat([0, 1], 90)
    frames = 9.0 * truth[:, None] + draw.normal(0, 0.3, (180, 2))
    found, lost = kmeans(frames, 2, 20, "test")
    assert len({(a, b) for a, b in zip(truth, found, strict=True)}) == 2
    assert lost == pytest.approx(180 * 2 * 0.09, rel=0.25)


def test_more_clusters_than_frames_are_refused(made, tmp_path):
    folder, clips = made
    with pytest.raises(InputError, match="frames of train for 4096 clusters"):
        cluster_states(folder / "ptapt", clips[:2], (3, 4096), 2, SEED, tmp_path, "cpu")


def written(folder, labels, spans, stride=320, field=945):
    folder.mkdir()
    np.save(folder / "clusters.npy", labels)
    rows = "".join(f"{utt}\t{offset}\t{count}\n" for utt, offset, count in spans)
    (folder / "index.tsv").write_text("utt\toffset\tframes\n" + rows)
    described = {"clusters": [100], "stride": stride, "receptive_field": field}
    (folder / "clusters.json").write_text(json.dumps(described))
    return folder


@pytest.mark.parametrize("strides", [(5, 2, 2, 2, 2, 2, 2), (10, 4, 4, 2, 2)], ids=["50/s", "25/s"])
def test_a_backbone_frame_gets_the_label_of_the_nearest_in_time(tmp_path, strides):
    """Wherever the crop begins, and at half the frame rate too."""
    kernels = {7: (10, 3, 3, 3, 3, 2, 2), 5: (20, 8, 8, 4, 4)}[len(strides)]
    geometry = Geometry(kernels, strides)
    numbers = np.arange(100)[:, None].repeat(1, axis=1)
    spans = [("a", 0, 30), ("b", 30, 70)]
    labels = PseudoLabels(written(tmp_path / "l", numbers, spans))
    for start in (0, 100, 4_321):
        found = labels.frames("b", start, 20, geometry)[:, 0] - 30
        own = np.arange(70) * 320 + 945 / 2
        for frame, label in enumerate(found):
            centre = start + frame * geometry.stride + geometry.receptive_field / 2
            assert abs(own[label] - centre) == np.abs(own - centre).min()
    assert labels.frames("a", 10**6, 2, geometry).tolist() == [[29], [29]]  # never another clip's
    with pytest.raises(InputError, match="none of clip c"):
        labels.frames("c", 0, 1, geometry)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="has shape"):
        PseudoLabels(written(tmp_path / "l", np.zeros((9, 1)), [("a", 0, 8)]))


def test_a_batch_has_the_labels_of_its_crops(made):
    folder, clips = made
    targets = PseudoLabels(folder / "ptapt")
    geometry = Geometry.of(build_scratch(ARCH, 0).config)
    given = settings(objective="p-tapt", crop_s=0.4)
    batches = Batches(clips, given, geometry, normalise, TAPT, targets)
    batch = batches.make(3)
    plain = Batches(clips, given, geometry, normalise, TAPT).make(3)
    assert torch.equal(batch.waveforms, plain.waveforms) and plain.targets is None
    epoch = batches._schedule.batch(3)[0]
    starts = {clip.utt: batches._start(index, epoch) for index, clip in enumerate(clips)}
    assert any(starts[utt] for utt in batch.utts)
    for row, utt in enumerate(batch.utts):
        count = int(batch.valid[row].sum())
        expected = targets.frames(utt, starts[utt], count, geometry)
        assert (batch.targets[row, :count].numpy() == expected).all()


def test_the_heads_have_the_published_number_of_weights():
    model = around(build_scratch(ARCH, 0))
    model.body.width = 768
    objective = build_objective("p-tapt", model, 0, sizes=(64, 512, 4096))
    counts = [sum(p.numel() for p in head.parameters()) for head in objective.heads]
    assert counts == [213_312, 328_448, 1_249_536]
    assert [round(count / 1e6, 2) for count in counts] == [0.21, 0.33, 1.25]


def test_the_loss_is_the_sum_of_cross_entropies_at_masked_frames():
    batch, sizes = toy_batch(), (4, 7)
    output = toy_output(batch)
    objective = build_objective("p-tapt", around(build_scratch(ARCH, 0)), 0, sizes=sizes)
    labels = np.random.default_rng(0).integers(0, 4, size=(*batch.valid.shape, 2))
    value, parts = objective.loss(output, with_targets(batch, labels))
    expected = 0.0
    for column, head in enumerate(objective.heads):
        hidden = np.maximum(output.hidden.detach().numpy()[batch.mask_array], 0)
        inner = np.tanh(hidden @ head[0].weight.detach().numpy().T + head[0].bias.detach().numpy())
        logits = inner @ head[2].weight.detach().numpy().T + head[2].bias.detach().numpy()
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        own = log_p[np.arange(len(log_p)), labels[batch.mask_array][:, column]]
        assert float(parts[f"loss_{sizes[column]}"]) == pytest.approx(-own.mean(), rel=1e-4)
        expected -= own.mean()
    assert float(value) == pytest.approx(expected, rel=1e-4)
    other = labels.copy()
    other[~batch.mask_array] = (other[~batch.mask_array] + 1) % 4
    assert objective.loss(output, with_targets(batch, other))[0] == value, (
        "only masked frames count"
    )


def with_targets(batch, labels):
    from dataclasses import replace

    return replace(batch, targets=torch.from_numpy(labels))


def test_only_the_transformer_is_trained_and_the_checkpoint_is_like_any_start(made, undisturbed):
    before = load_file(made[0] / "backbone/model.safetensors")
    after = load_file(undisturbed / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    trained = {name for name in before if name.startswith("wav2vec2.encoder.")}
    assert changed and changed <= trained
    assert {"wav2vec2.encoder.layer_norm.weight"} <= changed
    model = load_pretraining_model(undisturbed)
    assert model.config.hidden_size == ARCH["hidden_size"]
    names = {path.name for path in undisturbed.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "preprocessor_config.json", "log.tsv", "summary.json",
        "timing.json",
    }  # fmt: skip
    summary = json.loads((undisturbed / "summary.json").read_text())
    assert summary["objective"] == "p-tapt" and "perplexity_last" not in summary
    log = read_tsv(undisturbed / "log.tsv", ("loss", "loss_3", "loss_6", "accuracy_3"))
    assert np.allclose(log["loss"], log["loss_3"] + log["loss_6"], atol=2e-6)


def test_it_learns_to_predict_the_clusters(made, tmp_path):
    given = settings(objective="p-tapt", steps=60, learning_rate=5e-3)
    log = read_tsv(predict(made, tmp_path, given) / "log.tsv", ("loss",))
    assert log["loss"].iloc[-10:].mean() < 0.85 * log["loss"].iloc[:5].mean()


@pytest.mark.parametrize("step", [3, 6])
def test_killed_it_goes_on_as_if_it_had_not_been(made, undisturbed, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        stop_at(patch, step, terminate)
        predict(made, tmp_path)
    assert list((tmp_path / "state").glob("step*.pt"))
    out = predict(made, tmp_path)
    for name in ("model.safetensors", "config.json", "log.tsv", "summary.json"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert json.loads((out / "timing.json").read_text())["attempts"] == 2


def test_a_checkpoint_of_other_pseudo_labels_is_not_taken_up(made, tmp_path, monkeypatch, capsys):
    folder, clips = made
    targets = PseudoLabels(folder / "ptapt")
    monkeypatch.setattr(targets, "sha256", "of other clusters")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, 5, crash)
        args = (folder / "backbone", clips, GIVEN, TAPT, tmp_path / "out", tmp_path / "state")
        pretrain(*args, "cpu", 1, targets)
    predict(made, tmp_path)
    said = capsys.readouterr().err
    assert "other settings" in said and "resuming" not in said


def test_the_registry_says_that_it_uses_labels_and_it_stands_alone():
    assert [name for name, known in OBJECTIVES.items() if known.uses_labels] == ["p-tapt"]
    with pytest.raises(InputError, match="expected p-tapt by itself"):
        check_objective("p-tapt+eq1")
    with pytest.raises(InputError, match="without pseudo-labels"):
        build_objective("p-tapt", around(build_scratch(ARCH, 0)), 0)


@pytest.mark.parametrize("length,expected", [(100, 2), (60, 2), (59, 1), (20, 1)])
def test_at_least_two_spans_where_they_leave_half_of_the_clip(length, expected):
    mask = span_mask(np.array([length]), length, 0.001, 15, "test", length, least=2)[0]
    spans = int((np.diff(np.concatenate([[0], mask.astype(int)])) == 1).sum())
    total = expected * min(15, length // 2)
    assert mask.sum() == total and spans <= expected
    default = span_mask(np.array([length]), length, 0.3, 3, "test")
    assert (default == span_mask(np.array([length]), length, 0.3, 3, "test", least=1)).all()
