"""Measure a classifier on labelled texts: `python -m mlx_finbert.evaluate`."""

import sys
from typing import TYPE_CHECKING

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values
from mlx_finbert.cli.messages import notes_to_stderr, print_result

if TYPE_CHECKING:
    from mlx_finbert.evaluation.config import EvaluateSettings
    from mlx_finbert.evaluation.evaluate import Evaluation

DESCRIPTION = """\
Measure accuracy, macro-F1, precision and recall per label, the confusion matrix and the loss, with
95% bootstrap intervals:

  python -m mlx_finbert.evaluate --model DIR
  python -m mlx_finbert.evaluate --model DIR --data DATA --output DIR
  python -m mlx_finbert.evaluate --model app/FinBERT.mlpackage --data DATA

A Core ML package runs through the evaluator of the export on any machine, a Core AI asset,
NAME.aimodel, in Apple's runtime; a text is cut to the longest length of the export.

Without --data, this measures the test rows of the model's training run, read with the settings of
that run. Of other data, it measures all rows. In both cases it leaves out rows whose texts the
model saw in training or validation. After Ctrl-C it prints the results of the rows finished so far,
except for a package or an asset.

--output leaves report.html, predictions.csv, mistakes.csv, metrics.json and the other plain files
behind the page. Those of an earlier evaluation in the folder are replaced.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.evaluation.config import EvaluateSettings, complete

    settings = complete(parse_values(EvaluateSettings, "mlx_finbert.evaluate", DESCRIPTION, argv))
    if settings.json:
        notes_to_stderr()
    evaluation = measured(settings)
    print_result(evaluation, settings.json)
    return 130 if evaluation.interrupted else 0


def measured(settings: "EvaluateSettings") -> "Evaluation":
    """Evaluate a checkpoint, a package or an asset."""
    from mlx_finbert.evaluation.config import is_package
    from mlx_finbert.report.evaluate_classifier import evaluate

    if not is_package(settings.model):
        return evaluate(settings)
    from mlx_finbert.convert.without_torch import torch_hidden

    with torch_hidden():
        from mlx_finbert.convert.any_model import open_package

        return evaluate(settings, model=open_package(settings.model))


if __name__ == "__main__":
    sys.exit(main())
