"""Adds words to a model's vocabulary, so that each is one token.

A subword vocabulary splits a domain's words: BERT reads "ebitda" as e, ##bit, ##da. An added word
has a row of its own in the embeddings, which begins as the mean of its pieces' rows, so that the
model starts from what it knew of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import local_path
from mlx_finbert.models import Classifier
from mlx_finbert.models.masked_lm import MaskedLM
from mlx_finbert.models.parameters import named_parameters, tree

HEAD_BIASES = ("cls.predictions.bias", "vocab_projector.bias", "lm_head.bias")
"""Biases by token of the families' masked-language heads."""


@dataclass
class AddedWords:
    """The outcome of adding words to a vocabulary."""

    added: list[str]
    """The new tokens, in the order of their ids."""
    present: list[str]
    """Words that the vocabulary had already, in the order of the file."""
    repeated: int
    """Number of words that are equal to an earlier one as the tokenizer reads them."""
    unreadable: list[str]
    """New tokens with a piece that the vocabulary does not know, which begin less well."""
    vocab_size: int
    """Rows of the embeddings now."""

    def __str__(self) -> str:
        parts = [f"words added to the vocabulary: {len(self.added):,}"]
        if self.present:
            parts.append(f"already in it: {len(self.present):,}")
        if self.repeated:
            parts.append(f"repeated: {self.repeated:,}")
        if self.unreadable:
            some = ", ".join(self.unreadable[:5])
            parts.append(f"with unknown characters: {len(self.unreadable):,} ({some})")
        return f"{'; '.join(parts)}; the embeddings have {self.vocab_size:,} rows"


def read_words(path: str | Path) -> list[str]:
    """Read the words of a UTF-8 file, one a line; blank lines are skipped.

    Raises:
        InputError: if the file is missing, not text or without words, or a line has several words.
    """
    path = local_path(path)
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"`add_tokens`: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(
            f"`add_tokens`: {path} is not a UTF-8 text file: save it as UTF-8"
        ) from None
    words = []
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if "\0" in line:
            raise InputError(f"`add_tokens`: {path} is not a text file: give one word a line")
        if len(parts) > 1:
            raise InputError(
                f"{path}, line {number}: {line.strip()!r} is more than one word: give one word a"
                " line"
            )
        words += parts
    if not words:
        raise InputError(f"`add_tokens`: {path} holds no words: give one word a line")
    return words


def add_tokens(
    model: Classifier | MaskedLM, tokenizer: Tokenizer, words: Sequence[str]
) -> AddedWords:
    """Add words to a model and its tokenizer, both in place.

    A word is matched as the vocabulary's words are, lower-cased where these are, and only where no
    letter, digit or underscore is next to it: "ebitda" is not found in "ebitdas". Its row of the
    embeddings, and its entry in the bias of a masked-language head, begin as the mean of those of
    the pieces that it was split into. A byte-pair tokenizer takes the space before a word as part
    of it, as in its own tokens.

    Args:
        model: a model with full-precision weights.
        tokenizer: its transformers tokenizer.
        words: the words. Those that are one token already, and repetitions, are left out.

    Returns:
        What was added and what was not.

    Raises:
        InputError: for a word that the tokenizer reads as nothing or as several words.
    """
    by_bytes = tokenizer.backend_tokenizer.normalizer is None
    known = tokenizer.get_vocab()
    pieces: dict[str, list[int]] = {}
    present, repeated = [], 0
    for word in words:
        form = normal_form(tokenizer, word)
        # In a byte-pair vocabulary, a word within a text begins with its space.
        ids = tokenizer(f" {form}" if by_bytes else form, add_special_tokens=False)["input_ids"]
        if form in pieces:
            repeated += 1
        elif {word, form} & known.keys() or (len(ids) == 1 and ids[0] != tokenizer.unk_token_id):
            present.append(word)
        else:
            pieces[form] = ids
    add_to_tokenizer(tokenizer, list(pieces), takes_space=by_bytes)
    grow(model, {tokenizer.convert_tokens_to_ids(form): ids for form, ids in pieces.items()})
    unknown = tokenizer.unk_token_id
    unreadable = [form for form, ids in pieces.items() if unknown in ids]
    return AddedWords(list(pieces), present, repeated, unreadable, model.args.vocab_size)


def normal_form(tokenizer: Tokenizer, word: str) -> str:
    """The word as the tokenizer reads it: lower-cased and without accents, if its words are.

    Raises:
        InputError: if it reads nothing, or several words.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer
    form = (normalizer.normalize_str(word) if normalizer else word).strip()
    if not form or len(form.split()) > 1:
        read = f"{len(form.split())} words ({form})" if form else "nothing"
        raise InputError(f"`add_tokens`: the tokenizer reads {word!r} as {read}: leave it out")
    return form


def add_to_tokenizer(tokenizer: Tokenizer, forms: Sequence[str], takes_space: bool) -> None:
    """Add tokens to a tokenizer, each found only as a whole word."""
    from tokenizers import AddedToken

    tokenizer.add_tokens(
        [AddedToken(form, single_word=True, normalized=True, lstrip=takes_space) for form in forms]
    )


def grow(model: Classifier | MaskedLM, pieces: dict[int, list[int]]) -> None:
    """Give new tokens their rows, in place: the means of other tokens' rows.

    Args:
        model: the model; its rows beyond the old vocabulary, if any, are padding and are used.
        pieces: for the id of each new token, those of its pieces.
    """
    if not pieces:
        return
    own = named_parameters(model)
    table = f"{model.prefix}embeddings.word_embeddings.weight"
    changed = {name: own[name] for name in (table, *HEAD_BIASES) if name in own}
    changed = {name: with_means(value, pieces) for name, value in changed.items()}
    model.update(tree(changed))
    mx.eval(model.parameters())
    model.args.vocab_size = len(changed[table])


def with_means(values: mx.array, pieces: dict[int, list[int]]) -> mx.array:
    """Append rows to an array (vocab_size, ...), or replace its padding, by means of rows."""
    missing = max(0, max(pieces) + 1 - len(values))
    # A copy, so that the model's own array does not change.
    values = mx.concatenate([values, mx.zeros((missing, *values.shape[1:]), values.dtype)])
    means = [values[mx.array(ids)].astype(mx.float32).mean(axis=0) for ids in pieces.values()]
    values[mx.array(list(pieces))] = mx.stack(means).astype(values.dtype)
    return values
