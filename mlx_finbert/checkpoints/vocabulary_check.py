"""Checks a tokenizer's vocabulary: its file, and its fit to the embedding of the model.

`vocab.txt` is a WordPiece vocabulary with one token per line; the line number is its id.
"""

import logging
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoints.vocabulary_fit import (
    MULTIPLES,
    Rows,
    are_padding,
    is_padded_size,
    is_pretrained,
    is_trained,
    misfit_of,
)
from mlx_finbert.errors import InputError, quoted
from mlx_finbert.files.json_text import json_of, read_json_object
from mlx_finbert.models import Classifier
from mlx_finbert.models.masked_lm import MaskedLM

log = logging.getLogger(__name__)

REMEDY = "download the tokenizer files of this model again"
MOST_UNMADE = 0.01
"""Largest acceptable share of a byte-pair vocabulary's longer tokens that no merge makes."""
MOST_CASED = 0.01
"""Largest share of tokens with capitals that a vocabulary of lower-cased text may have."""


def check_vocab_lines(path: Path) -> None:
    """Refuse a `vocab.txt` that `tokenizers` would misread.

    Raises:
        InputError: if it is not UTF-8 or has a blank line.
    """
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {number}: not UTF-8; download the file again") from None
    lines = vocab_lines(path)
    for number, line in enumerate(lines, 1):
        if not line.removesuffix("\r"):
            remedy = "delete it" if not any(lines[number:]) else "download the file again"
            raise InputError(
                f"{path}, line {number}: the line is blank and would count as a token; {remedy}"
            )


def vocab_lines(path: Path) -> list[str]:
    """Read the lines, split only at "\\n": a token may hold another separator, such as U+2028."""
    return path.read_bytes().decode("utf-8", "replace").removesuffix("\n").split("\n")


def require_special_tokens(path: Path, tokenizer: Any) -> None:
    """Refuse a `vocab.txt` that lacks a special token; warn if a token is on two lines.

    If the file lacks a special token, transformers gives it an id after all others.
    """
    tokens = [line.rstrip() for line in vocab_lines(path)]
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
    lines = {line.rstrip(): i for i, line in enumerate(vocab_lines(path))}
    other = sorted(ids.items() ^ lines.items(), key=lambda entry: entry[1])
    other = [entry for entry in other if entry[0].strip()]
    if other:
        token, i = other[0]
        log.warning(
            "%s disagrees with tokenizer.json next to it, which is used (the first difference is"
            " %r, id %d); remove the one that is not the model's",
            path, token, i,
        )  # fmt: skip


def tokens_by_id(ids: dict[str, int]) -> list[str]:
    """The tokens of a vocabulary, indexed by id; "" for an id without a token."""
    tokens = [""] * (max(ids.values()) + 1)
    for token, i in ids.items():
        tokens[i] = token
    return tokens


def require_rows(
    folder: Path, tokenizer: Any, model: Classifier | MaskedLM, by_lines: bool
) -> None:
    """Refuse a vocabulary that does not match the rows of the embedding.

    Args:
        folder: the tokenizer's folder, for the message.
        tokenizer: a transformers tokenizer.
        model: the model with its weights.
        by_lines: whether ids are line numbers, so that a missing line shifts all later tokens.

    Raises:
        InputError: if a token has no row, tokens have the rows of others, or rows without a token
            are trained.
    """
    ids = tokenizer.get_vocab()
    size, rows = max(ids.values(), default=-1) + 1, model.args.vocab_size
    have = f"{folder}: the tokenizer has {size:,} tokens and the model's embedding {rows:,} rows"
    if size > rows:
        without = min((token for token in ids if ids[token] >= rows), key=ids.__getitem__)
        raise InputError(
            f"{have}, so that {quoted(without)} has no row; {REMEDY}, or resize the embedding"
            " (resize_token_embeddings of transformers) and fine-tune it"
        )
    if size == rows and not by_lines:
        return
    tokens = tokens_by_id(ids)
    embedding = _rows_of(model)
    _require_own_rows(have, tokens, rows, embedding)
    if size < rows:
        _require_padding(have, tokens, rows, embedding)


def _require_own_rows(have: str, tokens: list[str], rows: int, embedding: Rows) -> None:
    found = misfit_of(tokens, rows, embedding)
    if found is None:
        return
    start = f"{found.word!r} (id {tokens.index(found.word)})"
    if found.shift is None and (len(tokens) == rows or is_padded_size(len(tokens), rows)):
        # The rows of rare words may be undertrained, as in a model trained from scratch.
        log.warning(
            "%s, but from about %s on, words with the same beginning have dissimilar rows; check"
            " that the vocabulary is this model's",
            have, start,
        )  # fmt: skip
        return
    where = (
        "do not match" if found.shift is None else f"match rows at an offset of {found.shift:+d}"
    )
    raise InputError(
        f"{have}, but from about {start} on, the tokens {where}: lines of the vocabulary are"
        f" missing or out of place; {REMEDY}"
    )


def _require_padding(have: str, tokens: list[str], rows: int, embedding: Rows) -> None:
    """Refuse trained rows beyond the vocabulary; warn if nothing proves them to be padding."""
    size = len(tokens)
    unused = f"the last {rows - size:,} rows, which have no token"
    to_multiple = is_padded_size(size, rows)
    trained = is_trained(size, embedding)
    # A handful of rare tokens may be too undertrained to differ from padding.
    enough = to_multiple or rows - size >= min(MULTIPLES) or not trained
    looks_so = enough and are_padding(size, rows, embedding)
    if not looks_so and not (to_multiple and not is_pretrained(tokens, embedding)):
        raise InputError(
            f"{have}, but {unused}, are not padding: the vocabulary is truncated; {REMEDY}"
        )
    if not looks_so:
        log.warning(
            "%s; %s, are treated as padding because of their number, but the weights do not show"
            " it; check that the vocabulary is complete",
            have, unused,
        )  # fmt: skip
    elif trained and not to_multiple:
        log.warning("%s; %s, look untrained and are treated as padding", have, unused)


def _rows_of(model: Classifier | MaskedLM) -> Rows:
    encoder = getattr(model, model.prefix.removesuffix("."))
    embedding = encoder.embeddings.word_embeddings
    return lambda ids: np.array(embedding(mx.array(ids)).astype(mx.float32))


def require_merges(folder: Path, tokenizer: Any) -> None:
    """Refuse a byte-pair vocabulary with many tokens that no merge makes.

    Texts would be split into smaller pieces. RoBERTa's own vocabulary has a handful of such tokens.
    """
    parts = json_of(tokenizer.backend_tokenizer.to_str(), f"{folder}/tokenizer.json", REMEDY)
    if parts["model"]["type"] != "BPE":
        return
    merges = (m.split(" ") if isinstance(m, str) else m for m in parts["model"]["merges"])
    made = {"".join(pair) for pair in merges} | {
        token["content"] for token in parts["added_tokens"]
    }
    long = [token for token in parts["model"]["vocab"] if len(token) > 1]
    unmade = [token for token in long if token not in made]
    if len(unmade) > MOST_UNMADE * len(long):
        raise InputError(
            f"{folder}: no merge makes {len(unmade):,} of the {len(long):,} longer tokens"
            f" (such as {unmade[0]!r}): the merges (merges.txt, tokenizer.json) are truncated;"
            f" {REMEDY}"
        )


def warn_of_casing(folder: Path, tokenizer: Any) -> None:
    """Warn if texts are lower-cased by default although the vocabulary has capitals.

    transformers' class for BERT lower-cases unless `tokenizer_config.json` says otherwise, whatever
    `tokenizer.json` says.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer
    if not getattr(normalizer, "lowercase", False) or _says_casing(folder):
        return
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    words = [token for token in tokenizer.get_vocab() if token not in added]
    cased = [word for word in words if word != word.lower() and not word.startswith("[")]
    if len(cased) > MOST_CASED * len(words):
        log.warning(
            "%s: the vocabulary has capitals (%s), but texts are lower-cased by default; if the"
            ' model is cased, write {"do_lower_case": false} to tokenizer_config.json there',
            folder, ", ".join(sorted(cased, key=lambda word: (len(word), word))[-3:]),
        )  # fmt: skip


def _says_casing(folder: Path) -> bool:
    try:
        return "do_lower_case" in read_json_object(folder / "tokenizer_config.json")
    except (OSError, InputError):
        return False
