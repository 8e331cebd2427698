"""What strategies are shown of the model: in the right order, declared, and added in one file."""

import numpy as np
import pandas as pd
import pytest
from finetune_clips import CLASSES, CPU, random_clips, write_latents, write_start
from workflow_runs import resolved, tiny

from after_ser.core.errors import InputError
from after_ser.learn.finetune.embeddings import embed, mc_probabilities
from after_ser.model.classifier import save_classifier, start_classifier
from after_ser.select.badge import GradientEmbeddings
from after_ser.select.features import Inputs, compute
from after_ser.select.query import make_query
from after_ser.select.registry import MODEL, STRATEGIES, Entry, Feature
from after_ser.tools.cluster.requests import Requests

POOL, LABELLED = (7, 2, 11, 5), (9, 0)
GRADIENTS = Feature("gradients", "longest_gradient:gradients", MODEL)
#: The one line of the registry that the strategy of tests/longest_gradient.py needs.
LONGEST = Entry("longest_gradient:LongestGradient", (GRADIENTS,), per_clip=True)


@pytest.fixture(scope="module")
def clips():
    return random_clips(12)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return start_classifier(
        write_start(tmp_path_factory.mktemp("start")), CLASSES, "mean-relu-linear", 1
    )


@pytest.fixture(scope="module")
def files(model, clips, tmp_path_factory):
    """Every input that a feature may read."""
    folder = tmp_path_factory.mktemp("round")
    latents = write_latents(folder / "latents", clips)
    np.save(latents / "surprisal.npy", np.arange(12)[:, None] * np.ones((12, 3)))
    weights, config = folder / "model.safetensors", folder / "config.json"
    save_classifier(model, weights, config)
    return {
        "model": [weights, config],
        "latents": [latents / "latents.npy"],
        "cnn_latents": [latents / "latents.npy"],
        "surprisal": [latents / "surprisal.npy"],
    }


@pytest.fixture
def inputs_of(files, clips):
    """Return the inputs of a query by the strategy of an entry: what it reads, and no more."""

    def make(entry):
        pool, labelled = ([clips.utts[row] for row in rows] for rows in (POOL, LABELLED))
        own = {name: files[name] for name in entry.reads}
        return Inputs(pool, labelled, own, ("s",), CPU)

    return make


def test_features_come_in_the_order_of_the_sorted_clips(inputs_of, model, clips):
    features = {
        feature.name: values
        for entry in STRATEGIES.values()
        for feature in entry.features
        for values in [compute(entry, inputs_of(entry), {"passes": 2}).get(feature.name)]
    }
    assert features.pop("probs") is None, "pool.tsv has them"
    pool, labelled = sorted(POOL), sorted(LABELLED)
    embedded, close = embed(model, clips, CPU), {"atol": 1e-5}
    np.testing.assert_allclose(features["embeddings"], embedded.embeddings[pool], **close)
    np.testing.assert_allclose(features["labelled_probs"], embedded.probs[labelled], **close)
    known = embedded.embeddings[labelled]
    np.testing.assert_allclose(features["labelled_embeddings"], known, **close)
    passes = mc_probabilities(model, clips, 2, ("s",), CPU)
    np.testing.assert_allclose(features["mc_probs"], passes[pool], **close)
    np.testing.assert_array_equal(features["surprisal"][:, 0], pool)
    means = np.stack([clips.frames[row].mean(0) for row in pool])
    np.testing.assert_allclose(features["cnn_means"], means)


def test_a_strategy_gets_the_features_of_its_entry_alone(inputs_of):
    for name, entry in STRATEGIES.items():
        features = compute(entry, inputs_of(entry), {"passes": 2})
        assert set(features) == {one.name for one in entry.features} - {"probs"}, name


def test_a_strategy_of_ones_own_brings_its_view_of_the_model(inputs_of, model, clips, monkeypatch):
    monkeypatch.setitem(STRATEGIES, "longest_gradient", LONGEST)
    pool = [clips.utts[row] for row in POOL]
    table = pd.DataFrame({"utt": pool, **{f"p_{name}": 0.25 for name in CLASSES}})
    features = compute(LONGEST, inputs_of(LONGEST), {})
    embedded = embed(model, clips, CPU)
    rows = sorted(POOL)
    badge = GradientEmbeddings(embedded.probs[rows], embedded.embeddings[rows])
    bias = np.square(badge.residual).sum(axis=1)  # BADGE's gradients are those of the weights
    lengths = pd.Series(
        np.sqrt(badge.squared_norms + bias), index=[clips.utts[row] for row in rows]
    )
    for selection in ("top-k", "argpartition"):
        query = make_query(
            table, "longest_gradient", 2, ("s",), features=features, selection=selection
        )
        assert set(query["utt"]) == set(lengths.nlargest(2).index)
        np.testing.assert_allclose(query["score"], lengths[query["utt"]], rtol=1e-4)


def test_what_runs_the_model_asks_for_a_gpu(monkeypatch):
    config = resolved(tiny() | {"device": "auto", "gpus_per_job": 1})
    monkeypatch.setitem(STRATEGIES, "longest_gradient", LONGEST)
    own = Entry("x:X", (Feature("x", "x:x", frozenset({"surprisal"})),))
    monkeypatch.setitem(STRATEGIES, "of_files", own)
    wildcards = {"dataset": "merged", "backbone": "toy", "protocol": "paper", "start": "pretrained"}
    gpus = {
        name: Requests(config)
        .request("acquire_with_features", {**wildcards, "strategy": name, "round": "1"})
        .gpus
        for name in ("longest_gradient", "badge", "of_files", "kmeans")
    }
    assert gpus == {"longest_gradient": 1, "badge": 1, "of_files": 0, "kmeans": 0}


def test_a_feature_that_reads_more_than_its_entry_says_is_refused(inputs_of):
    undeclared = Entry("x:X", (Feature("gradients", "longest_gradient:gradients"),))
    with pytest.raises(ValueError, match="reads latents"):
        compute(undeclared, inputs_of(undeclared), {})


def test_a_feature_without_a_row_per_clip_is_refused(inputs_of):
    wrong = Feature("labelled_gradients", "longest_gradient:gradients", MODEL)
    entry = Entry("x:X", (wrong,))
    with pytest.raises(ValueError, match="gradients: 4 rows; .* 2 clips"):
        compute(entry, inputs_of(entry), {})


def test_surprisal_that_was_cut_is_refused_in_one_line(inputs_of, files, clips, tmp_path):
    latents = write_latents(tmp_path, clips)
    np.save(latents / "surprisal.npy", np.ones((11, 3)))
    inputs = Inputs([clips.utts[0]], [], {"surprisal": [latents / "surprisal.npy"]}, (), CPU)
    with pytest.raises(InputError, match="11 rows for 12 clips"):
        compute(STRATEGIES["alps"], inputs, {})
