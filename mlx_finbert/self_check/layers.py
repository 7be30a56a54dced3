"""Checks of single layers and of the loss against their formulas."""

from collections.abc import Iterator

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.backend.interface import adapt
from mlx_finbert.models.attention import Attention, Packing
from mlx_finbert.models.config import ACTIVATIONS
from mlx_finbert.models.dropout import dropout_from
from mlx_finbert.self_check import formulas
from mlx_finbert.self_check.outcome import Measure
from mlx_finbert.self_check.subjects import ALMOST_OFF, NUM_LABELS, Subject
from mlx_finbert.training.loss import Loss

ALLOWED = 1e-5
"""Float32 gives errors of about 1e-6 for results of about 1."""

LENGTHS = (19, 512)
"""Tokens per row: the backends may compute long rows in another way."""


def attention(subjects: list[Subject]) -> Iterator[Measure]:
    """Attention of each model, with padding, in both of its forms: only without dropout is it
    MLX's fused kernel."""
    random = np.random.default_rng(0)
    for subject in subjects:
        layer = next(m for m in subject.model().modules() if isinstance(m, Attention))
        heads = subject.config.get("num_attention_heads") or subject.config["n_heads"]
        width = subject.config.get("hidden_size") or subject.config["dim"]
        for length in LENGTHS:
            q, k, v = random.normal(0, 1, (3, 2, length, width)).astype(np.float32)
            for form, rate in (("dropout off", 0.0), ("dropout of 0", ALMOST_OFF)):
                layer.dropout.rate = rate
                error = attention_error(layer, q, k, v, heads)
                what = f"{form}, {heads} heads of {width // heads}, {length} tokens"
                yield Measure(what, error, ALLOWED)


def attention_error(
    layer: Attention, q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int
) -> float:
    """The largest error over two rows, of which the second one is half padding."""
    length = q.shape[1]
    counts = [length, -(-length // 2)]
    mask = (np.arange(length) < np.array(counts)[:, None]).astype(np.int32)
    packing = Packing(mx.array(mask))
    with dropout_from(mx.array([0, 1], mx.uint32)):
        all_tokens = np.array(layer(mx.array(q), mx.array(k), mx.array(v), packing))
        first = mx.array(q[:, :1])
        first_tokens = np.array(layer(first, mx.array(k), mx.array(v), packing, True))
    errors = []
    for row, count in enumerate(counts):
        own_q, own_k, own_v = (x[row, :count].astype(np.float64) for x in (q, k, v))
        probabilities = formulas.attention_probabilities(own_q, own_k, heads)
        expected = formulas.attended(probabilities, own_v)
        errors.append(largest(all_tokens[row, :count] - expected))
        errors.append(largest(first_tokens[row] - expected[:1]))
    return max(errors)


def layer_norm(subjects: list[Subject]) -> Iterator[Measure]:
    """Every layer norm, over values so small that its epsilon matters, and over larger ones."""
    random = np.random.default_rng(0)
    for subject in subjects:
        eps = subject.config.get("layer_norm_eps", 1e-12)
        for name, layer in subject.model().named_modules():
            if not isinstance(layer, nn.LayerNorm):
                continue
            weight, bias = (np.array(x).astype(np.float64) for x in (layer.weight, layer.bias))
            for size in (1e-3, 1.0):
                x = random.normal(0, size, (16, len(weight))).astype(np.float32)
                expected = formulas.layer_norm(x.astype(np.float64), weight, bias, eps)
                error = largest(np.array(layer(mx.array(x))) - expected)
                yield Measure(f"{name}, values of {size:g}", error, ALLOWED)


def activations() -> Iterator[Measure]:
    """Every activation that a checkpoint may name."""
    x = np.linspace(-9, 9, 4001, dtype=np.float32)
    for name, make in ACTIVATIONS.items():
        expected = formulas.ACTIVATIONS[name](x.astype(np.float64))
        error = largest(np.array(adapt(make())(mx.array(x))) - expected)
        yield Measure(name, error, ALLOWED)


def loss() -> Iterator[Measure]:
    """Cross-entropy with class weights, with and without label smoothing."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (32, NUM_LABELS)).astype(np.float32)
    label_ids = random.integers(0, NUM_LABELS, 32).astype(np.int32)
    class_weights = np.array([2.0, 1.0, 0.25], np.float32)
    for smoothing in (0.0, 0.1):
        own = Loss(class_weights, smoothing)
        summed = own.sum(mx.array(logits), mx.array(label_ids), mx.ones(32)).item()
        expected = formulas.cross_entropy(
            logits.astype(np.float64), label_ids, class_weights.astype(np.float64), smoothing
        )
        found = float(np.array(summed)) / float(class_weights[label_ids].sum())
        yield Measure(f"label smoothing {smoothing:g}", abs(found - expected), ALLOWED)


def largest(differences: np.ndarray) -> float:
    """The largest absolute value; NaN if any is."""
    return float(np.abs(differences).max())
