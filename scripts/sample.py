"""The embedded sample: its figures, and how to add sentences.

    python scripts/sample.py figures
    python scripts/sample.py add new.csv

`--help` after a subcommand shows what it does and its flags.
"""

import sys

from mlx_finbert.backend.process import prepare_process

prepare_process()  # before MLX is imported

# ruff: noqa: E402
from sample_set import add, figures

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.errors import InputError

SUBCOMMANDS = {"figures": figures, "add": add}


@command
def main(argv: list[str] | None = None) -> None:
    name, *flags = (sys.argv[1:] if argv is None else argv) or ["nothing"]
    if name in ("-h", "--help"):
        print(__doc__)
        return
    if name not in SUBCOMMANDS:
        raise InputError(f"there is no subcommand {name!r}: choose one of {', '.join(SUBCOMMANDS)}")
    subcommand = SUBCOMMANDS[name]
    settings = parse(subcommand.Settings, f"scripts.sample {name}", subcommand.__doc__, flags)
    print(subcommand.run(settings))


if __name__ == "__main__":
    sys.exit(main())
