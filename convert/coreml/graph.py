"""Builds the classifier in Core ML's intermediate language (MIL), for any layout."""

from collections.abc import Callable

import numpy as np

from mlx_finbert.convert.coreml.layouts import LAYOUTS, Layout
from mlx_finbert.convert.coreml.mil import Program, Var, ct, get_new_symbol, is_symbolic, mb, types
from mlx_finbert.convert.coreml.network import Layer, Network
from mlx_finbert.convert.coreml.options import CompleteOptions
from mlx_finbert.errors import InputError

ACTIVATIONS: dict[str, Callable[..., Var]] = {
    "gelu": lambda x: mb.gelu(x=x, mode="EXACT"),
    "gelu_new": lambda x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
    "gelu_pytorch_tanh": lambda x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
    "relu": lambda x: mb.relu(x=x),
    "silu": lambda x: mb.silu(x=x),
    "tanh": lambda x: mb.tanh(x=x),
}

SOFTMAX_NAMES = {"classifier": "softmax", "arrays": "probabilities"}
"""Name of the softmax; in a classifier, `probabilities` is the dictionary of labels instead."""

INPUTS = {"fixed": ("input_ids", "attention_mask"), "enumerated": ("input_ids",)}
"""Names of a program's inputs. Below iOS18, Core ML enumerates the shapes of only one input."""


def build(network: Network, length: int, options: CompleteOptions) -> Program:
    """Build a program.

    Its inputs are `input_ids` and `attention_mask`, int32 (B, S). Its outputs are `logits` and
    `probabilities` (or `softmax`, see `SOFTMAX_NAMES`), float32 (B, num_labels). If shapes are
    enumerated, S is open and `input_ids` is the only input. A conversion modifies its program, so
    each conversion needs a new one.

    Args:
        network: from `describe`.
        length: tokens per row, S, with padding; the maximum if shapes are enumerated.
        options: layout, shapes, batch, precision, target and outputs are used.

    Raises:
        InputError: for an activation that Core ML has no operation for.
    """
    if network.hidden_act not in ACTIVATIONS:
        raise InputError(
            f"config.json: the activation {network.hidden_act!r} has no counterpart in Core ML;"
            f" use a model with one of {', '.join(ACTIVATIONS)}"
        )
    layout = LAYOUTS[options.layout](options.batch, length, network.num_heads, options.precision)
    # coremltools numbers names throughout the process; a reset makes them the same each time.
    mb.name_count.clear()

    def outputs(input_ids: Var, attention_mask: Var) -> tuple[Var, Var]:
        logits = forward(network, layout, input_ids, attention_mask)
        softmax = mb.softmax(x=logits, axis=-1)
        return (
            mb.cast(x=softmax, dtype="fp32", name=SOFTMAX_NAMES[options.outputs]),
            mb.cast(x=logits, dtype="fp32", name="logits"),
        )

    def derived(input_ids: Var) -> tuple[Var, Var]:
        if network.masked_padding is None:
            raise ValueError("the mask is derived from a padding id that the network does not have")
        return outputs(input_ids, differs(input_ids, network.masked_padding))

    fixed = options.shapes == "fixed"
    shape = (options.batch, length if fixed else get_new_symbol())
    inputs = [mb.TensorSpec(shape, dtype=types.int32) for _ in INPUTS[options.shapes]]
    program = mb.program(input_specs=inputs, opset_version=ct.target[options.target])
    return program(outputs if fixed else derived)


def constants(program: Program) -> dict[str, np.ndarray]:
    """The floating-point constants of a program, by name, in its precision."""
    found = {
        operation.name: np.asarray(operation.val.val)
        for operation in program.functions["main"].operations
        if operation.op_type == "const"
    }
    return {name: value for name, value in found.items() if value.dtype.kind == "f"}


def forward(network: Network, layout: Layout, input_ids: Var, attention_mask: Var) -> Var:
    """Compute the logits (B, num_labels)."""
    x = layout.hidden(embed(network, layout, input_ids))
    x = layout.norm(x, network.embedding_norm, "embeddings_norm")
    mask = layout.mask(mb.cast(x=attention_mask, dtype=layout.precision))
    for i, layer in enumerate(network.layers):
        # Only the first token of the last layer is used: the others need no queries there.
        rows = x if i + 1 < len(network.layers) else layout.first(x)
        x = transform(network, layout, layer, f"layer_{i}", x, rows, mask)
    pooled = ACTIVATIONS[network.pooler_act](layout.linear(x, network.pooler, "pooler"))
    return layout.flat(layout.linear(pooled, network.classifier, "classifier"))


def embed(network: Network, layout: Layout, input_ids: Var) -> Var:
    """Compute the sum of word, position and token-type embeddings, (B, S, D)."""
    table = layout.const(network.word_embeddings, "word_embeddings")
    words = mb.gather(x=table, indices=input_ids, axis=0)
    if network.counted_padding is not None:
        indices = counted_positions(input_ids, network.counted_padding)
        rows = layout.const(network.position_embeddings, "position_embeddings")
        positions = mb.gather(x=rows, indices=indices, axis=0)
    else:
        held = network.position_embeddings[: layout.length]
        positions = layout.const(held, "position_embeddings")
        if is_symbolic(input_ids.shape[1]):
            positions = mb.gather(x=positions, indices=row_indices(input_ids), axis=0)
    return mb.add(x=words, y=positions)


def row_indices(input_ids: Var) -> Var:
    """Compute 0, 1, 2, ... for the ids of each row, in their shape.

    No operation here takes a size from a value: all shapes follow from the input's.
    """
    ones = differs(input_ids, -1)
    return mb.sub(x=mb.cumsum(x=ones, axis=1), y=np.int32(1))


def differs(input_ids: Var, token_id: int) -> Var:
    """Compute 1 where an id differs from `token_id`, otherwise 0; int32."""
    return mb.cast(x=mb.not_equal(x=input_ids, y=np.int32(token_id)), dtype="int32")


def counted_positions(input_ids: Var, pad_token_id: int) -> Var:
    """Compute RoBERTa's positions: tokens count from `pad_token_id` + 1, padding stays there."""
    is_token = differs(input_ids, pad_token_id)
    count = mb.cumsum(x=is_token, axis=1)
    return mb.add(x=mb.mul(x=count, y=is_token), y=np.int32(pad_token_id))


def transform(
    network: Network, layout: Layout, layer: Layer, name: str, x: Var, rows: Var, mask: Var
) -> Var:
    """Apply one layer to the hidden states `rows`, which attend to all of `x`."""
    context = layout.attend(
        layout.linear(rows, layer.query, f"{name}_query"),
        layout.linear(x, layer.key, f"{name}_key"),
        layout.linear(x, layer.value, f"{name}_value"),
        mask,
    )
    attended = layout.linear(context, layer.attention_output, f"{name}_attention_output")
    rows = layout.norm(mb.add(x=attended, y=rows), layer.attention_norm, f"{name}_attention_norm")
    inner = ACTIVATIONS[network.hidden_act](
        layout.linear(rows, layer.intermediate, f"{name}_intermediate")
    )
    outer = layout.linear(inner, layer.output, f"{name}_output")
    return layout.norm(mb.add(x=outer, y=rows), layer.output_norm, f"{name}_output_norm")
