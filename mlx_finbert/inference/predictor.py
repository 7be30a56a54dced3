"""Class probabilities of texts."""

import sys
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from mlx_finbert.backend.interface import pad_multiple
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import SPECIAL, Windows, checked_max_length, cut_into_windows, tokenize
from mlx_finbert.data.values import values_of
from mlx_finbert.errors import InputError, is_encodable, quoted
from mlx_finbert.inference.logits import Forward, require_finite, softmax
from mlx_finbert.models import Classifier

BATCH_SIZE = 32

LongTexts = Literal["cut", "windows"]


def strings_of(texts: Any) -> list[str]:
    """Return texts as a list of strings.

    Args:
        texts: a sequence, an array or a column; see `predict_proba`.

    Raises:
        InputError: if it is none of these, or holds something else than valid strings.
    """
    texts = texts if isinstance(texts, list) else values_of(texts, "texts")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not is_encodable(text):
            raise InputError(f"texts[{i}] is {quoted(text)}, not a string of valid characters")
    return texts


class Predictor:
    """Computes probabilities in many calls, with a forward pass that is compiled once."""

    def __init__(
        self,
        model: Classifier,
        tokenizer: Tokenizer,
        batch_size: int = BATCH_SIZE,
        max_length: int | None = None,
        long_texts: LongTexts = "cut",
        window_overlap: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"`batch_size` is {batch_size}: it must be at least 1")
        if long_texts not in get_args(LongTexts):
            raise InputError(
                f"`long_texts` is {long_texts!r}: it must be {' or '.join(get_args(LongTexts))}"
            )
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_length = checked_max_length(
            max_length, tokenizer.model_max_length, model.args.max_length
        )
        self.long_texts = long_texts
        self.window_overlap = checked_overlap(window_overlap, long_texts, self.max_length)
        self.num_long = 0
        """Number of texts so far that were over `max_length`: cut, or read in windows."""
        self._forward = Forward(model)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that affect the probabilities, in addition to the model and tokenizer."""
        names = "batch_size", "max_length", "long_texts", "window_overlap"
        return {name: getattr(self, name) for name in names}

    def __call__(self, texts: Sequence[str] | Any) -> np.ndarray:
        """Compute the probabilities of N texts, float32 (N, num_labels)."""
        return self.score(self.encode(texts))

    def encode(self, texts: Sequence[str] | Any) -> Windows:
        """Tokenize N texts for `score`. This does not use MLX, so any thread can do it."""
        texts = strings_of(texts)
        limit = self.max_length if self.long_texts == "cut" else sys.maxsize
        tokens = tokenize(self.tokenizer, texts, limit)
        return cut_into_windows(tokens, self.max_length, self.window_overlap)

    def score(self, windows: Windows) -> np.ndarray:
        """Compute the probabilities of N encoded texts, float32 (N, num_labels)."""
        self.num_long += windows.tokens.truncated + windows.num_divided
        rows = self._rows(len(windows.tokens))
        loader = Loader(
            windows.tokens,
            None,
            rows,
            self.tokenizer.pad_token_id,
            self.max_length,
            multiple=pad_multiple(),
        )
        probabilities = softmax(self._forward.all_logits(loader))
        # The folder that transformers loaded the tokenizer from.
        require_finite(probabilities, getattr(self.tokenizer, "name_or_path", ""))
        return windows.mean(probabilities).astype(np.float32)

    def _rows(self, count: int) -> int:
        """Rows per batch: 1 or 8 for few texts, to avoid a full batch and many shapes."""
        return next((n for n in (1, 8) if count <= n < self.batch_size), self.batch_size)


def checked_overlap(overlap: int | None, long_texts: LongTexts, max_length: int) -> int:
    """Check the tokens that windows share; None becomes a quarter of a window."""
    if overlap is None:
        return min(max_length // 4, max_length - SPECIAL - 1)
    if long_texts != "windows":
        raise InputError(
            f"`window_overlap` is {overlap}, but has no effect while long texts are cut:"
            " add `long_texts=windows`"
        )
    most = max_length - SPECIAL - 1
    if not 0 <= overlap <= most:
        raise InputError(
            f"`window_overlap` is {overlap}: it must be from 0 to {most} for windows of"
            f" {max_length} tokens"
        )
    return overlap
