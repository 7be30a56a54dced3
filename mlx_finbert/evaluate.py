"""Measure a classifier on labelled texts: `python -m mlx_finbert.evaluate`."""

import json
import sys

from mlx_finbert.cli import command
from mlx_finbert.evaluation import EvaluateSettings, run
from mlx_finbert.settings import parse

DESCRIPTION = """\
Accuracy, macro-F1, precision and recall by label, the confusion matrix and the loss, with 95%
bootstrap intervals:

  python -m mlx_finbert.evaluate --model DIR --data DATA
"""


@command
def main(argv: list[str] | None = None) -> None:
    settings = parse(EvaluateSettings, "mlx_finbert.evaluate", DESCRIPTION, argv)
    evaluation = run(settings)
    print(json.dumps(evaluation.to_dict(), indent=2) if settings.json else evaluation)


if __name__ == "__main__":
    sys.exit(main())
