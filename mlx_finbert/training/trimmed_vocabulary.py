"""A model whose table of word embeddings holds the rows that occur, while it is trained.

A row that no training text looks up has no gradient, so Adam's moments of it stay zero and Adam
never moves it; what moves it is decoupled weight decay alone, which multiplies every row by the
same numbers. Of the 30,522 rows of BERT's table Financial PhraseBank looks up 4,600. So a small
table is trained in its place, and the whole one is put back where the model is saved.
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
"""In a checkpoint, under these names: by what decay has multiplied the rows that do not occur."""


class TrimmedVocabulary:
    """The small table of a model, and the whole one that it stands for.

    The last row of the small table is ones, which no token looks up: so it holds, at any time, by
    what decay has multiplied the rows that are not there.
    """

    def __init__(
        self, name: str, embedding: nn.Embedding, loaders: Sequence[Loader], pad_token_id: int
    ) -> None:
        """Put the small table into the model, and number the loaders' tokens by its rows.

        Args:
            name: of the table among the model's parameters.
            embedding: of the whole table, float32 (vocab_size, hidden_size).
            loaders: of all texts that the model gets before `put_back`.
            pad_token_id: RoBERTa counts positions by comparing with it: it and all before it keep
                their numbers.
        """
        self.name, self.embedding = name, embedding
        self.table: mx.array = embedding.weight
        self.loaders = [(loader, loader.tokens) for loader in loaders]
        vocab_size = len(self.table)
        first = np.arange(min(pad_token_id + 1, vocab_size))
        ids = [first, *(tokens.ids for _, tokens in self.loaders)]
        self.ids = np.unique(np.concatenate(ids)).astype(np.int32)
        """int32 (n,), ascending: the tokens that occur."""
        numbers = np.zeros(vocab_size, np.int32)
        numbers[self.ids] = np.arange(len(self.ids), dtype=np.int32)
        self._numbers = numbers
        for loader in loaders:
            self.renumber(loader)
        self.embedding.weight = with_last(self.table[mx.array(self.ids)], mx.array(1.0))

    def renumber(self, loader: Loader) -> None:
        """Number a loader's tokens, all of which occur, by the rows of the small table."""
        loader.tokens = replace(loader.tokens, ids=self._numbers[loader.tokens.ids])

    @property
    def decay(self) -> mx.array:
        """Float32 scalar: the rows that do not occur are the table's times this."""
        return self.embedding.weight[-1, 0]

    def whole_table(self) -> mx.array:
        """As the whole table would be now."""
        return self._put_into(self.table * self.decay, self.embedding.weight)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Inside the block the model has the whole table, to be saved or to be loaded."""
        small, self.embedding.weight = self.embedding.weight, self.whole_table()
        try:
            yield
        finally:
            self.embedding.weight = small

    def go_on_from(self, table: mx.array, state: dict[str, Arrays]) -> dict[str, Arrays]:
        """Trim the whole table of a checkpoint, and the optimizer's state that belongs to it.

        Args:
            table: float32 (vocab_size, hidden_size).
            state: as `whole_state` gave it.
        """
        decay = state.get(DECAY, {}).get(TABLE, mx.array(1.0))
        rows = mx.array(self.ids)
        if not mx.array_equal(self._put_into(self.table * decay, table[rows]), table):
            # The model that this began with is another than the run's: its rows do not count.
            self.table, decay = table, mx.array(1.0)
        self.embedding.weight = with_last(table[rows], decay)
        moments = {part: state[part][self.name][rows] for part in "mv"}
        return state | {
            part: state[part] | {self.name: with_last(array, mx.array(0.0))}
            for part, array in moments.items()
        }

    def whole_state(self, state: dict[str, Arrays]) -> dict[str, Arrays]:
        """An optimizer's state with moments of the whole table: what a checkpoint keeps."""
        zeros = mx.zeros_like(self.table)
        return state | {
            **{p: state[p] | {self.name: self._put_into(zeros, state[p][self.name])} for p in "mv"},
            DECAY: {TABLE: self.decay},
        }

    def put_back(self) -> None:
        """Give the model its whole table, and the loaders their tokens."""
        self.embedding.weight = self.whole_table()
        mx.eval(self.embedding.weight)
        for loader, tokens in self.loaders:
            loader.tokens = tokens

    def _put_into(self, table: mx.array, rows: mx.array) -> mx.array:
        """A copy of a whole table with the first of these rows in their places."""
        table = mx.array(table)
        table[mx.array(self.ids)] = rows[: len(self.ids)]
        return table


def with_last(rows: mx.array, value: mx.array) -> mx.array:
    """The rows, (n, m), and one more of this value."""
    return mx.concatenate([rows, mx.broadcast_to(value, (1, rows.shape[1]))])


def trim(
    model: Classifier,
    loaders: Sequence[Loader],
    groups: Sequence[ParamGroup],
    adam: Adam,
) -> TrimmedVocabulary | None:
    """Trim the vocabulary of a model, or leave it where all of its rows move, or none does."""
    learning = {name for group in groups for name in group.parameters}
    for path, module in model.named_modules():
        name = f"{path}.weight"
        if path.endswith("word_embeddings") and name in learning and adam.moves_by_gradient_alone:
            return TrimmedVocabulary(name, module, loaders, model.args.pad_token_id)
    return None
