"""One description for all three model families, from which the Core ML program is built.

All weights are float32 numpy arrays. Two constants are folded into weights here, for both layouts:
the attention scale into the query's, the first token-type row into the position embeddings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlx_finbert.checkpoints.into_model import require_finite
from mlx_finbert.errors import InputError
from mlx_finbert.labels import check_names
from mlx_finbert.models import FAMILIES, Classifier
from mlx_finbert.models.bert import (
    BertArgs,
    BertEmbeddings,
    BertForSequenceClassification,
    BertLayer,
)
from mlx_finbert.models.distilbert import DistilBertForSequenceClassification, TransformerBlock
from mlx_finbert.models.encoder import Encoder
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.models.roberta import RobertaForSequenceClassification

FP16_MAX = 65504.0
"""The largest number of IEEE 754 half precision."""


@dataclass
class Linear:
    weight: np.ndarray
    """(output size, input size)"""
    bias: np.ndarray
    """(output size,)"""


@dataclass
class Norm:
    weight: np.ndarray
    """(hidden_size,), as the bias."""
    bias: np.ndarray
    eps: float


@dataclass
class Layer:
    """One transformer layer, normalized after each half (Vaswani et al. 2017)."""

    query: Linear
    """Includes the attention scale."""
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    intermediate: Linear
    output: Linear
    output_norm: Norm


@dataclass
class Network:
    """A sequence classifier of any of the families."""

    word_embeddings: np.ndarray
    """(vocab_size, hidden_size)"""
    position_embeddings: np.ndarray
    """(positions, hidden_size); each row includes the first token-type row."""
    embedding_norm: Norm
    layers: list[Layer]
    num_heads: int
    hidden_act: str
    pooler: Linear
    pooler_act: str
    classifier: Linear
    counted_padding: int | None = None
    """RoBERTa's padding id, for positions that count the tokens without padding; else None."""
    masked_padding: int | None = None
    """The padding id, if the program derives the attention mask from the ids."""

    @property
    def hidden_size(self) -> int:
        return self.word_embeddings.shape[1]


def describe(model: Classifier) -> Network:
    """Describe the network of an MLX classifier.

    Args:
        model: a model of any dtype.

    Raises:
        InputError: for an unsupported class, a model without layers, weights that are not finite,
            or labels that do not match the head.
    """
    describer = DESCRIBERS.get(type(model))
    if describer is None:
        raise InputError(
            f"a {type(model).__name__} cannot be exported to Core ML;"
            f" use one of {', '.join(cls.__name__ for _, cls in FAMILIES.values())}"
        )
    require_finite(named_parameters(model))
    network = describer(model)
    require_labels(model.args.labels, len(network.classifier.bias))
    return network


def require_labels(labels: list[str], outputs: int) -> None:
    """Refuse labels that do not match the head's outputs, or are too few or ambiguous."""
    if len(labels) != outputs:
        raise InputError(
            f"the head has {outputs} outputs, but there are {len(labels)} labels"
            f" ({', '.join(labels)}): name every output in the config's id2label"
        )
    if len(labels) < 2:
        raise InputError(f"the head has one output ({labels[0]}): a classifier needs two labels")
    check_names(labels)


def too_large_for_fp16(model: Classifier, network: Network) -> str | None:
    """Name a weight or sum with a value beyond 65504, if there is one."""
    for name, value in named_parameters(model).items():
        if mx.abs(value.astype(mx.float32)).max() > FP16_MAX:
            return f"the weight {name}"
    if np.abs(network.position_embeddings).max() > FP16_MAX:
        return "the sum of position and token-type embeddings"
    return None


def _bert(model: BertForSequenceClassification) -> Network:
    args, bert = model.args, model.bert
    return Network(
        **_bert_encoder(args, bert.embeddings, bert.encoder),
        pooler=_linear(bert.pooler.dense),
        pooler_act="tanh",
        classifier=_linear(model.classifier),
    )


def _roberta(model: RobertaForSequenceClassification) -> Network:
    args, roberta = model.args, model.roberta
    return Network(
        **_bert_encoder(args, roberta.embeddings, roberta.encoder),
        pooler=_linear(model.classifier.dense),
        pooler_act="tanh",
        classifier=_linear(model.classifier.out_proj),
        counted_padding=args.pad_token_id,
    )


def _distilbert(model: DistilBertForSequenceClassification) -> Network:
    args, embeddings = model.args, model.distilbert.embeddings
    return Network(
        word_embeddings=_array(embeddings.word_embeddings.weight),
        position_embeddings=_array(embeddings.position_embeddings.weight),
        embedding_norm=_norm(embeddings.LayerNorm),
        layers=[_distilbert_layer(b, args.n_heads) for b in model.distilbert.transformer.layer],
        num_heads=args.n_heads,
        hidden_act=args.activation,
        pooler=_linear(model.pre_classifier),
        pooler_act="relu",
        classifier=_linear(model.classifier),
    )


DESCRIBERS: dict[type[nn.Module], Callable[[Any], Network]] = {
    BertForSequenceClassification: _bert,
    RobertaForSequenceClassification: _roberta,
    DistilBertForSequenceClassification: _distilbert,
}


def _bert_encoder(args: BertArgs, embeddings: BertEmbeddings, encoder: Encoder) -> dict[str, Any]:
    """The fields that BERT and RoBERTa have in common."""
    first_segment = _array(embeddings.token_type_embeddings.weight)[0]
    return {
        "word_embeddings": _array(embeddings.word_embeddings.weight),
        "position_embeddings": _array(embeddings.position_embeddings.weight) + first_segment,
        "embedding_norm": _norm(embeddings.LayerNorm),
        "layers": [_bert_layer(layer, args.num_attention_heads) for layer in encoder.layer],
        "num_heads": args.num_attention_heads,
        "hidden_act": args.hidden_act,
    }


def _bert_layer(layer: BertLayer, num_heads: int) -> Layer:
    attention = layer.attention
    return Layer(
        query=_scaled(attention.self.query, num_heads),
        key=_linear(attention.self.key),
        value=_linear(attention.self.value),
        attention_output=_linear(attention.output.dense),
        attention_norm=_norm(attention.output.LayerNorm),
        intermediate=_linear(layer.intermediate.dense),
        output=_linear(layer.output.dense),
        output_norm=_norm(layer.output.LayerNorm),
    )


def _distilbert_layer(block: TransformerBlock, num_heads: int) -> Layer:
    attention = block.attention
    return Layer(
        query=_scaled(attention.q_lin, num_heads),
        key=_linear(attention.k_lin),
        value=_linear(attention.v_lin),
        attention_output=_linear(attention.out_lin),
        attention_norm=_norm(block.sa_layer_norm),
        intermediate=_linear(block.ffn.lin1),
        output=_linear(block.ffn.lin2),
        output_norm=_norm(block.output_layer_norm),
    )


def _scaled(query: nn.Linear, num_heads: int) -> Linear:
    """Fold the attention scale, head_size ** -0.5, into the query's weights."""
    linear = _linear(query)
    scale = np.float32((len(linear.bias) // num_heads) ** -0.5)
    return Linear(linear.weight * scale, linear.bias * scale)


def _linear(linear: nn.Linear) -> Linear:
    return Linear(_array(linear.weight), _array(linear.bias))


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(_array(norm.weight), _array(norm.bias), norm.eps)


def _array(value: mx.array) -> np.ndarray:
    return np.asarray(value.astype(mx.float32))
