"""`mlx_finbert.evaluate_classifier`: the command `evaluate` as a function."""

import os
from typing import Any

from mlx_finbert.checkpoints.data_at_hand import load_for_model
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.sources.at_hand import is_at_hand
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import EvaluateSettings, complete, is_package
from mlx_finbert.evaluation.evaluate import Evaluation, run
from mlx_finbert.evaluation.measurable import Measurable
from mlx_finbert.keywords import from_keywords, takes_settings
from mlx_finbert.report.evaluation_folder import evaluation_folder, write_evaluation

OF_THE_COMMAND = ("json",)
"""Settings that have no meaning here."""


@takes_settings(EvaluateSettings, without=OF_THE_COMMAND)
def evaluate_classifier(
    model: str | os.PathLike[str], data: Any = None, **settings: Any
) -> Evaluation:
    """Measure a classifier on labelled texts, with 95% intervals.

    Rows whose texts the model saw in training or validation are left out.

    Args:
        model: folder or hub id of a fine-tuned model, or the result of `fine_tune`.
        data: as for `fine_tune`; None measures the test rows of the model's training run, which
            must have read them from a path or a name. Of other data, the test rows are measured if
            it marks some, otherwise all rows.
        settings: the flags of `python -m mlx_finbert.evaluate`, as parameters; `output=FOLDER`
            leaves the same files.

    Returns:
        The figures, with intervals and the measured rows; `str` gives what the command prints.

    Raises:
        InputError: if the model, the data or a setting cannot be used; names the parameter.
    """
    named = {"model": os.fspath(model)}
    if is_package(named["model"]):
        raise InputError(
            f"`model` is {named['model']}, an export: measure it with python -m"
            f" mlx_finbert.evaluate --model {named['model']} --data DATA"
        )
    if data is not None and not is_at_hand(data):
        named["data"] = os.fspath(data)
    given = from_keywords(EvaluateSettings, settings | named, without=OF_THE_COMMAND)
    if data is None or "data" in named:
        return evaluate(complete(given))
    return evaluate(*load_for_model(data, given, EvaluateSettings, "data"))


def evaluate(
    settings: EvaluateSettings,
    texts: LabelledTexts | None = None,
    model: Measurable | None = None,
) -> Evaluation:
    """Evaluate as the settings say; with an `output`, leave the folder.

    Args:
        settings: the settings.
        texts: the texts of `settings.data`; loaded if not given.
        model: the model that the settings name; loaded as a checkpoint if not given.

    Raises:
        FolderInUse: if another process uses the folder; names that process.
        InputError: if the data, the model or the folder cannot be used.
    """
    with evaluation_folder(settings) as folder:
        evaluation = run(settings, texts, model)
        if folder:
            write_evaluation(folder, evaluation, settings)
    return evaluation
