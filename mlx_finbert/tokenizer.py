"""The tokenizer of a checkpoint folder."""

from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError
from mlx_finbert.models import ClassifierArgs

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json")

Tokenizer = Any
"""transformers' `PreTrainedTokenizerFast`; not imported here because that takes a second."""


def load_tokenizer(folder: Path, args: ClassifierArgs) -> Tokenizer:
    """The fast tokenizer of a folder, held to the model's vocabulary and length.

    Many checkpoints come without `tokenizer_config.json` (finbert-tone has `vocab.txt` alone): the
    class then follows from the model type, and without a length of its own the tokenizer would
    never truncate.

    Raises:
        InputError: where the files are missing or broken, or the vocabulary has more entries than
            the model's embedding.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(
            f"{folder} has no tokenizer: add one of {', '.join(TOKENIZER_FILES)} of the same model"
        )
    tokenizer = _from_files(folder, args)
    highest = max(tokenizer.get_vocab().values())
    if highest >= args.vocab_size:
        raise InputError(
            f"{folder}: the tokenizer's ids go up to {highest} and the model's embedding has"
            f" {args.vocab_size} rows, so they do not belong together; use the files of one model"
        )
    tokenizer.model_max_length = min(tokenizer.model_max_length, args.max_length)
    return tokenizer


def _from_files(folder: Path, args: ClassifierArgs) -> Tokenizer:
    from transformers import AutoConfig, AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, config=AutoConfig.for_model(args.model_type), local_files_only=True
        )
    except Exception as error:
        # transformers and tokenizers raise bare Exceptions for broken files.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise InputError(f"{folder}: its tokenizer files cannot be read: {reason}") from error
