"""Class probabilities of texts."""

from collections.abc import Sequence

import numpy as np

from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.errors import InputError
from mlx_finbert.forward import all_logits, make_forward
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
        max_length: longer texts are cut to so many tokens; the model's most where None.

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
        most = model.args.max_length
        if max_length is not None and not 3 <= max_length <= most:
            raise InputError(f"max_length is {max_length}: from 3 to {most}, the model's most")
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_length = max_length or most
        self.truncated = 0
        """How many of the texts so far were longer than `max_length` and were cut."""
        self._forward = make_forward(model)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, float32 (N, num_labels), of N texts."""
        if isinstance(texts, str):
            raise InputError("texts is one string: give a list of strings")
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"texts[{i}] is {text!r}, not a string")
        was_training = self.model.training
        self.model.eval()
        tokens = tokenize(self.tokenizer, texts, self.max_length)
        self.truncated += tokens.truncated
        # A lone headline is not padded to a whole batch; powers of two keep the shapes few.
        rows = min(self.batch_size, 1 << max(0, len(texts) - 1).bit_length())
        loader = Loader(tokens, None, rows, self.tokenizer.pad_token_id, self.max_length)
        logits = all_logits(self._forward, loader, self.model.args.num_labels)
        self.model.train(was_training)
        return softmax(logits).astype(np.float32)
