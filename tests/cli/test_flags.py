"""Error messages for flags and values that a command does not take."""

import dataclasses

import pytest

from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import flag_of
from mlx_finbert.convert.settings import (
    FuseSettings,
    ToCoremlSettings,
    ToMlxSettings,
    VerifySettings,
)
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import CompareSettings, EvaluateSettings
from mlx_finbert.flag_names import OTHER_NAMES
from mlx_finbert.inference.config import PredictSettings
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.train import main
from mlx_finbert.training.config import TrainSettings

COMMANDS = (
    PretrainSettings,
    TrainSettings,
    EvaluateSettings,
    PredictSettings,
    ToMlxSettings,
    FuseSettings,
    ToCoremlSettings,
    VerifySettings,
    CompareSettings,
)


def error_of(settings_class, *argv):
    with pytest.raises(InputError) as caught:
        parse(settings_class, "mlx_finbert.it", "", argv)
    told, _, rest = str(caught.value).partition(" (see python -m mlx_finbert.it --help)")
    assert not rest
    return told


@pytest.mark.parametrize(
    ("settings_class", "unknown", "meant"),
    [
        (TrainSettings, "--lr", "--learning-rate"),
        (TrainSettings, "--epochs", "--num-train-epochs"),
        (TrainSettings, "--num_epochs", "--num-train-epochs"),
        (TrainSettings, "--schedule", "--lr-scheduler-type"),
        (TrainSettings, "--best-metric", "--metric-for-best-model"),
        (TrainSettings, "--label-smoothing", "--label-smoothing-factor"),
        (TrainSettings, "--early-stopping-min-delta", "--early-stopping-threshold"),
        (TrainSettings, "--per-device-train-batch-size", "--batch-size"),
        (TrainSettings, "--learning-rat", "--learning-rate"),
        (TrainSettings, "--learning_rate", "--learning-rate"),
        (TrainSettings, "--output", "--output-dir"),
        (TrainSettings, "-o", "--output-dir"),
        (TrainSettings, "--input", "--data"),
        (TrainSettings, "--iters", "--max-steps"),
        (TrainSettings, "--eval_steps", "--eval-steps"),
        (TrainSettings, "--fp16", "--dtype"),
        (TrainSettings, "--no-calibrate", "--no-calibration"),
        (TrainSettings, "--resume", "--resume-from-checkpoint"),
        (EvaluateSettings, "--seed", "--split-seed"),
        (EvaluateSettings, "--test-file", "--data"),
        (PredictSettings, "--data", "--input"),
        (PredictSettings, "--output-dir", "--output"),
        (PredictSettings, "--overwrite", "--overwrite-parts"),
        (ToMlxSettings, "--output-dir", "--output"),
        (ToMlxSettings, "--hf-path", "--model"),
        (ToMlxSettings, "--q-bits", "--quantize"),
        (ToCoremlSettings, "--dtype", "--precision"),
        (ToCoremlSettings, "--int8", "--compress"),
        (ToCoremlSettings, "--max-length", "--lengths"),
        (FuseSettings, "--save-path", "--output"),
        (VerifySettings, "--mlpackage", "--package"),
    ],
)
@pytest.mark.parametrize("value", [["x"], []], ids=["value", "alone"])
def test_an_unknown_flag_leads_to_the_one_that_is_meant(settings_class, unknown, meant, value):
    told = error_of(settings_class, unknown, *value)
    assert told == f"there is no flag {unknown}; did you mean {meant}?"
    assert error_of(settings_class, f"{unknown}=3") == told


@pytest.mark.parametrize("unknown", ["--zzz", "--cuda"])
def test_a_flag_that_is_like_none(unknown):
    assert error_of(TrainSettings, unknown, "3") == f"there is no flag {unknown}"


def test_other_names_are_of_flags_that_exist_and_are_not_flags_beside_them():
    flags = [{flag_of(field.name) for field in dataclasses.fields(command)} for command in COMMANDS]
    for own, others in OTHER_NAMES.items():
        having = [names for names in flags if own in names]
        assert own in set().union(*flags), own
        # Each of the other names is unknown in at least one command that has the flag.
        for other in others:
            assert any(other not in names for names in having), (own, other)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--num-train-epochs", "x"], "--num-train-epochs is 'x', not a whole number"),
        (["--num-train-epochs", "2.5"], "--num-train-epochs is '2.5', not a whole number"),
        (["--num-train-epochs="], "--num-train-epochs is '', not a whole number"),
        (["--learning-rate", "fast"], "--learning-rate is 'fast', not a number"),
        (["--num-train-epochs"], "--num-train-epochs needs a value: write --num-train-epochs N"),
        (
            ["--num-train-epochs", "--overwrite"],
            "--num-train-epochs needs a value: write --num-train-epochs N",
        ),
        (["--config"], "--config needs a value: write --config FILE"),
        (["--labels"], "--labels needs a value: write --labels A,B,..."),
        (
            ["--dtype", "fp16"],
            "--dtype is 'fp16', not one of float32, bfloat16, float16; did you mean float16?",
        ),
        (["--lr-scheduler-type", "zzz"], "--lr-scheduler-type is 'zzz', not one of "),
        (
            ["--overwrite=yes"],
            "--overwrite takes no value: write --overwrite or --no-overwrite alone",
        ),
        (["--overwrite", "true"], "--overwrite takes no value: remove 'true'"),
        (
            ["--data", "my", "news.csv"],
            "'news.csv' does not belong to any flag: write --flag VALUE",
        ),
        (["runs/x"], "'runs/x' does not belong to any flag: write --flag VALUE"),
        (["--epoch", "3"], "there is no flag --epoch; did you mean --num-train-epochs?"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(argv, words):
    told = error_of(TrainSettings, *argv)
    assert told.startswith(words)
    assert "\n" not in told and "argument" not in told


def test_lists_of_numbers_name_their_kind():
    told = error_of(ToCoremlSettings, "--lengths", "3,x")
    assert told == "--lengths is '3,x', not a list A,B,... in which every item is a whole number"


def test_values_may_begin_with_a_dash():
    given = parse(TrainSettings, "it", "", ["--labels", "-1,0,1", "--model", "-x"])
    assert given.labels == ["-1", "0", "1"] and given.model == "-x"


def test_texts_that_begin_with_a_dash():
    assert "put -- before texts" in error_of(PredictSettings, "--model", "m", "-5%")
    given = parse(PredictSettings, "it", "", ["--model", "m", "--", "-5%", "--up"])
    assert given.texts == ["-5%", "--up"]


def test_through_the_command(capsys):
    assert main(["--lr", "3"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no flag --lr; did you mean --learning-rate?"
        " (see python -m mlx_finbert.train --help)\n"
    )
