"""A model that predicts one label for all texts is told."""

import json
import logging
from dataclasses import fields

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.cli.messages import with_flags
from mlx_finbert.train import main
from mlx_finbert.training.collapse import collapse_warning
from mlx_finbert.training.config import TrainSettings

LABELS = ["down", "flat", "up"]


def warning(predicted, true, **settings):
    own = TrainSettings(**settings).for_model(384, is_fresh=True)
    return collapse_warning(np.eye(3)[predicted], np.array(true), LABELS, own)


def test_one_label_for_all():
    assert warning([1] * 300, [0, 1, 2] * 100) == (
        "all 300 validation rows are predicted as 'flat', although 200 have another label: the"
        " model has collapsed to one label; train again with a lower `learning_rate` than 0.0001,"
        " more `num_train_epochs` than 4 or `class_weights=balanced`"
    )


def test_nearly_all_is_less_than_a_tenth_of_the_rows_with_other_labels():
    true = [0, 1, 2] * 100
    found = warning([0] * 19 + [1] * 281, true)
    assert found.startswith("281 of 300 validation rows are predicted as 'flat'")
    assert warning([0] * 20 + [1] * 280, true) is None


def test_a_rare_label_is_not_expected_often():
    true = [1] * 990 + [0] * 10
    assert warning([1] * 999 + [0], true) is None
    assert "although 10 have another label" in warning([1] * 1000, true)


def test_rows_of_one_label_show_no_collapse():
    assert warning([2] * 50, [2] * 50) is None
    # Of another label, they do.
    assert "all 50 validation rows are predicted as 'up'" in warning([2] * 50, [0] * 50)


def test_the_remedies_are_those_that_are_left():
    found = warning(
        [1] * 30, [0, 1, 2] * 10, max_steps=50, learning_rate=0.02, class_weights=["balanced"]
    )
    assert found.endswith("with a lower `learning_rate` than 0.02 or more `max_steps` than 50")


@pytest.fixture
def arguments(checkpoint, tmp_path, write_news):
    """Flags of a run whose head prefers one label, however little it learns."""
    table = write_news(tmp_path / "news.csv", 30)
    model = checkpoint()
    weights = mx.load(str(model / "model.safetensors"))
    weights["classifier.bias"] = mx.array([0.0, 9.0, 0.0])
    mx.save_safetensors(str(model / "model.safetensors"), weights)
    argv = ["--model", str(model), "--data", str(table), "--batch-size", "8"]
    return [*argv, "--output-dir", str(tmp_path / "run"), "--max-steps", "3"]


@pytest.mark.parametrize("more", [[], ["--no-calibration"]])
def test_a_run_warns_once_and_its_report_says_it(arguments, tmp_path, caplog, more):
    assert main([*arguments, "--learning-rate", "1e-6", *more]) == 0
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "validation rows are predicted as 'neutral'" in record.getMessage()
    flags = {field.name for field in fields(TrainSettings)}
    assert with_flags(record.getMessage(), flags).endswith(
        "a lower --learning-rate than 1e-06, more --max-steps than 3 or --class-weights balanced"
    )
    notes = json.loads((tmp_path / "run" / "metrics.json").read_text())["notes"]
    assert sum("the model has collapsed to one label" in note for note in notes) == 1
    assert "the model has collapsed to one label" in (tmp_path / "run/report.html").read_text()


def test_a_model_that_has_learned_is_not_warned_of(arguments, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    assert main([*arguments, "--learning-rate", "1e-2", "--max-steps", "40", "--new-head"]) == 0
    assert "collapsed" not in caplog.text
