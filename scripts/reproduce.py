"""Repeat the measurements that the documentation shows:

    python scripts/reproduce.py fpb --model minilm --seeds 0,1,2
    python scripts/reproduce.py sample --seeds 0,1,2

- `fpb` trains on Financial PhraseBank with the split on which FinBERT was published
- `sample` trains on the embedded sample alone and measures Financial PhraseBank and FiQA
- `sample-with-fpb` compares Financial PhraseBank alone with both together
- `sample-gaps` shows what a model of the sample gets wrong, on rows that are no test rows

`--help` after the name of a protocol shows what it does and its flags; all of them take those of
`mlx_finbert.train`.
"""

import sys

from mlx_finbert.backend.process import prepare_process

prepare_process()  # before MLX is imported

# ruff: noqa: E402
from protocols import fpb, sample, sample_gaps, sample_with_fpb

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.errors import InputError

PROTOCOLS = {
    "fpb": fpb,
    "sample": sample,
    "sample-with-fpb": sample_with_fpb,
    "sample-gaps": sample_gaps,
}


@command
def main(argv: list[str] | None = None) -> None:
    name, *flags = (sys.argv[1:] if argv is None else argv) or ["nothing"]
    if name in ("-h", "--help"):
        print(__doc__)
        return
    if name not in PROTOCOLS:
        raise InputError(f"there is no protocol {name!r}: choose one of {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    settings = parse(protocol.Settings, f"scripts.reproduce {name}", protocol.__doc__, flags)
    print(f"\n{protocol.reproduce(settings)}")


if __name__ == "__main__":
    sys.exit(main())
