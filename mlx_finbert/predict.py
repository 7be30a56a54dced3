"""Score texts or a file: `python -m mlx_finbert.predict`."""

import sys

from mlx_finbert.cli.command import command, is_read
from mlx_finbert.cli.flags import parse_values
from mlx_finbert.cli.messages import notes_to_stderr

DESCRIPTION = """\
Score texts with a fine-tuned classifier, or score a whole file in constant memory:

  python -m mlx_finbert.predict --model DIR "Orders rose." "The plant will close."
  python -m mlx_finbert.predict --model DIR --by-sentence "$(cat article.txt)"
  python -m mlx_finbert.predict --model DIR --input news.csv --output scored.csv

Without texts and files, or for the text or file -, the lines of standard input are scored as they
arrive, one text per line. --json prints an object per text; notes then go to standard error:

  tail -f wire.txt | python -m mlx_finbert.predict --model DIR --json

To continue a stopped run, give the same command again; scored.csv.parts holds the rows scored so
far until the output is complete. Under mlx.launch, several processes share a file:

  mlx.launch -n 2 -- python -m mlx_finbert.predict --model DIR --input news.csv --output scored.csv
"""


@command
def main(argv: list[str] | None = None) -> None:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.inference.config import PredictSettings, complete
    from mlx_finbert.inference.run import run

    settings = complete(parse_values(PredictSettings, "mlx_finbert.predict", DESCRIPTION, argv))
    if settings.prints_results_alone:
        notes_to_stderr()
    for line in run(settings):
        print(line, flush=True)
        if not is_read():
            break


if __name__ == "__main__":
    sys.exit(main())
