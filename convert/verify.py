"""Compare a Core ML package with its model: `python -m mlx_finbert.convert.verify`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import told

DESCRIPTION = """\
Run a saved Core ML package, on any machine, and compare it with the model that it was made from:

  python -m mlx_finbert.convert.verify --package app/FinBERT-32.mlpackage --model runs/finbert
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.settings import VerifySettings
    from mlx_finbert.convert.without_torch import torch_hidden

    settings = parse(VerifySettings, "mlx_finbert.convert.verify", DESCRIPTION, argv)
    with torch_hidden():
        from mlx_finbert.convert.packages import verify_package

        report = verify_package(settings)
    print(told(report))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
