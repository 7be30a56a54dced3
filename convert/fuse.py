"""Fuse adapters into a plain checkpoint: `python -m mlx_finbert.convert.fuse`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Fuse LoRA or DoRA adapters with their base model into a plain checkpoint, which transformers and
all other commands can open:

  python -m mlx_finbert.convert.fuse --model runs/adapters --output runs/fused
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.adapters import fuse_adapters
    from mlx_finbert.convert.settings import FuseSettings

    report = fuse_adapters(parse(FuseSettings, "mlx_finbert.convert.fuse", DESCRIPTION, argv))
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
