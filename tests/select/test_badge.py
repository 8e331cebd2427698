"""BADGE against explicit gradient embeddings and scikit-activeml."""

import numpy as np
import pytest
import torch
from skactiveml.pool import Badge
from sklearn.metrics import pairwise_distances

from after_ser.select.badge import GradientEmbeddings
from tests.select.acquisition_pools import features, rows, select
from tests.select.active_learners import ask


def explicit(fields):
    """Return the [N, C D] matrix of gradients that the strategy never makes."""
    probs = fields["probs"]
    residual = probs - np.eye(probs.shape[1])[probs.argmax(axis=1)]
    return np.einsum("nc,nd->ncd", residual, fields["embeddings"]).reshape(len(probs), -1)


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_of_the_explicit_matrix(seed):
    fields = features(50, seed=seed)
    full = explicit(fields)
    factorised = GradientEmbeddings(fields["probs"], fields["embeddings"])
    np.testing.assert_allclose(factorised.squared_norms, (full**2).sum(axis=1), rtol=1e-12)
    expected = pairwise_distances(full) ** 2
    found = [factorised.squared_distances(index) for index in range(50)]
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert all(found[index][index] == 0 for index in range(50))


def test_the_embedding_is_the_gradient_of_the_cross_entropy_at_the_predicted_class():
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(6, 5, generator=draw, dtype=torch.float64)
    layer = torch.nn.Linear(5, 4, bias=False).double()
    logits = layer(hidden)
    losses = torch.nn.functional.cross_entropy(logits, logits.argmax(dim=1), reduction="none")
    gradients = [torch.autograd.grad(loss, layer.weight, retain_graph=True)[0] for loss in losses]
    full = torch.stack(gradients).reshape(6, -1).numpy()
    probs = torch.softmax(logits, dim=1).detach().numpy()
    np.testing.assert_allclose(
        [GradientEmbeddings(probs, hidden.numpy()).squared_distances(i) for i in range(6)],
        pairwise_distances(full) ** 2,
        atol=1e-12,
    )


def test_the_first_two_draws_have_the_chances_of_scikit_activeml():
    """It counts the origin as a centre, the reference code of the paper does not."""
    fields = features(60)
    picks, utilities = ask(Badge(random_state=0), fields, 2)
    ours = select("badge", fields, 2)
    assert ours.indices[0] == picks[0]
    gradients = GradientEmbeddings(fields["probs"], fields["embeddings"])
    weights = np.minimum(gradients.squared_norms, gradients.squared_distances(picks[0]))
    others = np.arange(60) != picks[0]
    np.testing.assert_allclose((weights / weights.sum())[others], utilities[1][others], atol=1e-9)


def test_draws_follow_the_squared_distances():
    fields = features(8, seed=2)
    squared = pairwise_distances(explicit(fields)) ** 2
    batches = [select("badge", fields, 3, seed=seed).indices for seed in range(3000)]
    first = int((explicit(fields) ** 2).sum(axis=1).argmax())
    assert {batch[0] for batch in batches} == {first}
    second = np.bincount([batch[1] for batch in batches], minlength=8) / len(batches)
    np.testing.assert_allclose(second, squared[first] / squared[first].sum(), atol=0.03)
    common = int(np.argmax(second))
    nearest = np.minimum(squared[first], squared[common])
    third = np.bincount([b[2] for b in batches if b[1] == common], minlength=8)
    np.testing.assert_allclose(third / third.sum(), nearest / nearest.sum(), atol=0.06)


def test_scores_are_the_distances_at_the_time_of_the_pick():
    fields = features(30)
    squared = pairwise_distances(explicit(fields)) ** 2
    selection = select("badge", fields, 10)
    picks = list(selection.indices)
    assert selection.scores[0] == pytest.approx((explicit(fields)[picks[0]] ** 2).sum())
    expected = [squared[pick, picks[:step]].min() for step, pick in enumerate(picks) if step]
    np.testing.assert_allclose(selection.scores[1:], expected, atol=1e-10)


def test_copies_are_picked_only_when_nothing_else_is_left():
    fields = rows(features(10, dimensions=200), np.repeat(np.arange(10), 4))
    for seed in range(20):
        picks = select("badge", fields, 15, seed=seed).indices
        assert len({pick // 4 for pick in picks[:10]}) == 10
