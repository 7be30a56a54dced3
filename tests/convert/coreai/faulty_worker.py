"""The worker with a deliberate fault, which `MLX_FINBERT_FAULT` names."""

import os

import numpy as np
from coreai.authoring import (
    broadcasting_batch_matmul,
    broadcasting_equal,
    gelu,
    relu,
    reverse,
    slice_,
    softmax,
)
from coreai.authoring.constant import constant

from mlx_finbert.convert.coreai import composites, graph, operations, worker
from mlx_finbert.convert.coreai.operations import permuted


def mask_of(number):
    """Replace the comparison with 0 that makes the mask."""
    graph.Program.mask = lambda program, mask: broadcasting_equal(mask, constant(np.int32(number)))


def inverted_mask():
    mask_of(0)


def no_mask():
    graph.Program.mask = lambda program, mask: broadcasting_equal(mask, mask)


def mask_on_the_query_axis():
    true = composites.Composites._declare_attention

    def declare(form, queries, length):
        where, on_queries = composites.broadcasting_where, queries == length
        # The last layer has one query, which such a mask would not fit.
        composites.broadcasting_where = lambda mask, *values: where(
            permuted(mask, 0, 1, 3, 2) if on_queries else mask, *values
        )
        try:
            return true(form, queries, length)
        finally:
            composites.broadcasting_where = where

    composites.Composites._declare_attention = declare


def weights_transposed():
    """Attention weights for keys by queries."""
    true = composites.Composites._declare_attention

    def declare(form, queries, length):
        made, is_square = composites.softmax, queries == length
        composites.softmax = lambda x, axis: (
            permuted(made(x, axis), 0, 1, 3, 2) if is_square else made(x, axis)
        )
        try:
            return true(form, queries, length)
        finally:
            composites.softmax = made

    composites.Composites._declare_attention = declare


def softmax_over_the_queries():
    composites.softmax = lambda x, axis: softmax(x, 2)


def heads_not_put_back():
    true, calls = graph.permuted, []

    def permuted(x, *axes):
        calls.append(axes)
        # The fourth is that of the context.
        return x if len(calls) % 4 == 0 else true(x, *axes)

    graph.permuted = permuted


def keys_of_other_heads():
    true = composites.permuted
    # The only permutation there is that of the keys.
    composites.permuted = lambda x, *axes: true(reverse(x, np.array([1], np.int32)), *axes)


def gelu_variant():
    operations.ACTIVATIONS["gelu"] = lambda x: gelu(x, approximate="tanh")


def pooler_relu():
    operations.ACTIVATIONS["tanh"] = relu


def layer_norm_eps():
    true = composites.Composites._declare_norm
    composites.Composites._declare_norm = lambda form, eps, *more: true(form, 1e-5, *more)


def second_token_for_the_first():
    def first(program, x):
        ends = [0, 1, 0], [1, 2, program.network.hidden_size], [1, 1, 1]
        return slice_(x, *(np.array(at, np.int32) for at in ends))

    graph.Program.first = first


def outputs_swapped():
    true = graph.Program.outputs
    graph.Program.outputs = lambda program, *inputs: true(program, *inputs)[::-1]


def square_weights_transposed():
    true = graph.stored

    def stored(value):
        is_square = isinstance(value, np.ndarray) and value.shape[0] == value.shape[-1]
        return true(np.ascontiguousarray(value.T) if is_square else value)

    graph.stored = stored


def other_positions_in_one_function():
    true = graph.Program.positions

    def positions(program):
        found = true(program)
        return found if program.length == 7 else np.ascontiguousarray(found[:, ::-1])

    graph.Program.positions = positions


def weights_not_transposed():
    graph.Program.linear = lambda program, x, name: broadcasting_batch_matmul(
        x, constant(np.ascontiguousarray(program.constants[f"{name}_weight"].T))
    )


def abort():
    graph.Program.outputs = lambda program, *inputs: os.abort()


if __name__ == "__main__":
    globals()[os.environ["MLX_FINBERT_FAULT"]]()
    worker.main()
