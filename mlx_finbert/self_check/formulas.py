"""The formulas of the papers, in NumPy and float64. Nothing here comes from the models' code."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x: np.ndarray) -> np.ndarray:
    """x Phi(x), with the normal distribution Phi (Hendrycks and Gimpel 2016, section 2)."""
    return x * 0.5 * (1 + _erf(x / math.sqrt(2)))


def gelu_new(x: np.ndarray) -> np.ndarray:
    """The approximation by tanh (Hendrycks and Gimpel 2016, section 2)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0) (Nair and Hinton 2010)."""
    return np.maximum(x, 0)


def silu(x: np.ndarray) -> np.ndarray:
    """x sigmoid(x) (Hendrycks and Gimpel 2016, section 4)."""
    return x / (1 + np.exp(-x))


ACTIVATIONS = {
    "gelu": gelu,
    "gelu_new": gelu_new,
    "gelu_pytorch_tanh": gelu_new,
    "relu": relu,
    "silu": silu,
}
"""By their names in `config.json`."""


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    """Over the last axis (Ba, Kiros and Hinton 2016, equation 4), with eps under the root."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + eps) * weight + bias


def attention_probabilities(queries: np.ndarray, keys: np.ndarray, heads: int) -> np.ndarray:
    """softmax(Q K^T / sqrt(d)) of each head (Vaswani et al. 2017, sections 3.2.1 and 3.2.2).

    Queries (Q, hidden_size) and keys (L, hidden_size) give (heads, Q, L).
    """
    q, k = split_heads(queries, heads), split_heads(keys, heads)
    return softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]))


def attended(probabilities: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The heads' means of the values (L, hidden_size), concatenated: (Q, hidden_size)."""
    context = probabilities @ split_heads(values, len(probabilities))
    return context.swapaxes(0, 1).reshape(context.shape[1], -1)


def split_heads(x: np.ndarray, heads: int) -> np.ndarray:
    """(L, hidden_size) to (heads, L, head_size)."""
    return x.reshape(len(x), heads, -1).swapaxes(0, 1)


def cross_entropy(
    logits: np.ndarray, label_ids: np.ndarray, class_weights: np.ndarray, smoothing: float
) -> float:
    """Mean over the rows, weighted by their labels, with smoothed targets.

    The target of a row is (1 - smoothing) at its label plus smoothing / num_labels everywhere
    (Szegedy et al. 2016, section 7). PyTorch's `CrossEntropyLoss` has the same weights.
    """
    rows, labels = logits.shape
    targets = np.full((rows, labels), smoothing / labels)
    targets[np.arange(rows), label_ids] += 1 - smoothing
    losses = -(targets * class_weights * np.log(softmax(logits))).sum(axis=1)
    return float(losses.sum() / class_weights[label_ids].sum())


@dataclass
class AdamW:
    """Adam (Kingma and Ba 2015, algorithm 1) with decoupled decay (Loshchilov and Hutter 2019).

    Matrices decay, vectors do not. The factor of the schedule is part of the learning rate.
    """

    weight_decay: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    m: dict[str, np.ndarray] = field(default_factory=dict)
    v: dict[str, np.ndarray] = field(default_factory=dict)
    step: int = 0

    def __call__(
        self,
        weights: Mapping[str, np.ndarray],
        gradients: Mapping[str, np.ndarray],
        learning_rate: float,
    ) -> dict[str, np.ndarray]:
        """The weights after one more step."""
        self.step += 1
        return {
            name: self._moved(name, weight, gradients[name], learning_rate)
            for name, weight in weights.items()
        }

    def _moved(self, name: str, weight: np.ndarray, g: np.ndarray, rate: float) -> np.ndarray:
        m = self.beta1 * self.m.get(name, np.zeros_like(g)) + (1 - self.beta1) * g
        v = self.beta2 * self.v.get(name, np.zeros_like(g)) + (1 - self.beta2) * g * g
        self.m[name], self.v[name] = m, v
        m_hat = m / (1 - self.beta1**self.step)
        v_hat = v / (1 - self.beta2**self.step)
        decay = self.weight_decay if weight.ndim > 1 else 0.0
        return weight - rate * (m_hat / (np.sqrt(v_hat) + self.eps) + decay * weight)


def clipped(gradients: Mapping[str, np.ndarray], most: float) -> dict[str, np.ndarray]:
    """The gradients, scaled to a global norm of at most `most` (Pascanu et al. 2013)."""
    norm = math.sqrt(sum(float(np.square(g).sum()) for g in gradients.values()))
    return {name: g * min(1.0, most / norm) for name, g in gradients.items()}


def rounded_to(bits: int, x: np.ndarray) -> np.ndarray:
    """Round to floating-point numbers of so many significant bits, of any exponent."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)
