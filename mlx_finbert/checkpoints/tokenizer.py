"""The tokenizer of a checkpoint folder."""

import os
import re
import threading
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.vocabulary_check import (
    check_vocab_lines,
    require_merges,
    require_rows,
    require_special_tokens,
    warn_of_casing,
    warn_of_other_vocabulary,
)
from mlx_finbert.data.tokens import SPECIAL
from mlx_finbert.errors import QUOTE_LENGTH, InputError, first_line, quoted
from mlx_finbert.files.formats import require_text_files
from mlx_finbert.files.json_text import read_json
from mlx_finbert.models import Classifier, ClassifierArgs
from mlx_finbert.models.config import SHORTEST
from mlx_finbert.models.masked_lm import MaskedLM

VOCAB = "vocab.txt"
CONFIG = "tokenizer_config.json"
TRIAL = "\u0378\ue000 \U00013000a"
"""A text that no vocabulary has: an unassigned, a private and an Egyptian character."""

WORD_PIECES = ["tokenizer.json"], ["vocab.txt"]
BYTE_PAIRS = ["tokenizer.json"], ["vocab.json", "merges.txt"]
FILES = {"bert": WORD_PIECES, "distilbert": WORD_PIECES, "roberta": BYTE_PAIRS}
"""By model type, the alternative sets of files; a folder needs one of them."""

TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
}
"""Every file that any version of transformers saves a tokenizer in."""

IMPORTING = threading.Lock()
"""transformers imports its parts on demand, which fails in several threads at once."""

Tokenizer = Any
"""transformers' `PreTrainedTokenizerFast`; not imported here because that takes a second."""


def load_tokenizer(folder: Path, model: Classifier | MaskedLM) -> Tokenizer:
    """Load a folder's fast tokenizer and check it against the model's embedding.

    Many checkpoints come without `tokenizer_config.json` (finbert-tone has only `vocab.txt`). The
    class then follows from the model type. The maximum length is at most the model's; without it,
    such a tokenizer would never truncate.

    Raises:
        InputError: if files are missing or damaged, or their tokens do not belong to the rows of
            the model's embedding.
    """
    args = model.args
    wanted = FILES[args.model_type]
    if not any(all((folder / name).is_file() for name in names) for names in wanted):
        raise InputError(
            f"{folder} has no tokenizer for a {args.model_type} model; add"
            f" {' or '.join(' and '.join(names) for names in wanted)} of the same model"
        )
    require_text_files(folder, TOKENIZER_FILES)
    by_lines = wanted is WORD_PIECES and not (folder / "tokenizer.json").is_file()
    if by_lines:
        check_vocab_lines(folder / VOCAB)
    tokenizer = _from_files(folder, args)
    if tokenizer.pad_token_id is None:
        raise InputError(f"{folder}: the tokenizer has no padding token; use the model's own files")
    # Before any text is tokenized, which compares its length with the maximum.
    max_length = min(own_max_length(folder, tokenizer), args.max_length)
    require_trial(folder, tokenizer)
    if by_lines:
        require_special_tokens(folder / VOCAB, tokenizer)
    elif (folder / VOCAB).is_file():
        warn_of_other_vocabulary(folder / VOCAB, tokenizer)
    require_rows(folder, tokenizer, model, by_lines)
    if wanted is BYTE_PAIRS:
        require_merges(folder, tokenizer)
    warn_of_casing(folder, tokenizer)
    tokenizer.model_max_length = max_length
    return tokenizer


def own_max_length(folder: Path, tokenizer: Tokenizer) -> int:
    """The tokenizer's `model_max_length`; a very large number if its files have none.

    Raises:
        InputError: if it is not a whole number that leaves room for a text.
    """
    found = tokenizer.model_max_length
    is_whole = type(found) is int or (type(found) is float and found.is_integer())
    if not is_whole or found < SHORTEST:
        raise InputError(
            f"{folder / CONFIG}: model_max_length = {quoted(found)} is not a whole number from"
            f" {SHORTEST}; correct it, or remove the key to use the model's maximum"
        )
    return int(found)


def require_trial(folder: Path, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that fails on some texts, or does not put a token at each of their ends.

    One without its token for unknown words fails at the first such word.
    """
    try:
        with_word, empty = tokenizer([TRIAL, ""], verbose=False)["input_ids"]
    except Exception as error:
        # tokenizers raises bare Exceptions.
        raise InputError(
            f"{folder}: the tokenizer cannot read a word that its vocabulary lacks"
            f" ({first_line(error)[:QUOTE_LENGTH]}); download its files again"
        ) from None
    if len(empty) != SPECIAL or [with_word[0], with_word[-1]] != empty:
        raise InputError(
            f"{folder}: the tokenizer does not put the model's special tokens around a text;"
            " download its files again"
        )


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Save a tokenizer's files.

    Raises:
        OSError: names the file.
    """
    try:
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:
        # tokenizers raises bare Exceptions for system errors: "No space left on device (os error
        # 28)".
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found[1]) if found else None
        reason = os.strerror(number) if number else f"cannot be written: {first_line(error)}"
        raise OSError(number, reason, str(folder / "tokenizer.json")) from None


def _from_files(folder: Path, args: ClassifierArgs) -> Tokenizer:
    # Silences transformers' warning that PyTorch is missing: it is not needed here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    with IMPORTING:
        from transformers import AutoConfig, AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, config=AutoConfig.for_model(args.model_type), local_files_only=True
        )
    except Exception as error:
        # transformers and tokenizers raise bare Exceptions for broken files.
        unread = f"{folder}: its tokenizer files cannot be read: {first_line(error)}"
        raise InputError(_not_json(folder) or unread) from error


def _not_json(folder: Path) -> str | None:
    """Describe the fault of the first of the tokenizer's JSON files that cannot be read, if any."""
    for name in sorted(TOKENIZER_FILES):
        if name.endswith(".json") and (folder / name).is_file():
            try:
                read_json(folder / name, "download it again")
            except InputError as error:
                return str(error)
    return None
