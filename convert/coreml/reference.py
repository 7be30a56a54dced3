"""The MLX model that a package is held against."""

from collections.abc import Sequence
from functools import cached_property

import mlx.core as mx
import numpy as np

from mlx_finbert.convert.coreml.network import Network, describe
from mlx_finbert.files.hashes import weights_sha256
from mlx_finbert.inference.logits import softmax
from mlx_finbert.models import Classifier, build
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.models.precision import full_precision


class Reference:
    """A classifier in full float32 precision.

    Args:
        model: of any dtype; it is left as it is.
        masked_padding: where given, the packages derive the mask from this id: it is masked within
            a row too, here as there.

    Raises:
        InputError: for a model that cannot be exported.
    """

    def __init__(self, model: Classifier, masked_padding: int | None = None) -> None:
        # First, for its refusals.
        self.network: Network = describe(model)
        self.network.masked_padding = masked_padding
        self.model = _in_float32(model)
        self.labels = model.args.labels

    def logits(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """float32 (N, num_labels) for N rows of token ids, computed without padding."""
        found = np.empty((len(rows), len(self.labels)), np.float32)
        lengths = np.array([len(row) for row in rows])
        with full_precision():
            for length in np.unique(lengths):
                alike = np.flatnonzero(lengths == length)
                ids = mx.array([rows[i] for i in alike.tolist()], mx.int32)
                found[alike] = np.array(self.model(ids, self._mask(ids)))
        return found

    def _mask(self, ids: mx.array) -> mx.array:
        """1 where a token is read, int32, in the shape of the ids."""
        if self.network.masked_padding is None:
            return mx.ones_like(ids)
        return (ids != self.network.masked_padding).astype(mx.int32)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """float32 (N, num_labels)."""
        return softmax(logits).astype(np.float32)

    @cached_property
    def sha256(self) -> str:
        """Of the names and weights, as float32; the config is not in it."""
        return weights_sha256(named_parameters(self.model))


def _in_float32(model: Classifier) -> Classifier:
    weights = named_parameters(model)
    copy = build(model.args.to_config())
    copy.load_weights([(name, value.astype(mx.float32)) for name, value in weights.items()])
    return copy
