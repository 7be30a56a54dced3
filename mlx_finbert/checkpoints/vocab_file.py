"""`vocab.txt`: a WordPiece vocabulary, a token per line; the number of the line is its id."""

import logging
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError

log = logging.getLogger(__name__)


def check_lines(path: Path) -> None:
    """Refuse a file of which `tokenizers` would make other tokens than meant.

    Raises:
        InputError: where it is not UTF-8 or has a blank line.
    """
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {number}: not UTF-8: fetch the file again") from None
    lines = read_lines(path)
    for number, line in enumerate(lines, 1):
        if not line.removesuffix("\r"):
            remedy = "delete it" if not any(lines[number:]) else "fetch the file again"
            raise InputError(
                f"{path}, line {number}: it is blank, and would count as a token: {remedy}"
            )


def read_lines(path: Path) -> list[str]:
    """The lines, which end at "\\n" alone: a token may hold another separator, such as U+2028."""
    return path.read_bytes().decode("utf-8", "replace").removesuffix("\n").split("\n")


def require_special_tokens(path: Path, tokenizer: Any) -> None:
    """Refuse a file that lacks a special token, and say where a token is on two lines.

    Where the file lacks one, transformers gives it an id beyond the others.
    """
    tokens = [line.rstrip() for line in read_lines(path)]
    first: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        earlier = first.setdefault(token, number)
        if token and earlier != number:
            log.warning(
                "%s, line %d: it repeats line %d (%r), whose row is never used: if it was not so"
                " from the beginning, fetch the file again",
                path, number, earlier, token,
            )  # fmt: skip
            break
    for name in ("pad", "unk", "cls", "sep"):
        token = getattr(tokenizer, f"{name}_token")
        if token not in first and tokenizer.convert_tokens_to_ids(token) >= len(tokens):
            raise InputError(
                f"{path} has no line {token!r}, the tokenizer's {name} token: it is cut or another"
                " model's; fetch it again"
            )


def warn_of_other_vocabulary(path: Path, tokenizer: Any) -> None:
    """Say where a `vocab.txt` beside `tokenizer.json`, which is read, has other ids."""
    ids = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    lines = {line.rstrip(): i for i, line in enumerate(read_lines(path))}
    other = sorted(ids.items() ^ lines.items(), key=lambda entry: entry[1])
    other = [entry for entry in other if entry[0].strip()]
    if other:
        token, i = other[0]
        log.warning(
            "%s has other tokens than tokenizer.json beside it, which is used (the first is %r, id"
            " %d): remove the one that is not the model's",
            path, token, i,
        )  # fmt: skip
