"""Contrastive acquisition against a loop and scikit-activeml."""

from math import log

import numpy as np
import pytest
from skactiveml.pool import ContrastiveAL
from sklearn.preprocessing import normalize

from tests.select.acquisition_pools import features, select
from tests.select.active_learners import ask


def by_loop(fields, neighbours):
    def direction(vector):
        return vector / np.linalg.norm(vector)

    scores = []
    for p, embedding in zip(fields["probs"], fields["embeddings"], strict=True):
        distances = [
            np.linalg.norm(direction(embedding) - direction(other))
            for other in fields["labelled_embeddings"]
        ]
        near = np.argsort(distances, kind="stable")[:neighbours]
        divergences = [
            sum(q[c] * log(q[c] / p[c]) for c in range(len(p)))
            for q in fields["labelled_probs"][near]
        ]
        scores.append(np.mean(divergences))
    return np.array(scores)


@pytest.mark.parametrize(("labelled", "neighbours"), [(40, 10), (40, 3), (4, 10), (1, 10)])
def test_scores_are_those_of_a_loop_also_with_few_labelled_clips(labelled, neighbours):
    fields = features(50, labelled=labelled, seed=1)
    expected = by_loop(fields, neighbours)
    selection = select("cal", fields, 12, neighbours=neighbours)
    assert list(selection.indices) == list(np.argsort(-expected)[:12])
    np.testing.assert_allclose(selection.scores, np.sort(expected)[::-1][:12], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_activeml(seed):
    fields = features(80, labelled=30, seed=seed)
    scaled = fields | {
        name: normalize(fields[name]) for name in ("embeddings", "labelled_embeddings")
    }
    query = ContrastiveAL(nearest_neighbors_dict={"n_neighbors": 10}, random_state=0)
    picks, utilities = ask(query, scaled, 1)
    selection = select("cal", fields, 80)
    assert selection.indices[0] == picks[0]
    np.testing.assert_allclose(selection.scores, utilities[0][selection.indices], atol=1e-5)


def test_length_of_an_embedding_does_not_matter():
    fields = features(30)
    longer = fields | {"embeddings": fields["embeddings"] * np.linspace(0.1, 9, 30)[:, None]}
    assert list(select("cal", fields, 9).indices) == list(select("cal", longer, 9).indices)


def test_a_clip_predicted_unlike_its_neighbours_is_first():
    fields = features(20, labelled=15)
    fields["labelled_probs"][:] = [0.97, 0.01, 0.01, 0.01]
    fields["probs"][:] = [0.97, 0.01, 0.01, 0.01]
    fields["probs"][13] = [0.01, 0.97, 0.01, 0.01]
    selection = select("cal", fields, 2)
    assert selection.indices[0] == 13 and selection.scores[1] == 0


def test_without_labelled_clips_there_is_nothing_to_compare_with():
    with pytest.raises(ValueError, match="needs labelled clips"):
        select("cal", features(9, labelled=0), 2)
