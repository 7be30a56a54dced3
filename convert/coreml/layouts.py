"""Two layouts of the same network.

`plain` is for GPU and CPU. It keeps rows of hidden states, (B, S, D), as models usually do.

`ane` is for the Apple Neural Engine and follows Apple's "Deploying Transformers on the Apple Neural
Engine" (2022). Channels are on axis 1 and the sequence last, (B, D, 1, S), because the last axis
must be long and contiguous there. Linear layers are 1x1 convolutions. Each head has a small
attention, so that intermediate results stay in the cache. Keys are on axis 1 of the scores, so that
softmax and both products run without a transpose of the scores.
"""

from abc import ABC, abstractmethod

import numpy as np

from mlx_finbert.convert.coreml.conventions import FP16_EPS, MASK_FILL
from mlx_finbert.convert.coreml.mil import Var, is_symbolic, mb
from mlx_finbert.convert.coreml.network import Linear, Norm
from mlx_finbert.convert.coreml.options import NUMPY_DTYPES


class Layout(ABC):
    """The network's operations in one layout; their names become names of weights in the file."""

    channel_axis: int
    """Axis of the channels in the hidden states."""

    def __init__(self, batch: int, length: int, num_heads: int, precision: str) -> None:
        self.batch = batch
        self.length = length
        self.num_heads = num_heads
        self.precision = precision

    @abstractmethod
    def hidden(self, rows: Var) -> Var:
        """Convert embeddings (B, S, D) to this layout."""

    @abstractmethod
    def first(self, x: Var) -> Var:
        """Take the hidden state of the first token; keep the sequence axis."""

    @abstractmethod
    def linear(self, x: Var, layer: Linear, name: str) -> Var: ...

    @abstractmethod
    def over_keys(self, x: Var) -> Var:
        """Reshape (B, S) so that it can be added to the scores of a head."""

    @abstractmethod
    def attend(self, queries: Var, keys: Var, values: Var, mask: Var) -> Var:
        """Compute the attention of all heads, in the layout of the queries."""

    def norm(self, x: Var, norm: Norm, name: str) -> Var:
        gamma, beta = self.parameters(norm, name)
        epsilon = self.const(self.eps(norm), f"{name}_epsilon")
        axes = [self.channel_axis]
        return mb.layer_norm(x=x, axes=axes, gamma=gamma, beta=beta, epsilon=epsilon, name=name)

    def mask(self, is_token: Var) -> Var:
        """Convert 1 for a token and 0 for padding, (B, S), to 0 and `MASK_FILL` over the keys."""
        is_padding = mb.sub(x=self.const(1, "one"), y=is_token)
        return self.over_keys(mb.mul(x=is_padding, y=self.const(MASK_FILL, "mask_fill")))

    def flat(self, x: Var) -> Var:
        """Flatten a single token's hidden state to (B, size)."""
        return mb.reshape(x=x, shape=[self.batch, x.shape[self.channel_axis]])

    def const(self, value: np.ndarray | float, name: str) -> Var:
        """Make a named constant in the precision of the program."""
        return mb.const(val=np.asarray(value, NUMPY_DTYPES[self.precision])[()], name=name)

    def parameters(self, part: Linear | Norm, name: str) -> tuple[Var, Var]:
        """Make the constants of weight and bias."""
        return self.const(part.weight, f"{name}_weight"), self.const(part.bias, f"{name}_bias")

    def eps(self, norm: Norm) -> float:
        return max(norm.eps, FP16_EPS) if self.precision == "fp16" else norm.eps


class PlainLayout(Layout):
    """The layout `plain`, (B, S, D)."""

    channel_axis = -1

    def hidden(self, rows: Var) -> Var:
        return rows

    def first(self, x: Var) -> Var:
        return mb.slice_by_size(x=x, begin=[0, 0, 0], size=[self.batch, 1, x.shape[2]])

    def linear(self, x: Var, layer: Linear, name: str) -> Var:
        weight, bias = self.parameters(layer, name)
        return mb.linear(x=x, weight=weight, bias=bias, name=name)

    def over_keys(self, x: Var) -> Var:
        batch, length = sizes(x)
        return mb.reshape(x=x, shape=[batch, 1, 1, length])

    def attend(self, queries: Var, keys: Var, values: Var, mask: Var) -> Var:
        q, k, v = (self._heads(x) for x in (queries, keys, values))
        scores = mb.add(x=mb.matmul(x=q, y=k, transpose_y=True), y=mask)
        return self._joined(mb.matmul(x=mb.softmax(x=scores, axis=-1), y=v), sizes(queries))

    def _heads(self, x: Var) -> Var:
        batch, length, size = sizes(x)
        heads = mb.reshape(x=x, shape=[batch, length, self.num_heads, size // self.num_heads])
        return mb.transpose(x=heads, perm=[0, 2, 1, 3])

    def _joined(self, heads: Var, shape: list[int]) -> Var:
        return mb.reshape(x=mb.transpose(x=heads, perm=[0, 2, 1, 3]), shape=shape)


class AneLayout(Layout):
    """The layout `ane`, (B, D, 1, S)."""

    channel_axis = 1

    def hidden(self, rows: Var) -> Var:
        return mb.expand_dims(x=mb.transpose(x=rows, perm=[0, 2, 1]), axes=[2])

    def first(self, x: Var) -> Var:
        return mb.slice_by_size(x=x, begin=[0, 0, 0, 0], size=[self.batch, x.shape[1], 1, 1])

    def linear(self, x: Var, layer: Linear, name: str) -> Var:
        kernel = Linear(layer.weight[:, :, None, None], layer.bias)
        weight, bias = self.parameters(kernel, name)
        return mb.conv(x=x, weight=weight, bias=bias, name=name)

    def over_keys(self, x: Var) -> Var:
        return mb.reshape(x=x, shape=[*sizes(x), 1, 1])

    def attend(self, queries: Var, keys: Var, values: Var, mask: Var) -> Var:
        # One transpose for all heads: the product below needs the keys on axis 1.
        turned = mb.transpose(x=keys, perm=[0, 3, 2, 1])
        q, k, v = self._heads(queries, 1), self._heads(turned, 3), self._heads(values, 1)
        contexts = [self._attend_head(*head, mask) for head in zip(q, k, v, strict=True)]
        return mb.concat(values=contexts, axis=1)

    def _heads(self, x: Var, axis: int) -> list[Var]:
        if self.num_heads == 1:
            return [x]
        return mb.split(x=x, num_splits=self.num_heads, axis=axis)

    def _attend_head(self, q: Var, k: Var, v: Var, mask: Var) -> Var:
        scores = mb.einsum(values=(k, q), equation="bkhc,bchq->bkhq")
        weights = mb.softmax(x=mb.add(x=scores, y=mask), axis=1)
        return mb.einsum(values=(v, weights), equation="bchk,bkhq->bchq")


def sizes(x: Var) -> list[int]:
    """The shape of a value for `reshape`: -1 for an enumerated row length."""
    return [-1 if is_symbolic(size) else size for size in x.shape]


LAYOUTS: dict[str, type[Layout]] = {"ane": AneLayout, "plain": PlainLayout}
