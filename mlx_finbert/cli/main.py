"""The command `mlx-finbert`; `mlx-finbert train ...` runs `python -m mlx_finbert.train ...`."""

import importlib
import sys

from mlx_finbert._version import __version__
from mlx_finbert.cli.command import with_lasting_streams
from mlx_finbert.flag_names import nearest

COMMANDS = {
    "pretrain": ("mlx_finbert.pretrain", "let a model read texts before it is fine-tuned"),
    "train": ("mlx_finbert.train", "fine-tune a classifier"),
    "evaluate": ("mlx_finbert.evaluate", "measure a classifier on labelled texts"),
    "predict": ("mlx_finbert.predict", "score texts or a file"),
    "convert": ("mlx_finbert.convert.to_mlx", "convert a checkpoint"),
    "export": ("mlx_finbert.convert.to_coreml", "export a classifier to Core ML"),
    "export-coreai": ("mlx_finbert.convert.to_coreai", "export a classifier to Core AI"),
    "verify": ("mlx_finbert.convert.verify", "compare an exported model with its own"),
    "shrink": ("mlx_finbert.convert.shrink", "make a smaller model from some of a model's layers"),
    "fuse": ("mlx_finbert.convert.fuse", "merge LoRA adapters into their model"),
    "compare": ("mlx_finbert.compare", "compare models on the same labelled texts"),
    "push": ("mlx_finbert.push", "publish a model on the Hugging Face hub"),
    "check": ("mlx_finbert.check", "check that this machine computes what it should"),
}
"""The module and the description of each command.

A module is imported only when its command runs: most of them need MLX, the help page does not.
"""

HELP = """\
usage: mlx-finbert COMMAND [--flag VALUE ...]

Fine-tune DistilBERT, BERT (FinBERT) and RoBERTa text classifiers with MLX and export them to
Core ML or Core AI.

commands:
{commands}

mlx-finbert COMMAND --help lists the flags of a command; mlx-finbert --version prints the version.
""".format(commands="\n".join(f"  {word:<15}{text}" for word, (_, text) in COMMANDS.items()))


def main(argv: list[str] | None = None) -> int:
    """Run the command that the first word names and return its exit status."""
    word, *rest = (sys.argv[1:] if argv is None else argv) or [""]
    if word in COMMANDS:
        module, _ = COMMANDS[word]
        status: int = importlib.import_module(module).main(rest)
        return status
    return with_lasting_streams(lambda: about(word))


def about(word: str) -> int:
    """Print the help page, the version, or an error for an unknown command."""
    if word in ("-h", "--help"):
        print(HELP, end="")
    elif word == "--version":
        print(f"mlx-finbert {__version__}")
    elif not word:
        print(HELP, end="", file=sys.stderr)
        return 2
    else:
        near = nearest(word, [*COMMANDS, "--help", "--version"])
        advice = f"did you mean {near}?" if near else f"the commands are {', '.join(COMMANDS)}"
        print(f"error: there is no command {word}; {advice}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
