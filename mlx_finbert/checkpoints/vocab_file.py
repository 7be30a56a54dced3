"""`vocab.txt`: a WordPiece vocabulary with one token per line; the line number is its id."""

import logging
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError

log = logging.getLogger(__name__)


def check_lines(path: Path) -> None:
    """Refuse a file that `tokenizers` would misread.

    Raises:
        InputError: if it is not UTF-8 or has a blank line.
    """
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {number}: not UTF-8; download the file again") from None
    lines = read_lines(path)
    for number, line in enumerate(lines, 1):
        if not line.removesuffix("\r"):
            remedy = "delete it" if not any(lines[number:]) else "download the file again"
            raise InputError(
                f"{path}, line {number}: the line is blank and would count as a token; {remedy}"
            )


def read_lines(path: Path) -> list[str]:
    """Read the lines, split only at "\\n": a token may hold another separator, such as U+2028."""
    return path.read_bytes().decode("utf-8", "replace").removesuffix("\n").split("\n")


def require_special_tokens(path: Path, tokenizer: Any) -> None:
    """Refuse a file that lacks a special token; warn if a token is on two lines.

    If the file lacks a special token, transformers gives it an id after all others.
    """
    tokens = [line.rstrip() for line in read_lines(path)]
    first: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        earlier = first.setdefault(token, number)
        if token and earlier != number:
            log.warning(
                "%s, line %d: it repeats line %d (%r), which is therefore never used; unless the"
                " original file has this too, download the file again",
                path, number, earlier, token,
            )  # fmt: skip
            break
    for name in ("pad", "unk", "cls", "sep"):
        token = getattr(tokenizer, f"{name}_token")
        if token not in first and tokenizer.convert_tokens_to_ids(token) >= len(tokens):
            raise InputError(
                f"{path} has no line {token!r}, the tokenizer's {name} token: the file is truncated"
                " or another model's; download it again"
            )


def warn_of_other_vocabulary(path: Path, tokenizer: Any) -> None:
    """Warn if a `vocab.txt` disagrees with the `tokenizer.json` next to it, which is used."""
    ids = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    lines = {line.rstrip(): i for i, line in enumerate(read_lines(path))}
    other = sorted(ids.items() ^ lines.items(), key=lambda entry: entry[1])
    other = [entry for entry in other if entry[0].strip()]
    if other:
        token, i = other[0]
        log.warning(
            "%s disagrees with tokenizer.json next to it, which is used (the first difference is"
            " %r, id %d); remove the one that is not the model's",
            path, token, i,
        )  # fmt: skip
