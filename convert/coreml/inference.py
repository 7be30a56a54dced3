"""Rows of token ids: the verification texts, their padding, and their outputs from a package."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.errors import quoted

ORDINARY = "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn a year earlier."
"""A clear case: compression errors are many times larger if a model is undecided."""

NO_CUT = 2**31
"""A length at which no text is cut."""

Row = tuple[int, ...]
"""Token ids without padding."""


def verification_texts(tokenizer: Tokenizer, length: int) -> dict[str, str]:
    """The texts most likely to fail, by name.

    "all unknown" has known tokens in a byte-pair vocabulary.

    Args:
        tokenizer: the model's tokenizer.
        length: tokens per row of the package.
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
    """Make a text of `length` tokens, or one less if every word has at least two tokens."""
    words: list[str] = []
    for word in (ORDINARY.split() * length)[:length] + ["1"] * length:
        longer = " ".join([*words, word])
        if len(tokenizer(longer, verbose=False)["input_ids"]) <= length:
            words.append(word)
    return " ".join(words)


def token_rows(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> list[Row]:
    """Tokenize texts, cut to `length` tokens; the last special token is kept."""
    tokens = tokenize(tokenizer, texts, length)
    return [tuple(tokens[i].tolist()) for i in range(len(tokens))]


def shortest_holding(tokens: int, lengths: Sequence[int]) -> int:
    """The shortest of the ascending lengths that holds a row, or the longest if none does."""
    return next((length for length in lengths if tokens <= length), lengths[-1])


def padded_batches(
    rows: Sequence[Row], batch: int, length: int, pad_token_id: int
) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Make the inputs of a package.

    Yields:
        `input_ids` and `attention_mask`, int32 (batch, length), and the number of valid rows; the
        last batch is filled by repeating its first row.
    """
    for start in range(0, len(rows), batch):
        chunk = list(rows[start : start + batch])
        ids = np.full((batch, length), pad_token_id, np.int32)
        mask = np.zeros((batch, length), np.int32)
        for i, row in enumerate(chunk + chunk[:1] * (batch - len(chunk))):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        yield {"input_ids": ids, "attention_mask": mask}, len(chunk)


Runner = Callable[[Mapping[str, np.ndarray]], dict[str, Any]]
"""A callable that runs a function of a package: an `Evaluator`, or Core ML."""


@dataclass
class Outcome:
    """The outputs of a function for N rows."""

    probabilities: np.ndarray
    """float32 (N, num_labels), in the order of the model's labels."""
    logits: np.ndarray
    """float32 (N, num_labels)"""


@dataclass
class Inference:
    """Feeds rows to the packages of an export and collects their outputs."""

    batch: int
    labels: list[str]
    pad_token_id: int
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    """The inputs of the packages."""

    def __call__(
        self, runner: Runner, rows: Sequence[Row], length: int, pad_token_id: int | None = None
    ) -> Outcome:
        """Compute the outputs for N rows of at most `length` token ids.

        `pad_token_id` is the id that fills the padding; None for the usual one.

        Raises:
            EvaluationError: if the function does not return the expected outputs.
        """
        pad = self.pad_token_id if pad_token_id is None else pad_token_id
        probabilities, logits = [], []
        for feeds, count in padded_batches(rows, self.batch, length, pad):
            outputs = runner({name: feeds[name] for name in self.inputs})
            if not {"probabilities", "logits"} <= set(outputs):
                raise EvaluationError(f"its outputs are {sorted(outputs)}")
            probabilities.append(self._probabilities(outputs)[:count])
            logits.append(outputs["logits"][:count])
        return Outcome(np.concatenate(probabilities), np.concatenate(logits))

    def _probabilities(self, outputs: Mapping[str, Any]) -> np.ndarray:
        """The probabilities (B, num_labels), also from a classifier's label and dictionary."""
        found = outputs["probabilities"]
        if not isinstance(found, dict):
            return found
        if set(found) != set(self.labels):
            raise EvaluationError(f"its probabilities are for {sorted(found)}")
        label = outputs.get("label")
        if label not in found or found[label] < max(found.values()):
            raise EvaluationError(
                f"its label is {quoted(label)}, but its probabilities are {found}"
            )
        return np.array([[found[label] for label in self.labels]], np.float32)
