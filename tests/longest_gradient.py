"""A strategy that needs gradients, as somebody would add it: this file, and one registry line."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from after_ser.select.base import Floats, PoolView, ScoringStrategy
from after_ser.select.features import Inputs


class LongestGradient(ScoringStrategy):
    """The clips that would change the last layer most if the model's own guess were their label.

    Expected gradient length (Settles, Craven & Ray 2007) with the predicted label in place of the
    expectation. Cost O(N C D).
    """

    def scores(self, pool: PoolView) -> Floats:
        """Return the Euclidean norm of each clip's gradient, [N]."""
        norms: Floats = np.linalg.norm(pool.get("gradients"), axis=1)
        return norms


def gradients(inputs: Inputs) -> Floats:
    """Return the gradient of the cross-entropy at the predicted class in the last layer, [N, W].

    W is the number of the layer's weights and biases.
    """
    clips, parameters = inputs.clips(inputs.pool), list(inputs.model.head.output.parameters())
    rows = np.zeros((len(clips.utts), sum(values.numel() for values in parameters)))
    for batch, latents, lengths in inputs.batches(clips):
        logits = inputs.model(latents, lengths)
        for row, own in zip(batch, logits, strict=True):
            loss = cross_entropy(own, own.argmax())
            parts = torch.autograd.grad(loss, parameters, retain_graph=True)
            rows[row] = torch.cat([part.flatten() for part in parts]).double().cpu().numpy()
    return rows
