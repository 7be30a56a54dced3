"""Convert a checkpoint: `python -m mlx_finbert.convert.to_mlx`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Convert a supported checkpoint, `pytorch_model.bin` included, into a folder that mlx-finbert and
transformers both open:

  python -m mlx_finbert.convert.to_mlx --model ProsusAI/finbert --output finbert

With --quantize into one that mlx-finbert alone opens, of a third or a sixth of the size.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # They import MLX, for which `command` has prepared the process.
    from mlx_finbert.convert.checkpoints import convert
    from mlx_finbert.convert.settings import ToMlxSettings

    report = convert(parse(ToMlxSettings, "mlx_finbert.convert.to_mlx", DESCRIPTION, argv))
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
