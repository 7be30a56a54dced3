"""Measure a classifier on labelled texts: `python -m mlx_finbert.evaluate`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values
from mlx_finbert.cli.messages import print_result

DESCRIPTION = """\
Measure accuracy, macro-F1, precision and recall per label, the confusion matrix and the loss, with
95% bootstrap intervals:

  python -m mlx_finbert.evaluate --model DIR
  python -m mlx_finbert.evaluate --model DIR --data DATA --output DIR

Without --data, this measures the test rows of the model's training run, read with the settings of
that run. Of other data, it measures all rows. In both cases it leaves out rows whose texts the
model saw in training or validation. After Ctrl-C it prints the results of the rows finished so far.

--output leaves report.html, predictions.csv, mistakes.csv, metrics.json and the other plain files
behind the page. Those of an earlier evaluation in the folder are replaced.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.evaluation.config import EvaluateSettings, complete
    from mlx_finbert.report.evaluate_classifier import evaluate

    settings = complete(parse_values(EvaluateSettings, "mlx_finbert.evaluate", DESCRIPTION, argv))
    evaluation = evaluate(settings)
    print_result(evaluation, settings.json)
    return 130 if evaluation.interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
