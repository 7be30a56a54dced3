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


def mask_of(number):
    """Replace the comparison with 0 that makes the mask."""
    graph.Program.mask = lambda program, mask: broadcasting_equal(mask, constant(np.int32(number)))


def inverted_mask():
    mask_of(0)


def no_mask():
    graph.Program.mask = lambda program, mask: broadcasting_equal(mask, mask)


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


def weights_not_transposed():
    graph.Program.linear = lambda program, x, name: broadcasting_batch_matmul(
        x, constant(np.ascontiguousarray(program.constants[f"{name}_weight"].T))
    )


def abort():
    graph.Program.outputs = lambda program, *inputs: os.abort()


if __name__ == "__main__":
    globals()[os.environ["MLX_FINBERT_FAULT"]]()
    worker.main()
