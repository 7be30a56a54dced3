"""BERT for sequence classification (Devlin et al. 2019); FinBERT is this model.

Attribute names are the key names of the Hugging Face checkpoints.
"""

from dataclasses import dataclass
from typing import ClassVar

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.attention import Attention, Packing
from mlx_finbert.models.config import ACTIVATIONS, ClassifierArgs
from mlx_finbert.models.dropout import Dropout, dropout_from
from mlx_finbert.models.encoder import Encoder


@dataclass(kw_only=True)
class BertArgs(ClassifierArgs):
    """Fields and defaults of transformers' `BertConfig`."""

    model_type: ClassVar[str] = "bert"
    dropout_keys = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
    sizes: ClassVar = {
        "vocab_size": ("embeddings.word_embeddings.weight", 0),
        "hidden_size": ("embeddings.position_embeddings.weight", 1),
        "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
        "type_vocab_size": ("embeddings.token_type_embeddings.weight", 0),
        "intermediate_size": ("encoder.layer.0.intermediate.dense.weight", 0),
    }
    layers = ("num_hidden_layers", "encoder.layer.")

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    classifier_dropout: float | None = None
    """Dropout before the classifier; None means `hidden_dropout_prob`."""
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        self.check_shape(self.hidden_size, self.num_attention_heads, self.hidden_act)

    @property
    def head_dropout(self) -> float:
        if self.classifier_dropout is None:
            return self.hidden_dropout_prob
        return self.classifier_dropout


class BertEmbeddings(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(args.vocab_size, args.hidden_size)
        self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.hidden_size)
        self.token_type_embeddings = nn.Embedding(args.type_vocab_size, args.hidden_size)
        self.LayerNorm = nn.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)
        self.dropout = Dropout(args.hidden_dropout_prob)

    def position_ids(self, input_ids: mx.array, packing: Packing) -> mx.array:
        return packing.restarted(mx.arange(input_ids.shape[-1]))

    def __call__(
        self, input_ids: mx.array, token_type_ids: mx.array | None, packing: Packing
    ) -> mx.array:
        if token_type_ids is None:
            segments = self.token_type_embeddings.weight[0]
        else:
            segments = self.token_type_embeddings(token_type_ids)
        positions = self.position_embeddings(self.position_ids(input_ids, packing))
        return self.dropout(self.LayerNorm(self.word_embeddings(input_ids) + positions + segments))


class BertSelfAttention(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.query = nn.Linear(args.hidden_size, args.hidden_size)
        self.key = nn.Linear(args.hidden_size, args.hidden_size)
        self.value = nn.Linear(args.hidden_size, args.hidden_size)
        self.attend = Attention(args.num_attention_heads, args.attention_probs_dropout_prob)

    def __call__(self, x: mx.array, packing: Packing, selected_only: bool) -> mx.array:
        queries = self.query(packing.selected(x) if selected_only else x)
        return self.attend(queries, self.key(x), self.value(x), packing, selected_only)


class BertResidual(nn.Module):
    """Linear layer, dropout, residual and layer norm, at the end of both halves of a layer."""

    def __init__(self, input_size: int, args: BertArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(input_size, args.hidden_size)
        self.LayerNorm = nn.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)
        self.dropout = Dropout(args.hidden_dropout_prob)

    def __call__(self, x: mx.array, residual: mx.array) -> mx.array:
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class BertAttention(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.self = BertSelfAttention(args)
        self.output = BertResidual(args.hidden_size, args)

    def __call__(self, x: mx.array, packing: Packing, selected_only: bool) -> mx.array:
        residual = packing.selected(x) if selected_only else x
        return self.output(self.self(x, packing, selected_only), residual)


class BertIntermediate(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(args.hidden_size, args.intermediate_size)
        self.activation = ACTIVATIONS[args.hidden_act]()

    def __call__(self, x: mx.array) -> mx.array:
        return self.activation(self.dense(x))


class BertLayer(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.attention = BertAttention(args)
        self.intermediate = BertIntermediate(args)
        self.output = BertResidual(args.intermediate_size, args)

    def __call__(self, x: mx.array, packing: Packing, selected_only: bool = False) -> mx.array:
        """Hidden states (B, L, hidden_size), or of the selected tokens with `selected_only`."""
        x = self.attention(x, packing, selected_only)
        return self.output(self.intermediate(x), x)


class BertPooler(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(args.hidden_size, args.hidden_size)

    def __call__(self, x: mx.array) -> mx.array:
        return mx.tanh(self.dense(x))


class BertModel(nn.Module):
    def __init__(self, args: BertArgs, pooler: bool = True) -> None:
        super().__init__()
        self.embeddings = BertEmbeddings(args)
        self.encoder = Encoder([BertLayer(args) for _ in range(args.num_hidden_layers)])
        if pooler:
            self.pooler = BertPooler(args)

    def tokens(
        self, input_ids: mx.array, token_type_ids: mx.array | None, packing: Packing
    ) -> mx.array:
        """The selected tokens, (B * E, hidden_size) or (B * P, hidden_size)."""
        return self.encoder(self.embeddings(input_ids, token_type_ids, packing), packing)

    def __call__(
        self, input_ids: mx.array, token_type_ids: mx.array | None, packing: Packing
    ) -> mx.array:
        return self.pooler(self.tokens(input_ids, token_type_ids, packing))


class BertForSequenceClassification(nn.Module):
    """The same function as transformers' class of this name."""

    prefix = "bert."
    head = ("bert.pooler.", "classifier.")
    pretraining = ("cls.",)

    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.args = args
        self.bert = BertModel(args)
        self.dropout = Dropout(args.head_dropout)
        self.classifier = nn.Linear(args.hidden_size, args.num_labels)

    @property
    def encoder(self) -> Encoder:
        return self.bert.encoder

    @property
    def output_layer(self) -> nn.Linear:
        """The head's last layer, which computes the logits."""
        return self.classifier

    def __call__(
        self,
        input_ids: mx.array,
        attention_mask: mx.array,
        token_type_ids: mx.array | None = None,
        dropout_key: mx.array | None = None,
        examples: int = 1,
        states: list[mx.array] | None = None,
    ) -> mx.array:
        """Logits (B, num_labels) for int32 ids, mask and optional segments of shape (B, L).

        Dropout masks come from `dropout_key`, uint32 (2,); without a key there is no dropout. With
        several `examples` per row (see `Packing`), the logits are (B * examples, num_labels), row
        by row. The list `states`, if given, gets each layer's output, (B, L, hidden_size).
        """
        packing = Packing(attention_mask, examples, states=states)
        with dropout_from(dropout_key):
            pooled = self.bert(input_ids, token_type_ids, packing)
            return self.classifier(self.dropout(pooled))
