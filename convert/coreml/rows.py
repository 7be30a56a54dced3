"""Rows of token ids: the texts that every package is verified on, and their padding."""

from collections.abc import Iterator, Sequence

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data.tokens import tokenize

ORDINARY = "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn a year earlier."
"""A plain case: where a model wavers between two labels, compression shows many times larger."""

NO_CUT = 2**31
"""Tokens at which no text is cut."""

Row = tuple[int, ...]
"""Token ids without padding."""


def verification_texts(tokenizer: Tokenizer, length: int) -> dict[str, str]:
    """What goes wrong first, by name. A byte-pair vocabulary has no unknown token.

    Args:
        tokenizer: of the model.
        length: tokens that a row of the package holds.
    """
    return {
        "empty": "",
        "one token": "1",
        "exactly full": text_of(tokenizer, length),
        "over-long": "Profit fell sharply, and the plant in Oulu will be closed. " * length,
        "all unknown": "🜁 🜂 🜃 🜄",
        "non-Latin": "株価 上昇 Прибыль выросла أرباح",
        "accents": "Société Générale's bénéfice über 4,5 Mrd. € — naïve façade",
        "padding written out": f"profit {tokenizer.pad_token} loss",
        "ordinary": ORDINARY,
    }


def text_of(tokenizer: Tokenizer, length: int) -> str:
    """A text of so many tokens, or of one below it where a word has two at least."""
    words: list[str] = []
    for word in (ORDINARY.split() * length)[:length] + ["1"] * length:
        longer = " ".join([*words, word])
        if len(tokenizer(longer, verbose=False)["input_ids"]) <= length:
            words.append(word)
    return " ".join(words)


def token_rows(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> list[Row]:
    """Token ids of texts, cut to `length` so that the last special token stays."""
    tokens = tokenize(tokenizer, texts, length)
    return [tuple(tokens[i].tolist()) for i in range(len(tokens))]


def shortest_holding(tokens: int, lengths: Sequence[int]) -> int:
    """The length, of ascending ones, that a row of so many tokens is run at."""
    return next((length for length in lengths if tokens <= length), lengths[-1])


def padded_batches(
    rows: Sequence[Row], batch: int, length: int, pad_token_id: int
) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """The inputs of a package, and how many of its rows count.

    Yields:
        `input_ids` and `attention_mask`, int32 (batch, length); rows that are missing in the last
        batch repeat its first.
    """
    for start in range(0, len(rows), batch):
        chunk = list(rows[start : start + batch])
        ids = np.full((batch, length), pad_token_id, np.int32)
        mask = np.zeros((batch, length), np.int32)
        for i, row in enumerate(chunk + chunk[:1] * (batch - len(chunk))):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        yield {"input_ids": ids, "attention_mask": mask}, len(chunk)
