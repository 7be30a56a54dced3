"""Fine-tune a classifier: `python -m mlx_finbert.train`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values

DESCRIPTION = """\
Fine-tune a DistilBERT, BERT (FinBERT) or RoBERTa classifier with MLX. Without flags, this trains
the packaged MiniLM encoder on the packaged sample. The run of the tutorial:

  python -m mlx_finbert.train --model distilbert-base-uncased --data imdb \\
      --learning-rate 1e-5 --num-train-epochs 3 --batch-size 16
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.training.config import TrainSettings
    from mlx_finbert.training.cross_validation import run_folds
    from mlx_finbert.training.run import complete, run

    given = parse_values(TrainSettings, "mlx_finbert.train", DESCRIPTION, argv)
    settings = complete(given)
    if settings.folds and not settings.fold:
        print(f"\n{run_folds(settings)}")
        return 0
    result = run(settings)
    if result.test and result.predictions:
        done, in_all = len(result.predictions.texts), result.predictions.rows_in_all
        measured = f" ({done:,} of {in_all:,} rows)" if result.predictions.interrupted else ""
        print(
            f"test{measured}: loss {result.test.loss:.4f}, accuracy {result.test.accuracy:.4f},"
            f" macro-F1 {result.test.macro_f1:.4f}"
        )
    return {"finished": 0, "stopped early": 0, "interrupted": 130}.get(result.end, 1)


if __name__ == "__main__":
    sys.exit(main())
