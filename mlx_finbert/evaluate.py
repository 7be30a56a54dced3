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

Ctrl-C ends it with the figures of the rows that are ready.
"""


@command
def main(argv: list[str] | None = None) -> int:
    settings = parse(EvaluateSettings, "mlx_finbert.evaluate", DESCRIPTION, argv)
    evaluation = run(settings)
    as_json = json.dumps(evaluation.to_dict(), indent=2, allow_nan=False) if settings.json else None
    print(as_json or evaluation)
    return 130 if evaluation.interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
