"""Convert a checkpoint: `python -m mlx_finbert.convert.to_mlx`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Convert a supported checkpoint, including `pytorch_model.bin`, into a folder that both mlx-finbert
and transformers can open:

  python -m mlx_finbert.convert.to_mlx --model ProsusAI/finbert --output finbert

With --quantize, the folder has a third or a sixth of the size, and only mlx-finbert can open it.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.checkpoints import convert
    from mlx_finbert.convert.settings import ToMlxSettings

    report = convert(parse(ToMlxSettings, "mlx_finbert.convert.to_mlx", DESCRIPTION, argv))
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
