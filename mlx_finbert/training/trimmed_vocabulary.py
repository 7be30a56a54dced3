"""Train a model with only the rows of its word embeddings that occur in the data.

A row that no training text uses has no gradient, so its moments stay zero and Adam never changes
it. Only decoupled weight decay does, which multiplies every row by the same numbers. Financial
PhraseBank uses 4,600 of the 30,522 rows of BERT's table. So a small table is trained instead, and
the full table is restored when the model is saved.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.data.loader import Loader
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import Arrays
from mlx_finbert.training.optimizer import Adam, ParamGroup

DECAY = "decay"
TABLE = "embeddings"
"""Part and name, in a checkpoint, of the factor by which decay has multiplied the unused rows."""


class TrimmedVocabulary:
    """The small table of a model, and the full table that it replaces.

    The last row of the small table starts as ones, and no token uses it: so it always holds the
    factor by which decay has multiplied the unused rows.
    """

    def __init__(
        self, name: str, embedding: nn.Embedding, loaders: Sequence[Loader], pad_token_id: int
    ) -> None:
        """Put the small table into the model, and renumber the loaders' tokens to match.

        Args:
            name: name of the table among the model's parameters.
            embedding: the layer with the full table, float32 (vocab_size, hidden_size).
            loaders: loaders of all texts that the model reads before `restore`.
            pad_token_id: id of the padding token. This id and all smaller ones keep their numbers,
                since RoBERTa finds padding by comparing with it.
        """
        self.name, self.embedding = name, embedding
        self.table: mx.array = embedding.weight
        self.loaders = [(loader, loader.tokens) for loader in loaders]
        vocab_size = len(self.table)
        first = np.arange(min(pad_token_id + 1, vocab_size))
        ids = [first, *(tokens.ids for _, tokens in self.loaders)]
        self.ids = np.unique(np.concatenate(ids)).astype(np.int32)
        """int32 (n,), ascending: ids of the tokens that occur."""
        numbers = np.zeros(vocab_size, np.int32)
        numbers[self.ids] = np.arange(len(self.ids), dtype=np.int32)
        self._numbers = numbers
        for loader in loaders:
            self.renumber(loader)
        self.embedding.weight = with_last(self.table[mx.array(self.ids)], mx.array(1.0))

    def renumber(self, loader: Loader) -> None:
        """Renumber a loader's tokens, all of which must occur, to rows of the small table."""
        loader.tokens = replace(loader.tokens, ids=self._numbers[loader.tokens.ids])

    @property
    def decay(self) -> mx.array:
        """float32 scalar: factor by which decay has multiplied the unused rows."""
        return self.embedding.weight[-1, 0]

    def whole_table(self) -> mx.array:
        """The full table as it would be now."""
        return self._put_into(self.table * self.decay, self.embedding.weight)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Give the model its full table inside the block, to save or to load it."""
        small, self.embedding.weight = self.embedding.weight, self.whole_table()
        try:
            yield
        finally:
            self.embedding.weight = small

    def go_on_from(self, table: mx.array, state: dict[str, Arrays]) -> dict[str, Arrays]:
        """Trim the full table of a checkpoint, and the optimizer state that belongs to it.

        Args:
            table: the full table, float32 (vocab_size, hidden_size).
            state: the result of `whole_state`.
        """
        decay = state.get(DECAY, {}).get(TABLE, mx.array(1.0))
        rows = mx.array(self.ids)
        if not mx.array_equal(self._put_into(self.table * decay, table[rows]), table):
            # The current starting model is not the run's, so its rows do not count.
            self.table, decay = table, mx.array(1.0)
        self.embedding.weight = with_last(table[rows], decay)
        moments = {part: state[part][self.name][rows] for part in "mv"}
        return state | {
            part: state[part] | {self.name: with_last(array, mx.array(0.0))}
            for part, array in moments.items()
        }

    def whole_state(self, state: dict[str, Arrays]) -> dict[str, Arrays]:
        """The optimizer state with moments of the full table, for a checkpoint."""
        zeros = mx.zeros_like(self.table)
        return state | {
            **{p: state[p] | {self.name: self._put_into(zeros, state[p][self.name])} for p in "mv"},
            DECAY: {TABLE: self.decay},
        }

    def restore(self) -> None:
        """Restore the full table of the model and the tokens of the loaders."""
        self.embedding.weight = self.whole_table()
        mx.eval(self.embedding.weight)
        for loader, tokens in self.loaders:
            loader.tokens = tokens

    def _put_into(self, table: mx.array, rows: mx.array) -> mx.array:
        """A copy of a full table with the first `len(ids)` of these rows in their places."""
        table = mx.array(table)
        table[mx.array(self.ids)] = rows[: len(self.ids)]
        return table


def with_last(rows: mx.array, value: mx.array) -> mx.array:
    """Append a row of this value to rows (n, m)."""
    return mx.concatenate([rows, mx.broadcast_to(value, (1, rows.shape[1]))])


def trim(
    model: Classifier,
    loaders: Sequence[Loader],
    groups: Sequence[ParamGroup],
    adam: Adam,
) -> TrimmedVocabulary | None:
    """Trim the vocabulary of a model, unless all of its rows change or none does."""
    learning = {name for group in groups for name in group.parameters}
    for path, module in model.named_modules():
        name = f"{path}.weight"
        if path.endswith("word_embeddings") and name in learning and adam.moves_by_gradient_alone:
            return TrimmedVocabulary(name, module, loaders, model.args.pad_token_id)
    return None
