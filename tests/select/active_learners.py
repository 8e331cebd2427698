"""A classifier for scikit-activeml whose outputs are given."""

import numpy as np
from skactiveml.base import SkactivemlClassifier


class Given(SkactivemlClassifier):
    """Returns probabilities and embeddings by the row number that stands in the first column."""

    def __init__(self, probs, embeddings):
        super().__init__(classes=list(range(probs.shape[1])))
        self.probs, self.embeddings = probs, embeddings

    def fit(self, X, y, sample_weight=None):  # noqa: N803
        return self

    def predict_proba(self, X, **options):  # noqa: N803
        rows = X[:, 0].astype(int)
        return self.probs[rows].copy(), self.embeddings[rows]


def ask(query, fields, k, **options):
    """Return the picks in the pool and the utilities of a scikit-activeml query, pool first."""
    n, labelled = len(fields["probs"]), len(fields["labelled_probs"])
    classifier = Given(
        np.concatenate([fields["probs"], fields["labelled_probs"]]),
        np.concatenate([fields["embeddings"], fields["labelled_embeddings"]]),
    )
    y = np.concatenate([np.full(n, np.nan), np.zeros(labelled)])
    rows = np.arange(n + labelled, dtype=float)[:, None]
    picks, utilities = query.query(
        rows, y, classifier, fit_clf=False, batch_size=k, return_utilities=True, **options
    )
    return picks, utilities[:, :n]
