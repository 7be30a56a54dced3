"""Check that this machine computes what it should: `python -m mlx_finbert.check`."""

import os
import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import print_result

DESCRIPTION = """\
Check that this machine computes what it should, and measure how fast, in about a minute:

  python -m mlx_finbert.check

Layers, small models, their gradients and their training are compared with NumPy, then small models
and MiniLM on this device with the same on MLX's CPU stream (on Linux's CPU: the two paths of the
backend with each other), all in float32 without TF32. A run is resumed. On a Mac, Core ML runs an
exported package on every kind of compute unit. Then models are timed as they would be trained.

The last line is right or WRONG, and the exit status 0 or 1. Put the output into a bug report.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.convert.without_torch import torch_hidden
    from mlx_finbert.self_check.config import CheckSettings

    settings = parse(CheckSettings, "mlx_finbert.check", DESCRIPTION, argv)
    environment = dict(os.environ)
    # MLX reads it before its first product.
    os.environ["MLX_ENABLE_TF32"] = "0"
    with torch_hidden():
        from mlx_finbert.self_check.run import run

        report = run(settings, environment, (lambda line: None) if settings.json else shown)
    if settings.json:
        print_result(report, as_json=True)
    return 0 if report.passed else 1


def shown(line: str) -> None:
    """Print a line at once: the whole takes a minute."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
