"""UA, WA, macro-F1 and confusion against brute force and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    recall_score,
)

from after_ser.core.errors import InputError
from after_ser.core.metrics import score

CLASSES = ["anger", "neutral", "sad", "happy"]


@pytest.fixture
def predictions():
    generator = np.random.default_rng(0)
    true = [CLASSES[index] for index in generator.choice(4, size=60, p=[0.1, 0.5, 0.2, 0.2])]
    return true, generator.dirichlet(np.ones(4), size=60)


def test_against_brute_force(predictions):
    true, probs = predictions
    predicted = [CLASSES[int(row.argmax())] for row in probs]
    result = score(true, probs, CLASSES)
    recalls, scores = [], []
    for row, name in enumerate(CLASSES):
        hits = sum(t == p == name for t, p in zip(true, predicted, strict=True))
        recalls.append(hits / true.count(name))
        scores.append(2 * hits / (true.count(name) + predicted.count(name)))
        assert result["recall"][name] == pytest.approx(recalls[-1])
        for column, other in enumerate(CLASSES):
            pairs = list(zip(true, predicted, strict=True))
            assert result["confusion"][row][column] == pairs.count((name, other))
    assert result["ua"] == pytest.approx(np.mean(recalls))
    assert result["macro_f1"] == pytest.approx(np.mean(scores))
    assert result["wa"] == pytest.approx(
        sum(t == p for t, p in zip(true, predicted, strict=True)) / 60
    )
    assert result["n"] == 60


def test_ua_is_sklearns_balanced_accuracy_and_differs_from_wa(predictions):
    true, probs = predictions
    predicted = [CLASSES[int(row.argmax())] for row in probs]
    result = score(true, predicted, CLASSES)
    assert result["ua"] == pytest.approx(balanced_accuracy_score(true, predicted))
    assert result == score(true, probs, CLASSES)
    skewed = score(["anger", "sad", "sad", "sad"], ["sad"] * 4, CLASSES)
    assert (skewed["ua"], skewed["wa"]) == (0.5, 0.75)


@pytest.mark.parametrize("seed", range(20))
def test_everything_is_what_scikit_learn_gives(seed):
    generator = np.random.default_rng(seed)
    true = [CLASSES[index] for index in generator.integers(0, 2 + seed % 3, size=1 + seed)]
    predicted = [CLASSES[index] for index in generator.integers(0, 4, size=1 + seed)]
    present = [name for name in CLASSES if name in true]
    result = score(true, predicted, CLASSES)
    recalls = recall_score(true, predicted, labels=present, average=None, zero_division=0)
    assert [result["recall"][name] for name in present] == recalls.tolist()
    assert result["ua"] == recalls.mean()
    assert result["wa"] == accuracy_score(true, predicted)
    f1 = f1_score(true, predicted, labels=present, average="macro", zero_division=0)
    assert result["macro_f1"] == f1
    matrix = confusion_matrix(true, predicted, labels=CLASSES)
    assert result["confusion"] == matrix.tolist()


def test_a_class_without_test_clips_counts_for_nothing():
    result = score(["anger", "sad", "sad"], ["anger", "happy", "sad"], CLASSES)
    assert result["ua"] == pytest.approx((1 + 0.5) / 2)
    assert result["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["recall"] == {"anger": 1.0, "neutral": None, "sad": 0.5, "happy": None}
    assert np.sum(result["confusion"]) == 3


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        (["anger"], [[np.nan, 0, 0, 1]], "NaN or infinity"),
        (["anger"], [[0.5, np.inf, 0, 0]], "NaN or infinity"),
        (["anger"], [[0.5, 0.5]], "expected \\[clips, 4\\]"),
        (["anger"], ["fear"], "unknown label 'fear'"),
        (["fear"], ["anger"], "unknown label 'fear'"),
        (["anger", "sad"], ["anger"], "1 predictions for 2 labels"),
        ([], [], "no clip"),
    ],
)
def test_wrong_input_is_one_line(true, predicted, message):
    with pytest.raises(InputError, match=message) as error:
        score(true, np.array(predicted) if predicted else predicted, CLASSES)
    assert "\n" not in str(error.value)
