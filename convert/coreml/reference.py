"""The MLX model that a package is compared with."""

from collections.abc import Sequence
from functools import cached_property

import mlx.core as mx
import numpy as np

from mlx_finbert.convert.coreml.network import Network, describe
from mlx_finbert.inference.logits import softmax
from mlx_finbert.models import Classifier, build
from mlx_finbert.models.parameters import named_parameters, weights_sha256
from mlx_finbert.models.precision import full_precision


class Reference:
    """A classifier in full float32 precision.

    Args:
        model: a model of any dtype; it is not changed.
        masked_padding: the id from which the packages derive the mask, if they do; it is then
            masked within a row here too.

    Raises:
        InputError: for a model that cannot be exported.
    """

    def __init__(self, model: Classifier, masked_padding: int | None = None) -> None:
        # This comes first because it refuses unsupported models.
        self.network: Network = describe(model)
        self.network.masked_padding = masked_padding
        self.model = _in_float32(model)
        self.labels = model.args.labels

    def logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Compute logits, float32 (N, num_labels), for N rows of token ids, without padding."""
        found = np.empty((len(rows), len(self.labels)), np.float32)
        lengths = np.array([len(row) for row in rows])
        with full_precision():
            for length in np.unique(lengths):
                alike = np.flatnonzero(lengths == length)
                ids = mx.array([rows[i] for i in alike.tolist()], mx.int32)
                found[alike] = np.array(self.model(ids, self._mask(ids)))
        return found

    def _mask(self, ids: mx.array) -> mx.array:
        """The mask for ids, int32: 1 for a token that is read."""
        if self.network.masked_padding is None:
            return mx.ones_like(ids)
        return (ids != self.network.masked_padding).astype(mx.int32)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Compute the probabilities, float32 (N, num_labels)."""
        return softmax(logits).astype(np.float32)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the names and float32 weights, without the config."""
        return weights_sha256(named_parameters(self.model))


def _in_float32(model: Classifier) -> Classifier:
    weights = named_parameters(model)
    copy = build(model.args.to_config())
    copy.load_weights([(name, value.astype(mx.float32)) for name, value in weights.items()])
    return copy
