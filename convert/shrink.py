"""Remove layers from a checkpoint: `python -m mlx_finbert.convert.shrink`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Make a smaller model from some of a model's layers, as a student for distillation:

  python -m mlx_finbert.convert.shrink --model ProsusAI/finbert --output student
  python -m mlx_finbert.train --model student --teacher ProsusAI/finbert --data ...

Without --layers, every second one is kept, as for DistilBERT (Sanh et al. 2019, section 3): half
of the layers, rounded up, spread evenly from the first to the last. Of twelve these are
0,2,4,7,9,11, as in its authors' script. The head, the tokenizer and the labels are kept; the model
needs training before use.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.fewer_layers import shrink
    from mlx_finbert.convert.settings import ShrinkSettings

    print(shrink(parse(ShrinkSettings, "mlx_finbert.convert.shrink", DESCRIPTION, argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
