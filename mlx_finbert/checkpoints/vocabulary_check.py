"""Holding a tokenizer to the embedding of its model, and to its own vocabulary."""

import json
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
from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier

log = logging.getLogger(__name__)

REMEDY = "fetch the tokenizer files of this model again"
MOST_UNMADE = 0.01
"""Share of a byte-pair vocabulary's longer tokens that may be out of reach."""
MOST_CASED = 0.01
"""Share of tokens with capitals that a vocabulary of lower-cased text may have."""


def tokens_by_id(tokenizer: Any) -> list[str]:
    """The tokens of a transformers tokenizer at the places of their ids; "" where none is."""
    ids = tokenizer.get_vocab()
    tokens = [""] * (max(ids.values()) + 1)
    for token, i in ids.items():
        tokens[i] = token
    return tokens


def require_rows(folder: Path, tokenizer: Any, model: Classifier, by_lines: bool) -> None:
    """Refuse a vocabulary that does not belong to the rows of the embedding.

    Args:
        folder: of the tokenizer, for the message.
        tokenizer: of transformers.
        model: with its weights.
        by_lines: ids are the numbers of lines, so that a missing line shifts all later tokens.

    Raises:
        InputError: where a token has no row, tokens have the rows of others, or rows without a
            token are trained.
    """
    tokens = tokens_by_id(tokenizer)
    size, rows = len(tokens), model.args.vocab_size
    have = f"{folder}: the tokenizer has {size:,} tokens and the model's embedding {rows:,} rows"
    if size > rows:
        raise InputError(
            f"{have}, so that {tokens[rows]!r} has none: {REMEDY}, or resize the embedding"
            " (resize_token_embeddings of transformers) and fine-tune it"
        )
    if size == rows and not by_lines:
        return
    embedding = _rows_of(model)
    _require_own_rows(have, tokens, rows, embedding)
    if size < rows:
        _require_padding(have, tokens, rows, embedding)


def _require_own_rows(have: str, tokens: list[str], rows: int, embedding: Rows) -> None:
    found = misfit_of(tokens, rows, embedding)
    if found is None:
        return
    from_there = f"{have}, but from about {found.word!r} (id {tokens.index(found.word)}) on"
    if found.shift is None and (len(tokens) == rows or is_padded_size(len(tokens), rows)):
        # Rows of rare words may have learnt too little, as in a model trained from scratch.
        log.warning(
            "%s words that begin alike have rows that are not: is the vocabulary this model's?",
            from_there,
        )
        return
    where = "nowhere near" if found.shift is None else f"{found.shift:+d} from theirs"
    raise InputError(
        f"{from_there} the tokens' own rows are {where}: lines of the vocabulary are missing or out"
        f" of place; {REMEDY}"
    )


def _require_padding(have: str, tokens: list[str], rows: int, embedding: Rows) -> None:
    """Refuse trained rows beyond the vocabulary; say so where nothing proves them to be padding."""
    size = len(tokens)
    unused = f"the last {rows - size:,} rows, which have no token,"
    to_multiple = is_padded_size(size, rows)
    trained = is_trained(size, embedding)
    # A handful of rare tokens may have learnt too little to differ from padding.
    enough = to_multiple or rows - size >= min(MULTIPLES) or not trained
    looks_so = enough and are_padding(size, rows, embedding)
    if not looks_so and not (to_multiple and not is_pretrained(tokens, embedding)):
        raise InputError(f"{have}, but {unused} are not padding: the vocabulary is cut; {REMEDY}")
    if not looks_so:
        log.warning(
            "%s: %s are taken for padding by their number; the weights do not show it: check that"
            " the vocabulary is whole",
            have, unused,
        )  # fmt: skip
    elif trained and not to_multiple:
        log.warning("%s: %s look untrained and are taken for padding", have, unused)


def _rows_of(model: Classifier) -> Rows:
    encoder = getattr(model, model.prefix.removesuffix("."))
    embedding = encoder.embeddings.word_embeddings
    return lambda ids: np.array(embedding(mx.array(ids)).astype(mx.float32))


def require_merges(folder: Path, tokenizer: Any) -> None:
    """Refuse byte pairs of which many tokens are made by no merge: texts would be cut finer.

    RoBERTa's own vocabulary has a handful of such tokens.
    """
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
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
            f"{folder}: {len(unmade):,} of the {len(long):,} longer tokens are made by no merge"
            f" ({unmade[0]!r} is one): the merges (merges.txt, tokenizer.json) are cut; {REMEDY}"
        )


def warn_of_casing(folder: Path, tokenizer: Any) -> None:
    """Say where capitals are lost although nothing says that they are to be.

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
            "%s: the vocabulary has capitals (%s), but texts are lower-cased, as by default: if the"
            ' model is cased, write {"do_lower_case": false} to tokenizer_config.json there',
            folder, ", ".join(sorted(cased, key=lambda word: (len(word), word))[-3:]),
        )  # fmt: skip


def _says_casing(folder: Path) -> bool:
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "do_lower_case" in config
