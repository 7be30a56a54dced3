import json

import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.folds import make_folds
from mlx_finbert.evaluation.metrics import bootstrap_intervals, measure
from mlx_finbert.training.cross_validation import cross_validate, spread

LABELS = ["down", "flat", "up"]


@pytest.fixture
def data():
    labels = np.random.default_rng(0).integers(0, 3, 61).astype(np.int32)
    return LabelledTexts(["x" * (i + 1) for i in range(61)], labels, LABELS, "made")


def logits_of(texts):
    """Logits that depend only on the length of each text, so that rows can be told apart."""
    rows = [np.random.default_rng(len(text)).normal(size=3) for text in texts]
    return np.array(rows, dtype=np.float32)


def train_one(fold, parts):
    return logits_of(parts.test.texts), parts.test.label_ids


def test_predictions_come_together_in_the_order_of_the_source(data):
    splits = make_folds(data, 4)
    found = cross_validate(splits, train_one)
    np.testing.assert_array_equal(found.rows, np.arange(61))
    np.testing.assert_array_equal(found.label_ids, data.label_ids)
    np.testing.assert_array_equal(found.logits, logits_of(data.texts))
    assert found.logits.dtype == np.float32
    for number, fold in enumerate(splits):
        np.testing.assert_array_equal(np.flatnonzero(found.fold_of_row == number), fold.test_rows)


def test_figures(data):
    splits = make_folds(data, 4)
    found = cross_validate(splits, train_one)
    folds = [measure(*train_one(i, fold)) for i, fold in enumerate(splits)]
    figures = json.loads(json.dumps(found.to_dict(LABELS), allow_nan=False))
    for name in ("loss", "accuracy", "macro_f1"):
        values = [getattr(fold, name) for fold in folds]
        assert figures["mean"][name] == pytest.approx(np.mean(values))
        squares = np.sum((values - np.mean(values)) ** 2)
        assert figures["std"][name] == pytest.approx(np.sqrt(squares / 3))
        assert [fold[name] for fold in figures["folds"]] == pytest.approx(values)
    pooled = measure(logits_of(data.texts), data.label_ids)
    assert figures["pooled"]["accuracy"] == pooled.accuracy
    assert figures["pooled"]["labels"].keys() == set(LABELS)
    expected = bootstrap_intervals(pooled)["macro_f1"]
    assert figures["pooled"]["intervals_95"]["macro_f1"] == expected.tolist()


def test_each_fold_is_trained_once_in_order(data):
    seen = []

    def watched(fold, parts):
        seen.append((fold, parts))
        return train_one(fold, parts)

    splits = make_folds(data, 4)
    cross_validate(splits, watched)
    assert seen == list(enumerate(splits))


def test_the_table(data):
    found = cross_validate(make_folds(data, 4), train_one)
    lines = str(found).splitlines()
    assert lines[0].split() == ["fold", "rows", "loss", "accuracy", "macro_f1"]
    assert [line.split()[0] for line in lines[1:7]] == ["1", "2", "3", "4", "mean", "std"]
    assert lines[1].split()[3] == f"{found.folds[0].accuracy:.4f}"
    assert lines[5].split()[2] == f"{spread(found.folds)['mean']['accuracy']:.4f}"
    low, high = found.intervals["accuracy"]
    assert f"accuracy   {found.pooled.accuracy:.4f}  {low:.4f} to {high:.4f}" in lines


def test_predictions_for_other_rows_are_refused(data):
    with pytest.raises(ValueError, match="fold 0: 2 rows of logits and 2 labels for 16 test rows"):
        cross_validate(make_folds(data, 4), lambda *_: (np.zeros((2, 3)), np.zeros(2, int)))
