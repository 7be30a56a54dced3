"""Export to Core AI: `python -m mlx_finbert.convert.to_coreai`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import notes_to_stderr, told

DESCRIPTION = """\
Export a fine-tuned classifier to a Core AI asset, for macOS 27 and iOS 27, and verify it against
the model in Apple's own runtime. All lengths are functions of one asset, which share their weights.
An asset that fails verification is not left at --output:

  python -m mlx_finbert.convert.to_coreai --model runs/finbert --output app/FinBERT.aimodel

It needs Apple's package coreai-core: pip install ".[coreai]". In half precision, Linux
runs the asset itself on a single short row, which takes seconds to minutes; all other rows run on
the same values in float32.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.settings import ToCoreaiSettings
    from mlx_finbert.convert.without_torch import torch_hidden

    settings = parse(ToCoreaiSettings, "mlx_finbert.convert.to_coreai", DESCRIPTION, argv)
    notes_to_stderr()
    with torch_hidden():
        from mlx_finbert.convert.assets import export_asset

        report = export_asset(settings)
    print(told(report))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
