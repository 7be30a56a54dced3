"""Score texts or a file: `python -m mlx_finbert.predict`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Score texts with a fine-tuned classifier, or score a whole file in constant memory:

  python -m mlx_finbert.predict --model DIR "Orders rose." "The plant will close."
  python -m mlx_finbert.predict --model DIR --by-sentence "$(cat article.txt)"
  python -m mlx_finbert.predict --model DIR --input news.csv --output scored.csv

To continue a stopped run, give the same command again; scored.csv.parts holds the rows scored so
far until the output is complete. Under mlx.launch, several processes share a file:

  mlx.launch -n 2 -- python -m mlx_finbert.predict --model DIR --input news.csv --output scored.csv
"""


@command
def main(argv: list[str] | None = None) -> None:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.inference.config import PredictSettings
    from mlx_finbert.inference.run import run

    for line in run(parse(PredictSettings, "mlx_finbert.predict", DESCRIPTION, argv)):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
