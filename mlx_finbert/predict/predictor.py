"""Class probabilities of texts."""

from collections.abc import Sequence

import numpy as np

from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import checked_max_length, tokenize
from mlx_finbert.encoding import is_encodable
from mlx_finbert.errors import InputError
from mlx_finbert.forward import Forward
from mlx_finbert.metrics import softmax
from mlx_finbert.models import Classifier
from mlx_finbert.tokenizer import Tokenizer

BATCH_SIZE = 32


def predict(
    model: Classifier,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    batch_size: int = BATCH_SIZE,
    max_length: int | None = None,
) -> np.ndarray:
    """Probabilities of the labels `model.args.labels` for each text.

    Args:
        model, tokenizer: from `load`.
        texts: N strings.
        batch_size: rows computed together; batches are grouped by length.
        max_length: longer texts are cut to so many tokens; the tokenizer's `model_max_length`
            where None.

    Returns:
        float32 (N, num_labels), in the order of the texts; each row sums to 1.

    Raises:
        InputError: where texts is not a sequence of strings, or max_length is out of range.
    """
    return Predictor(model, tokenizer, batch_size, max_length)(texts)


class Predictor:
    """`predict` for many calls: the forward pass is compiled once."""

    def __init__(
        self,
        model: Classifier,
        tokenizer: Tokenizer,
        batch_size: int = BATCH_SIZE,
        max_length: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: at least 1")
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_length = checked_max_length(
            max_length, tokenizer.model_max_length, model.args.max_length
        )
        self.truncated = 0
        """How many of the texts so far were longer than `max_length` and were cut."""
        self._forward = Forward(model)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, float32 (N, num_labels), of N texts."""
        if not isinstance(texts, Sequence) or isinstance(texts, str):
            raise InputError(f"texts is a {type(texts).__name__}: give a list of strings")
        for i, text in enumerate(texts):
            if not isinstance(text, str) or not is_encodable(text):
                raise InputError(f"texts[{i}] is {text!r}, not a string of valid characters")
        tokens = tokenize(self.tokenizer, texts, self.max_length)
        self.truncated += tokens.truncated
        rows = self._rows(len(texts))
        loader = Loader(tokens, None, rows, self.tokenizer.pad_token_id, self.max_length)
        logits = self._forward.all_logits(loader) / self.model.args.calibration_temperature
        probabilities = softmax(logits).astype(np.float32)
        if not np.isfinite(probabilities).all():
            raise InputError("the model's logits are not finite: its weights are damaged")
        return probabilities

    def _rows(self, count: int) -> int:
        """Rows of a batch: a lone headline is not padded to a whole batch, and shapes stay few."""
        return next((n for n in (1, 8) if count <= n < self.batch_size), self.batch_size)
