"""Builds the classifier as a Core AI program; imported in the child process alone."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from coreai.authoring import (
    Module,
    TensorSpec,
    Value,
    broadcasting_add,
    broadcasting_batch_matmul,
    broadcasting_mul,
    broadcasting_not_equal,
    cast,
    gather_nd,
    graph,
    scan,
    slice_,
    softmax,
)
from coreai.authoring.constant import constant

from mlx_finbert.convert.coreai.composites import Composites
from mlx_finbert.convert.coreai.constants import Constant, stored_constants
from mlx_finbert.convert.coreai.form import Form
from mlx_finbert.convert.coreai.operations import ACTIVATIONS, permuted, shaped, stored
from mlx_finbert.convert.coreml.conventions import function_name
from mlx_finbert.convert.coreml.network import Layer, Network


def build(network: Network, lengths: Sequence[int], form: Form) -> Module:
    """Build a module with a function for each length; equal weights are stored once.

    A function takes `input_ids` and `attention_mask`, int32 (1, S), and returns `logits` and
    `probabilities`, float32 (1, num_labels).
    """
    constants = stored_constants(network, form)
    outputs = len(network.classifier.bias)
    module = Module.create()
    with module:
        composites = Composites(network, lengths, form)
        for length in lengths:
            program = Program(network, constants, length, form, composites)
            graph(_annotated(program, length, outputs), provided_name=function_name(length))
    module.verify()
    return module


def _annotated(program: "Program", length: int, outputs: int) -> Any:
    """The function whose annotations tell Core AI its inputs and outputs."""
    ids = Annotated[Value, TensorSpec((1, length), np.int32)]
    logits, probabilities = (
        Annotated[Value, TensorSpec((1, outputs), np.float32, name=name)]
        for name in ("logits", "probabilities")
    )

    def classify(input_ids: Any, attention_mask: Any) -> Any:
        return program.outputs(input_ids, attention_mask)

    outputs_of: Any = tuple
    classify.__annotations__ = {
        "input_ids": ids, "attention_mask": ids, "return": outputs_of[logits, probabilities],
    }  # fmt: skip
    return classify


class Program:
    """The network's function for one length, on hidden states (1, S, D)."""

    def __init__(
        self,
        network: Network,
        constants: dict[str, Constant],
        length: int,
        form: Form,
        composites: Composites,
    ) -> None:
        self.network = network
        self.constants = constants
        self.length = length
        self.form = form
        self.composites = composites

    def outputs(self, input_ids: Value, attention_mask: Value) -> tuple[Value, Value]:
        """Compute logits and probabilities, which the softmax makes of the logits in float32."""
        logits = cast(self.logits(input_ids, attention_mask), np.float32)
        return logits, softmax(logits, -1)

    def logits(self, input_ids: Value, attention_mask: Value) -> Value:
        """Compute the logits (1, num_labels)."""
        layers = self.network.layers
        x = self.embedded(input_ids)
        mask = shaped(self.mask(attention_mask), 1, 1, 1, self.length)
        for i, layer in enumerate(layers):
            # Only the first token of the last layer is used: the others need no queries there.
            rows = x if i + 1 < len(layers) else self.first(x)
            x = self.transform(layer, f"layer_{i}", x, rows, mask)
        # Three axes up to here: a product of two axes into an activation is wrong on some devices.
        pooled = ACTIVATIONS[self.network.pooler_act](self.linear(x, "pooler"))
        return shaped(self.linear(pooled, "classifier"), 1, len(self.network.classifier.bias))

    def mask(self, attention_mask: Value) -> Value:
        """Compute True for a token and False for padding."""
        return broadcasting_not_equal(attention_mask, constant(np.int32(0)))

    def embedded(self, input_ids: Value) -> Value:
        """Compute the normalized embeddings, (1, S, D)."""
        eps = self.network.embedding_norm.eps
        return self.norm(self.embed(input_ids), "embeddings_norm", eps, self.length)

    def embed(self, input_ids: Value) -> Value:
        """Compute the sum of word, position and token-type embeddings, (1, S, D)."""
        words = self.rows_of("word_embeddings", input_ids)
        if self.network.counted_padding is not None:
            indices = self.counted_positions(input_ids, self.network.counted_padding)
            return broadcasting_add(words, self.rows_of("position_embeddings", indices))
        return broadcasting_add(words, constant(self.positions()))

    def rows_of(self, table: str, indices: Value) -> Value:
        return gather_nd(stored(self.constants[table]), shaped(indices, 1, self.length, 1))

    def positions(self) -> np.ndarray:
        held = self.constants["position_embeddings"]
        assert isinstance(held, np.ndarray)
        return np.ascontiguousarray(held[None, : self.length])

    def counted_positions(self, input_ids: Value, pad_token_id: int) -> Value:
        """Compute RoBERTa's positions: tokens count from `pad_token_id` + 1, padding stays."""
        padding = constant(np.int32(pad_token_id))
        is_token = cast(broadcasting_not_equal(input_ids, padding), np.int32)
        count = scan(is_token, np.uint32(1), np.bool_(False))
        return broadcasting_add(broadcasting_mul(count, is_token), padding)

    def first(self, x: Value) -> Value:
        """Take the hidden state of the first token; keep the sequence axis."""
        size = self.network.hidden_size
        return slice_(x, *(np.array(at, np.int32) for at in ([0, 0, 0], [1, 1, size], [1, 1, 1])))

    def transform(self, layer: Layer, name: str, x: Value, rows: Value, mask: Value) -> Value:
        """Apply one layer to the hidden states `rows`, which attend to all of `x`."""
        count = self.length if rows is x else 1
        context = self.composites.attention(
            self.heads(self.linear(rows, f"{name}_query"), count),
            self.heads(self.linear(x, f"{name}_key"), self.length),
            self.heads(self.linear(x, f"{name}_value"), self.length),
            mask,
            (count, self.length),
        )
        joined = shaped(permuted(context, 0, 2, 1, 3), 1, count, self.network.hidden_size)
        attended = broadcasting_add(self.linear(joined, f"{name}_attention_output"), rows)
        rows = self.norm(attended, f"{name}_attention_norm", layer.attention_norm.eps, count)
        inner = ACTIVATIONS[self.network.hidden_act](self.linear(rows, f"{name}_intermediate"))
        outer = broadcasting_add(self.linear(inner, f"{name}_output"), rows)
        return self.norm(outer, f"{name}_output_norm", layer.output_norm.eps, count)

    def heads(self, x: Value, count: int) -> Value:
        """Split (1, S, D) into heads, (1, A, S, d)."""
        size = self.network.hidden_size // self.network.num_heads
        return permuted(shaped(x, 1, count, self.network.num_heads, size), 0, 2, 1, 3)

    def linear(self, x: Value, name: str) -> Value:
        product = broadcasting_batch_matmul(x, stored(self.constants[f"{name}_weight"]))
        return broadcasting_add(product, stored(self.constants[f"{name}_bias"]))

    def norm(self, x: Value, name: str, eps: float, count: int) -> Value:
        gamma, beta = (stored(self.constants[f"{name}_{part}"]) for part in ("weight", "bias"))
        return self.composites.layer_norm(x, gamma, beta, (eps, count))
