"""Train a masked-language model on plain texts: `python -m mlx_finbert.pretrain`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values

DESCRIPTION = """\
Let a BERT, DistilBERT or RoBERTa read texts without labels before it is fine-tuned: it learns to
predict masked tokens (masked-language modelling), as FinBERT did with financial news.

  python -m mlx_finbert.pretrain --model bert-base-uncased --data news.txt --output-dir runs/finance
  python -m mlx_finbert.train --model runs/finance --data labelled.csv

The texts are tokenized once, into flat files in the output folder that are read from the disk, so
they may be larger than memory.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.distributed import ranks
    from mlx_finbert.pretraining.config import PretrainSettings
    from mlx_finbert.pretraining.run import complete, run

    given = parse_values(PretrainSettings, "mlx_finbert.pretrain", DESCRIPTION, argv)
    result = run(complete(given))
    if ranks().rank() == 0:
        print(result)
    return {"finished": 0, "stopped early": 0, "interrupted": 130}.get(result.end, 1)


if __name__ == "__main__":
    sys.exit(main())
