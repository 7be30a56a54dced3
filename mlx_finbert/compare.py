"""Compare models on the same labelled texts: `python -m mlx_finbert.compare`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values
from mlx_finbert.cli.messages import notes_to_stderr, print_result

DESCRIPTION = """\
Measure models on the same rows. For each model but the first, print the differences from the first
with 95% intervals (paired bootstrap) and McNemar's exact test:

  python -m mlx_finbert.compare runs/a runs/b --data news.csv
  python -m mlx_finbert.compare runs/a app/FinBERT.mlpackage --output differ.csv

A model is a folder, also of adapters or quantized, a hub id, a Core ML package, which runs on any
machine, or a Core AI asset, NAME.aimodel, which runs in Apple's runtime.
app/FinBERT.mlpackage stands for app/FinBERT-32.mlpackage and the others of its export if there is
one for each length. Without --data, this measures the test rows of the training run of the first
model that has one. Rows whose texts any of the models saw in training or validation are left out.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.convert.without_torch import torch_hidden
    from mlx_finbert.evaluation.compare import run
    from mlx_finbert.evaluation.config import CompareSettings, complete_comparison

    given = parse_values(CompareSettings, "mlx_finbert.compare", DESCRIPTION, argv)
    settings = complete_comparison(given)
    if settings.json:
        notes_to_stderr()
    with torch_hidden():
        from mlx_finbert.convert.any_model import open_models

        comparison = run(settings, open_models(settings.models, settings.model_labels))
    print_result(comparison, settings.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
