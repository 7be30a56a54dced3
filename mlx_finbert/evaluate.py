"""Measure a classifier on labelled texts: `python -m mlx_finbert.evaluate`."""

import json
import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values

DESCRIPTION = """\
Accuracy, macro-F1, precision and recall by label, the confusion matrix and the loss, with 95%
bootstrap intervals:

  python -m mlx_finbert.evaluate --model DIR
  python -m mlx_finbert.evaluate --model DIR --data DATA

Without --data, the data of the model's training run is read as it was then, and its test rows are
measured. Other data is measured whole. Rows whose texts the model was trained on or chosen by are
left out of both. Ctrl-C ends it with the figures of the rows that are ready.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # They import MLX, for which `command` has prepared the process.
    from mlx_finbert.evaluation.config import EvaluateSettings, complete
    from mlx_finbert.evaluation.evaluate import run

    settings = complete(parse_values(EvaluateSettings, "mlx_finbert.evaluate", DESCRIPTION, argv))
    evaluation = run(settings)
    as_json = json.dumps(evaluation.to_dict(), indent=2, allow_nan=False) if settings.json else None
    print(as_json or evaluation)
    return 130 if evaluation.interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
