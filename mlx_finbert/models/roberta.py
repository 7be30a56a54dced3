"""RoBERTa for sequence classification (Liu et al. 2019); DistilRoBERTa is this model.

The encoder is BERT's. The differences: positions count only the tokens that are not padding and
start after `pad_token_id`, there is no pooler, and the classifier has its own hidden layer.
"""

from dataclasses import dataclass
from typing import ClassVar

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models.attention import Packing
from mlx_finbert.models.bert import BertArgs, BertEmbeddings, BertLayer
from mlx_finbert.models.dropout import Dropout, dropout_from
from mlx_finbert.models.encoder import Encoder


@dataclass(kw_only=True)
class RobertaArgs(BertArgs):
    """Fields and defaults of transformers' `RobertaConfig`."""

    model_type: ClassVar[str] = "roberta"

    vocab_size: int = 50265
    pad_token_id: int = 1

    @property
    def max_length(self) -> int:
        return self.max_position_embeddings - self.pad_token_id - 1


class RobertaEmbeddings(BertEmbeddings):
    def __init__(self, args: RobertaArgs) -> None:
        super().__init__(args)
        self.pad_token_id = args.pad_token_id

    def position_ids(self, input_ids: mx.array, packing: Packing) -> mx.array:
        is_token = (input_ids != self.pad_token_id).astype(mx.int32)
        before = mx.cumsum(is_token, axis=-1, inclusive=False)
        return (packing.restarted(before) + 1) * is_token + self.pad_token_id


class RobertaModel(nn.Module):
    def __init__(self, args: RobertaArgs) -> None:
        super().__init__()
        self.embeddings = RobertaEmbeddings(args)
        self.encoder = Encoder([BertLayer(args) for _ in range(args.num_hidden_layers)])

    def __call__(
        self, input_ids: mx.array, token_type_ids: mx.array | None, packing: Packing
    ) -> mx.array:
        return self.encoder(self.embeddings(input_ids, token_type_ids, packing), packing)


class RobertaClassificationHead(nn.Module):
    def __init__(self, args: RobertaArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(args.hidden_size, args.hidden_size)
        self.dropout = Dropout(args.head_dropout)
        self.out_proj = nn.Linear(args.hidden_size, args.num_labels)

    def __call__(self, x: mx.array) -> mx.array:
        x = mx.tanh(self.dense(self.dropout(x)))
        return self.out_proj(self.dropout(x))


class RobertaForSequenceClassification(nn.Module):
    """The same function as transformers' class of this name."""

    prefix = "roberta."
    head = ("classifier.",)
    pretraining = ("lm_head.", "roberta.pooler.")

    def __init__(self, args: RobertaArgs) -> None:
        super().__init__()
        self.args = args
        self.roberta = RobertaModel(args)
        self.classifier = RobertaClassificationHead(args)

    @property
    def encoder(self) -> Encoder:
        return self.roberta.encoder

    @property
    def output_layer(self) -> nn.Linear:
        """The head's last layer, which computes the logits."""
        return self.classifier.out_proj

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
            x = self.roberta(input_ids, token_type_ids, packing)
            return self.classifier(x)
