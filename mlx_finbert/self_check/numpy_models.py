"""The classifiers in NumPy and float64, one text at a time, without masks and padding.

They follow Vaswani et al. 2017 (the layers), Devlin et al. 2019 (BERT), Sanh et al. 2019
(DistilBERT) and Liu et al. 2019 (RoBERTa). Weights have their names in the published checkpoints.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlx_finbert.self_check.formulas import (
    ACTIVATIONS,
    attended,
    attention_probabilities,
    layer_norm,
    relu,
)

Weights = Mapping[str, np.ndarray]
Rounding = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Names:
    """The names that differ between the families."""

    layers: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    feed_forward: str
    feed_forward_output: str
    output_norm: str


BERT = Names(
    "encoder.layer",
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
DISTILBERT = Names(
    "transformer.layer",
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)
NAMES = {"bert": BERT, "roberta": BERT, "distilbert": DISTILBERT}


class NumpyClassifier:
    """A classifier of one of the three families.

    Args:
        config: as in `config.json`, with every size written out.
        weights: by name, of any dtype.
        rounded: applied to the weights and to the result of every operation, to compute as a
            machine of less precision does.
    """

    def __init__(
        self, config: Mapping[str, Any], weights: Weights, rounded: Rounding = lambda x: x
    ) -> None:
        self.family: str = config["model_type"]
        self.names = NAMES[self.family]
        is_distilbert = self.family == "distilbert"
        self.heads: int = config["n_heads" if is_distilbert else "num_attention_heads"]
        self.layers: int = config["n_layers" if is_distilbert else "num_hidden_layers"]
        self.activation = ACTIVATIONS[config["activation" if is_distilbert else "hidden_act"]]
        # DistilBERT's config has no field for it; this is the value of its published code.
        self.eps: float = 1e-12 if is_distilbert else config["layer_norm_eps"]
        # RoBERTa counts positions from the padding token's id plus 1.
        self.first_position = config["pad_token_id"] + 1 if self.family == "roberta" else 0
        self.rounded = rounded
        self.weights = {name: rounded(w.astype(np.float64)) for name, w in weights.items()}

    def logits(self, texts: Iterable[np.ndarray]) -> np.ndarray:
        """Logits (N, num_labels) of N texts, each an array of token ids."""
        return np.stack([self._classified(self._encoded(text)) for text in texts])

    def _encoded(self, ids: np.ndarray) -> np.ndarray:
        """The last layer's output for the first token, (hidden_size,)."""
        table = f"{self.family}.embeddings.%s_embeddings.weight"
        positions = np.arange(len(ids)) + self.first_position
        x = self.weights[table % "word"][ids] + self.weights[table % "position"][positions]
        if self.family != "distilbert":
            x = self.rounded(x) + self.weights[table % "token_type"][0]
        x = self._norm(f"{self.family}.embeddings.LayerNorm", self.rounded(x))
        for i in range(self.layers):
            x = self._layer(f"{self.family}.{self.names.layers}.{i}.", x)
        return x[0]

    def _layer(self, at: str, x: np.ndarray) -> np.ndarray:
        names = self.names
        q, k, v = (self._linear(at + name, x) for name in (names.query, names.key, names.value))
        probabilities = self.rounded(attention_probabilities(q, k, self.heads))
        context = self.rounded(attended(probabilities, v))
        x = self.rounded(self._linear(at + names.attention_output, context) + x)
        x = self._norm(at + names.attention_norm, x)
        wide = self.rounded(self.activation(self._linear(at + names.feed_forward, x)))
        x = self.rounded(self._linear(at + names.feed_forward_output, wide) + x)
        return self._norm(at + names.output_norm, x)

    def _classified(self, x: np.ndarray) -> np.ndarray:
        if self.family == "bert":
            pooled = self.rounded(np.tanh(self._linear("bert.pooler.dense", x)))
            return self._linear("classifier", pooled)
        if self.family == "roberta":
            hidden = self.rounded(np.tanh(self._linear("classifier.dense", x)))
            return self._linear("classifier.out_proj", hidden)
        return self._linear("classifier", relu(self._linear("pre_classifier", x)))

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.rounded(x @ weight.T + bias)

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.rounded(layer_norm(x, weight, bias, self.eps))
