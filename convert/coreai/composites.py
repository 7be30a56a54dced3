"""Apple's composite operations, declared once for each shape; imported in the child process.

A compiler that knows a declared operation replaces the graph below it; others run the graph.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from coreai._compiler.ir import Attribute
from coreai.authoring import (
    TensorSpec,
    Value,
    broadcasting_add,
    broadcasting_batch_matmul,
    broadcasting_mul,
    broadcasting_sub,
    broadcasting_where,
    graph,
    reduce_mean,
    rsqrt,
    softmax,
)
from coreai.authoring.constant import constant

from mlx_finbert.convert.coreai.form import Form
from mlx_finbert.convert.coreai.operations import permuted
from mlx_finbert.convert.coreml.conventions import FP16_EPS, MASK_FILL
from mlx_finbert.convert.coreml.network import Network

Graph = Callable[..., list[Value]]


class Composites:
    """The composite operations of a module, which its functions share."""

    def __init__(self, network: Network, lengths: Sequence[int], form: Form) -> None:
        self._network = network
        self._form = form
        norms = [network.embedding_norm]
        norms += [n for la in network.layers for n in (la.attention_norm, la.output_norm)]
        # One row, too: the last layer computes its first token alone.
        self._norms = {
            (eps, count): self._declare_norm(eps, count, f"{i}_of_{count}")
            for i, eps in enumerate(sorted({norm.eps for norm in norms}))
            for count in sorted({1, *lengths})
        }
        self._attentions = {
            (queries, length): self._declare_attention(queries, length)
            for length in lengths
            for queries in (1, length)
        }

    def layer_norm(self, x: Value, gamma: Value, beta: Value, at: tuple[float, int]) -> Value:
        """Normalize the last axis of (1, S, D).

        Args:
            x, gamma, beta: the hidden states and what they are scaled and shifted by.
            at: epsilon and S.
        """
        (found,) = self._norms[at](x, gamma, beta)
        return found

    def attention(
        self, query: Value, key: Value, value: Value, mask: Value, at: tuple[int, int]
    ) -> Value:
        """Attend in every head.

        Args:
            query: (1, A, Q, d); it includes the scale.
            key, value: (1, A, S, d).
            mask: True for a key that is read, (1, 1, 1, S).
            at: Q and S.
        """
        (found,) = self._attentions[at](query, key, value, mask)
        return found

    def _declare_norm(self, eps: float, count: int, ending: str) -> Graph:
        least = FP16_EPS if self._form.precision == "fp16" else 0.0
        limit = np.asarray(max(eps, least), self._form.dtype)

        def layer_norm(input: Value, gamma: Value, beta: Value) -> Value:
            centred = broadcasting_sub(input, reduce_mean(input, [2]))
            variance = reduce_mean(broadcasting_mul(centred, centred), [2])
            scale = rsqrt(broadcasting_add(variance, constant(limit)))
            return broadcasting_add(broadcasting_mul(broadcasting_mul(centred, scale), gamma), beta)

        size = self._network.hidden_size
        return self._declare(
            layer_norm,
            ending,
            {"axes": "[2 : si64]", "eps": f"{float(limit):e} : f32", "version": "1 : si64"},
            {"input": (1, count, size), "gamma": (size,), "beta": (size,)},
            (1, count, size),
        )

    def _declare_attention(self, queries: int, length: int) -> Graph:
        zero, fill = (np.asarray(number, self._form.dtype) for number in (0, MASK_FILL))

        def scaled_dot_product_attention(
            query: Value, key: Value, value: Value, attn_mask: Value
        ) -> Value:
            scores = broadcasting_batch_matmul(query, permuted(key, 0, 1, 3, 2))
            added = broadcasting_where(attn_mask, constant(zero), constant(fill))
            return broadcasting_batch_matmul(softmax(broadcasting_add(scores, added), -1), value)

        heads = self._network.num_heads
        size = self._network.hidden_size // heads
        keys = (1, heads, length, size)
        attributes = {
            "is_causal": "false", "scale": "1.000000e+00 : f32", "version": "1 : si64",
            "window_size": "0 : si64",
        }  # fmt: skip
        inputs = {
            "query": (1, heads, queries, size), "key": keys, "value": keys,
            "attn_mask": (1, 1, 1, length),
        }  # fmt: skip
        return self._declare(
            scaled_dot_product_attention, f"{queries}_of_{length}", attributes, inputs,
            (1, heads, queries, size),
        )  # fmt: skip

    def _declare(
        self,
        body: Callable[..., Value],
        ending: str,
        attributes: Mapping[str, str],
        inputs: Mapping[str, tuple[int, ...]],
        output: tuple[int, ...],
    ) -> Graph:
        """Declare a private graph; with all types known its name gets no random letters."""
        types: dict[str, Any] = {
            name: np.bool_ if name == "attn_mask" else self._form.dtype.type for name in inputs
        }
        body.__annotations__ = {
            name: Annotated[Value, TensorSpec(shape, types[name])] for name, shape in inputs.items()
        } | {"return": Annotated[Value, TensorSpec(output, self._form.dtype.type, name="output")]}
        return graph(
            private=True,
            no_inline=True,
            provided_name=f"{body.__name__}_{ending}",
            composite_decl=_declaration(body.__name__, attributes, inputs),
        )(body)


def _declaration(name: str, attributes: Mapping[str, str], inputs: Mapping[str, Any]) -> Any:
    names = ", ".join(f'"{name}"' for name in inputs)
    told = ", ".join(f"{key} = {value}" for key, value in attributes.items())
    return Attribute.parse(
        f'#coreai.composite_declaration<"{name}" = {{input_names = [{names}],'
        f' output_names = ["output"], op_attrs = {{{told}}}}}>'
    )
