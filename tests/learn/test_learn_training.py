"""The training loop: early stopping, the epoch that is kept, and going on after any step."""

import numpy as np
import pytest
import torch
from stopped_training import crash, stop_at

from after_ser.core.errors import InputError
from after_ser.learn.losses import val_scores
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.training import Training, gradients_of

DATA = torch.linspace(-1, 1, 12).view(6, 2)  # three steps of two in each epoch
SCORES = [0.5, 0.3, 0.4, 0.2, 0.6, 0.6, 0.1]


def taken(stopping, scores):
    """Return (whether each score is the best so far, how many were taken until it stopped)."""
    best = []
    for epoch, score in enumerate(scores, 1):
        best.append(stopping.update(epoch, score))
        if stopping.stop:
            break
    return best


@pytest.mark.parametrize(
    ("patience", "epochs", "kept"), [(0, 7, 7), (1, 3, 2), (2, 6, 4), (3, 7, 7)]
)
def test_training_ends_after_so_many_epochs_without_a_better_score(patience, epochs, kept):
    for mode, sign in (("min", 1), ("max", -1)):
        stopping = EarlyStopping(patience, mode)
        assert len(taken(stopping, [sign * score for score in SCORES])) == epochs
        assert (stopping.best_epoch, stopping.best) == (kept, sign * SCORES[kept - 1])


def test_the_first_of_equal_scores_is_kept():
    stopping = EarlyStopping(3, "max")
    assert taken(stopping, [0.5, 0.6, 0.6, 0.55, 0.5]) == [True, True, False, False, False]
    assert stopping.best_epoch == 2


def test_a_score_that_is_better_by_less_than_the_threshold_is_kept_and_waited_after():
    for mode, sign in (("max", 1), ("min", -1)):
        stopping = EarlyStopping(2, mode, threshold=0.02)
        assert taken(stopping, [sign * s for s in (0.5, 0.51, 0.525, 0.9)]) == [True] * 3
        assert stopping.best_epoch == 3


def test_keeping_the_last_epoch_nothing_stops():
    stopping = EarlyStopping(1, keep_last=True)
    assert taken(stopping, SCORES) == [False] * 7 and stopping.best_epoch == 7


def test_val_scores_are_log_loss_and_mean_recall_of_the_classes_there():
    probs = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    loss, ua = val_scores(probs, [0, 1, 1])
    assert loss == pytest.approx(-np.log([0.5, 0.8, 0.3]).mean()) and ua == 0.75


class Saved:
    """A Progress that keeps the state of every step, as it would come back from a file."""

    def __init__(self, state=None):
        self.states, self._state = [], state

    def resume(self):
        return self._state

    def reached(self, step, state):
        torch.save(state(), path := self.folder / f"{len(self.states)}.pt")
        self.states.append(torch.load(path, weights_only=True))


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.setattr(Saved, "folder", tmp_path, raising=False)
    return Saved


def training(progress=None, scores=SCORES, patience=2, **changes):
    """Six epochs by SCORES, of a network with dropout; Adam and a falling rate."""
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))

    def measure(epoch, rows):
        assert len(rows) == 3
        row = {"epoch": epoch, "train_loss": sum(row["loss"] for row in rows)}
        return row, scores[epoch - 1]

    given = {
        "name": "toy",
        "model": model,
        "optimiser": torch.optim.Adam(model.parameters(), lr=0.1),
        "epochs": len(scores),
        "seed": ("toy", 1),
        "batches": lambda epoch, done: DATA.roll(epoch, 0).split(2)[done:],
        "gradients": lambda batch: gradients_of((model(batch) - 1).square().mean()),
        "measure": measure,
        "stopping": EarlyStopping(patience),
        "rate": lambda epoch, step: 0.1 / (1 + step),
        "clip_norm": 1.0,
        "progress": progress,
    }
    return Training(**(given | changes))


def weights(one):
    return torch.cat([value.flatten() for value in one.model.state_dict().values()])


def test_the_weights_of_the_best_epoch_are_restored_and_the_last_ones_where_asked():
    best = training().run()
    assert len(best.history) == 6 and best.stopping.best_epoch == 4
    short = training(scores=SCORES[:4]).run()
    assert torch.equal(weights(best), weights(short))
    last = training(scores=SCORES[:6])
    last.stopping = EarlyStopping(1, keep_last=True)
    assert len(last.run().history) == 6 and not torch.equal(weights(last), weights(best))


@pytest.mark.parametrize("scores", [SCORES, SCORES[:4]], ids=["patience", "most epochs"])
def test_it_goes_on_after_any_step_with_the_same_bytes(saved, scores):
    first = saved()
    whole = training(first, scores).run()
    assert len(first.states) == 3 * len(whole.history) + 1
    for state in first.states:
        made = training(saved(state), scores)
        torch.manual_seed(77)
        made.run()
        assert torch.equal(weights(made), weights(whole))
        assert (made.rows, made.history) == (whole.rows, whole.history)
        assert made.stopping == whole.stopping


def test_no_step_is_made_twice(saved, monkeypatch):
    first = saved()
    training(first).run()
    for number in (1, 3, 17, 18):
        with monkeypatch.context() as patch:
            made = stop_at(patch, -1, crash)
            training(saved(first.states[number - 1])).run()
        assert made == list(range(number + 1, 19))


def test_what_is_not_finite_is_refused_before_it_reaches_the_weights():
    one = training(clips=lambda batch: [f"c{i}" for i in range(12)])
    one.gradients = lambda batch: gradients_of(one.model(batch).sum() * torch.nan)
    before = weights(one)
    with pytest.raises(InputError) as caught:
        one.run()
    assert "toy: the loss is nan at step 1 (c0, c1" in str(caught.value)
    assert "c7, …)" in str(caught.value) and "learning_rate, 0.1 at" in str(caught.value)
    assert torch.equal(weights(one), before)
    with pytest.raises(InputError, match="toy: .* inf after epoch 2"):
        training(scores=[0.5, float("inf"), 0.1]).run()


@pytest.mark.parametrize(("largest", "moved"), [(1e-3, 1e-3), (0.0, None)])
def test_a_gradient_is_no_longer_than_asked_for(largest, moved):
    one = training(clip_norm=largest, rate=lambda epoch, step: 1.0)
    one.optimiser = torch.optim.SGD(one.model.parameters(), lr=1.0)
    before = weights(one)
    one.step(DATA)
    length = float((weights(one) - before).norm())
    assert length == pytest.approx(moved, rel=1e-2) if moved else length > 0.01


def test_every_step_has_the_rate_of_its_number():
    asked = []
    one = training(scores=SCORES[:2], rate=lambda epoch, step: asked.append((epoch, step)) or 0.5)
    one.run()
    assert asked == [(1, 0), (1, 1), (1, 2), (2, 3), (2, 4), (2, 5)]
    assert one.optimiser.param_groups[0]["lr"] == 0.5
