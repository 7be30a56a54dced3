"""The classifier in Core ML's intermediate language (MIL), told once for any layout."""

from collections.abc import Callable

import numpy as np

from mlx_finbert.convert.coreml.layouts import LAYOUTS, Layout
from mlx_finbert.convert.coreml.mil import Program, Var, ct, mb, types
from mlx_finbert.convert.coreml.network import Layer, Network
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.errors import InputError

ACTIVATIONS: dict[str, Callable[..., Var]] = {
    "gelu": lambda x: mb.gelu(x=x, mode="EXACT"),
    "gelu_new": lambda x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
    "gelu_pytorch_tanh": lambda x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
    "relu": lambda x: mb.relu(x=x),
    "silu": lambda x: mb.silu(x=x),
    "tanh": lambda x: mb.tanh(x=x),
}

SCORES = {"classifier": "scores", "arrays": "probabilities"}
"""Name of the softmax: a classifier calls its dictionary of labels `probabilities`."""


def build(network: Network, length: int, options: ExportOptions) -> Program:
    """A program with the inputs `input_ids` and `attention_mask`, int32 (B, S), and the outputs
    `logits` and `probabilities` (or `scores`, see `SCORES`), float32 (B, num_labels).

    A conversion uses its program up, so each needs one of its own.

    Args:
        network: from `describe`.
        length: tokens a row, S, padding included.
        options: layout, batch, precision, target and outputs count.

    Raises:
        InputError: for an activation that Core ML has no operation for.
    """
    if network.hidden_act not in ACTIVATIONS:
        raise InputError(
            f"config.json: the activation {network.hidden_act!r} has no counterpart in Core ML;"
            f" these have: {', '.join(ACTIVATIONS)}"
        )
    form = LAYOUTS[options.layout](options.batch, length, network.num_heads, options.precision)
    # Names are counted up for the life of the process: begun anew, they are the same each time.
    mb.name_count.clear()
    inputs = [mb.TensorSpec((options.batch, length), dtype=types.int32) for _ in range(2)]

    @mb.program(input_specs=inputs, opset_version=ct.target[options.target])
    def classifier(input_ids: Var, attention_mask: Var) -> tuple[Var, Var]:
        logits = forward(network, form, input_ids, attention_mask)
        scores = mb.softmax(x=calibrated(network, form, logits), axis=-1)
        return (
            mb.cast(x=scores, dtype="fp32", name=SCORES[options.outputs]),
            mb.cast(x=logits, dtype="fp32", name="logits"),
        )

    return classifier


def constants(program: Program) -> dict[str, np.ndarray]:
    """The floating-point constants of a program by name, in its precision."""
    found = {
        operation.name: np.asarray(operation.val.val)
        for operation in program.functions["main"].operations
        if operation.op_type == "const"
    }
    return {name: value for name, value in found.items() if value.dtype.kind == "f"}


def forward(network: Network, form: Layout, input_ids: Var, attention_mask: Var) -> Var:
    """Logits (B, num_labels)."""
    x = form.hidden(embed(network, form, input_ids))
    x = form.norm(x, network.embedding_norm, "embeddings_norm")
    mask_bias = form.mask_bias(mb.cast(x=attention_mask, dtype=form.precision))
    for i, layer in enumerate(network.layers):
        # After the last layer only the first token is used: the others need no queries there.
        rows = x if i + 1 < len(network.layers) else form.first(x)
        x = transform(network, form, layer, f"layer_{i}", x, rows, mask_bias)
    pooled = ACTIVATIONS[network.pooler_act](form.linear(x, network.pooler, "pooler"))
    return form.flat(form.linear(pooled, network.classifier, "classifier"))


def embed(network: Network, form: Layout, input_ids: Var) -> Var:
    """Sum of word, position and token-type embeddings, (B, S, D)."""
    table = form.const(network.word_embeddings, "word_embeddings")
    words = mb.gather(x=table, indices=input_ids, axis=0)
    if network.counted_padding is not None:
        positions = counted_positions(network, form, input_ids)
    else:
        rows = network.position_embeddings[: form.length]
        positions = form.const(rows, "position_embeddings")
    return mb.add(x=words, y=positions)


def counted_positions(network: Network, form: Layout, input_ids: Var) -> Var:
    """RoBERTa's: tokens are counted from `pad_token_id` + 1, padding has `pad_token_id`."""
    padding = np.int32(network.counted_padding)
    is_token = mb.cast(x=mb.not_equal(x=input_ids, y=padding), dtype="int32")
    count = mb.cumsum(x=is_token, axis=1)
    indices = mb.add(x=mb.mul(x=count, y=is_token), y=padding)
    table = form.const(network.position_embeddings, "position_embeddings")
    return mb.gather(x=table, indices=indices, axis=0)


def transform(
    network: Network, form: Layout, layer: Layer, name: str, x: Var, rows: Var, mask_bias: Var
) -> Var:
    """One layer, for the hidden states `rows` of `x`, all of which they attend to."""
    context = form.attend(
        form.linear(rows, layer.query, f"{name}_query"),
        form.linear(x, layer.key, f"{name}_key"),
        form.linear(x, layer.value, f"{name}_value"),
        mask_bias,
    )
    attended = form.linear(context, layer.attention_output, f"{name}_attention_output")
    rows = form.norm(mb.add(x=attended, y=rows), layer.attention_norm, f"{name}_attention_norm")
    inner = ACTIVATIONS[network.hidden_act](
        form.linear(rows, layer.intermediate, f"{name}_intermediate")
    )
    outer = form.linear(inner, layer.output, f"{name}_output")
    return form.norm(mb.add(x=outer, y=rows), layer.output_norm, f"{name}_output_norm")


def calibrated(network: Network, form: Layout, logits: Var) -> Var:
    """Temperature scaling (Guo et al. 2017)."""
    if network.temperature == 1.0:
        return logits
    return mb.mul(x=logits, y=form.const(1 / network.temperature, "inverse_temperature"))
