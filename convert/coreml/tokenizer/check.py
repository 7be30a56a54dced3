"""Compares the tokenizer that a package describes with the model's."""

from collections.abc import Mapping
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.golden_texts import golden_texts
from mlx_finbert.convert.coreml.inference import NO_CUT, Row, token_rows
from mlx_finbert.convert.coreml.tokenizer.files import tokenizer_file_faults
from mlx_finbert.convert.coreml.tokenizer.random_texts import random_texts
from mlx_finbert.convert.coreml.tokenizer.rebuilt import RebuiltTokenizer
from mlx_finbert.convert.coreml.vocabulary import Vocabulary

CUT = 16
"""Tokens to which the golden texts are cut in an additional check."""
SHOWN_IDS = 8


class TokenizerCheck:
    """Rebuilds a tokenizer from a package's metadata and requires the same ids as the model's.

    Args:
        vocabulary: the model's vocabulary.
        tokenizer: the model's tokenizer.
    """

    def __init__(self, vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
        self._vocabulary = vocabulary
        self._tokenizer = tokenizer
        self._found: dict[tuple[str | None, ...], list[str]] = {}

    def faults(self, metadata: Mapping[str, str]) -> list[str]:
        """Report the first text with different ids, if any; computed once for equal metadata."""
        keys = ("mlx_finbert.tokenizer", "mlx_finbert.vocabulary", "mlx_finbert.merges")
        told = tuple(metadata.get(key) for key in keys)
        if told not in self._found:
            self._found[told] = self._compare(metadata)
        return self._found[told]

    def file_faults(self, folder: Path, max_length: int) -> list[str]:
        """Find faults of the tokenizer files next to a package, if there are any.

        Args:
            folder: the package's folder.
            max_length: tokens at which the model's texts are cut.
        """
        whole = {text: row for (text, length), row in self._expected.items() if length == NO_CUT}
        return list(tokenizer_file_faults(folder, whole, self._tokenizer.pad_token, max_length))

    def _compare(self, metadata: Mapping[str, str]) -> list[str]:
        try:
            rebuilt = RebuiltTokenizer(metadata)
            for (text, length), expected in self._expected.items():
                if (found := tuple(rebuilt(text, length))) != expected:
                    return [_difference(text, found, expected)]
        except (LookupError, TypeError, ValueError) as error:
            return [f"the metadata do not describe a tokenizer: {error!r}"]
        return []

    @cached_property
    def _expected(self) -> dict[tuple[str, int], Row]:
        """The model's ids by text and length."""
        golden = golden_texts(self._vocabulary)
        added = [token["content"] for token in self._vocabulary.rules["added_tokens"]]
        texts = [*golden, *random_texts(self._vocabulary.tokens, added)]
        found: dict[tuple[str, int], Row] = {}
        for length, these in ((CUT, golden), (NO_CUT, texts)):
            rows = token_rows(self._tokenizer, these, length)
            found |= {(text, length): row for text, row in zip(these, rows, strict=True)}
        return found


def _difference(text: str, found: Row, expected: Row) -> str:
    start = next(i for i, (a, b) in enumerate(zip_longest(found, expected)) if a != b)
    ours, theirs = (list(row[start : start + SHOWN_IDS]) for row in (found, expected))
    shown = repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
    return (
        f"from position {start} on, the text {shown} has the ids {ours} by the metadata, but"
        f" {theirs} by the model's tokenizer"
    )
