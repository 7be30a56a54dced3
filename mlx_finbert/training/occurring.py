"""The table of word embeddings without the rows that no training row looks up.

Such a row has no gradient, so Adam's moments of it stay zero and Adam never moves it; what moves it
is decoupled weight decay alone, which multiplies every row by the same number. Of the 30,522 rows
of BERT's table Financial PhraseBank looks up 4,600, so the update is made of those, and the others
are worked out when somebody asks for them.
"""

from dataclasses import dataclass

import mlx.core as mx
import numpy as np


@dataclass
class OccurringRows:
    """Which rows of a table learn, and the whole table as it was before the first update."""

    name: str
    """Of the table among the model's parameters."""
    whole: mx.array
    """float32 (vocab_size, hidden_size)."""
    ids: np.ndarray
    """int32 (n,), ascending: the tokens whose rows learn."""

    @classmethod
    def of(
        cls, name: str, whole: mx.array, tokens: np.ndarray, pad_token_id: int
    ) -> "OccurringRows":
        """For training tokens, an int array of any shape.

        RoBERTa counts positions by comparing with `pad_token_id`: it and all before it keep their
        numbers.
        """
        first = np.arange(min(pad_token_id + 1, whole.shape[0]))
        return cls(name, whole, np.union1d(tokens, first).astype(np.int32))

    def __post_init__(self) -> None:
        self._numbers = np.zeros(self.whole.shape[0], np.int32)
        self._numbers[self.ids] = np.arange(len(self.ids), dtype=np.int32)

    def renumbered(self, input_ids: np.ndarray) -> np.ndarray:
        """Token ids as numbers of rows of the small table, int32."""
        return self._numbers[input_ids]

    def taken_from(self, table: mx.array) -> mx.array:
        """The rows that learn, (n, hidden_size), of a whole table."""
        return table[mx.array(self.ids)]

    def put_into(self, table: mx.array, rows: mx.array) -> mx.array:
        """A copy of a whole table with these rows, (n, hidden_size), in their places."""
        table = mx.array(table)
        table[mx.array(self.ids)] = rows
        return table

    def in_zeros(self, rows: mx.array) -> mx.array:
        """A whole table of zeros with these rows in their places: moments, for a checkpoint."""
        return self.put_into(mx.zeros_like(self.whole), rows)
