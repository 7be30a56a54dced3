"""Make a plain checkpoint of adapters: `python -m mlx_finbert.convert.fuse`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Add LoRA or DoRA adapters to their base model: a plain checkpoint, which every other command and
transformers open:

  python -m mlx_finbert.convert.fuse --model runs/adapters --output runs/fused
"""


@command
def main(argv: list[str] | None = None) -> int:
    # They import MLX, for which `command` has prepared the process.
    from mlx_finbert.convert.adapters import fuse_adapters
    from mlx_finbert.convert.settings import FuseSettings

    report = fuse_adapters(parse(FuseSettings, "mlx_finbert.convert.fuse", DESCRIPTION, argv))
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
