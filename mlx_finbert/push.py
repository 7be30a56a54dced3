"""Publish a model on the Hugging Face hub: `python -m mlx_finbert.push`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse

DESCRIPTION = """\
Publish a model's folder on the Hugging Face hub: a training run, a checkpoint or adapters:

  python -m mlx_finbert.push runs/news USER/NAME --license mit --language en --dry-run
  python -m mlx_finbert.push runs/news USER/NAME --license mit --language en

The files of the model go, and the settings and figures of its run. Saved training states, logs and
everything with a text of the data stay, as does any file that is not known. Paths of this machine
are cut to their last part. A README.md of your own goes with its text and gets the fields that its
header lacks; otherwise a card is made, in which what nothing records is left out.

The login is that of `hf auth login`, or the token in HF_TOKEN. Files of an earlier model in the
repository are replaced or removed; its other files stay.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # These import MLX, for which `command` has prepared the process.
    from mlx_finbert.publishing.config import PushSettings

    settings = parse(PushSettings, "mlx_finbert.push", DESCRIPTION, argv)
    from mlx_finbert.publishing.upload import plan, push

    if settings.dry_run:
        print(plan(settings))
    else:
        print(f"pushed: {push(settings)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
