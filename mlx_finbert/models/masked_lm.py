"""BERT, DistilBERT and RoBERTa with the heads of masked-language models.

The models compute the same functions as transformers' classes of these names, but only at given
positions. Attribute names are the key names of the Hugging Face checkpoints.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import mlx.core as mx
import mlx.nn as nn

from mlx_finbert.models import family_of
from mlx_finbert.models.attention import Packing
from mlx_finbert.models.bert import BertArgs, BertModel
from mlx_finbert.models.config import ACTIVATIONS
from mlx_finbert.models.distilbert import LAYER_NORM_EPS, DistilBertArgs, DistilBertModel
from mlx_finbert.models.dropout import dropout_from
from mlx_finbert.models.encoder import Encoder
from mlx_finbert.models.roberta import RobertaArgs, RobertaModel


class Decoder(nn.Module):
    """A linear layer with a weight of another module: the table of the word embeddings."""

    def __call__(self, x: mx.array, table: mx.array, bias: mx.array) -> mx.array:
        """Logits (N, vocab_size) of x (N, hidden_size), table (vocab_size, hidden_size)."""
        return mx.addmm(bias, x, table.T)


class BertTransform(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(args.hidden_size, args.hidden_size)
        self.activation = ACTIVATIONS[args.hidden_act]()
        self.LayerNorm = nn.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, x: mx.array) -> mx.array:
        return self.LayerNorm(self.activation(self.dense(x)))


class BertPredictions(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.transform = BertTransform(args)
        self.decoder = Decoder()
        self.bias = mx.zeros(args.vocab_size)

    def __call__(self, x: mx.array, table: mx.array) -> mx.array:
        return self.decoder(self.transform(x), table, self.bias)


class BertHead(nn.Module):
    def __init__(self, args: BertArgs) -> None:
        super().__init__()
        self.predictions = BertPredictions(args)


class BertForMaskedLM(nn.Module):
    """BERT (Devlin et al. 2019).

    Args:
        args: the config.
        pooler: whether to hold the pooler of a checkpoint, which has no part in the logits and is
            not trained, for a classifier to start from.
    """

    prefix = "bert."
    head = ("cls.predictions.",)
    pretraining = ()
    copies: ClassVar[dict[str, str]] = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    """Tensors of a checkpoint that repeat others."""

    def __init__(self, args: BertArgs, pooler: bool = False) -> None:
        super().__init__()
        self.args = args
        self.bert = BertModel(args, pooler)
        if pooler:
            self.bert.pooler.freeze()
        self.cls = BertHead(args)

    @property
    def encoder(self) -> Encoder:
        return self.bert.encoder

    @property
    def table(self) -> mx.array:
        """The word embeddings, (vocab_size, hidden_size)."""
        return self.bert.embeddings.word_embeddings.weight

    def __call__(
        self,
        input_ids: mx.array,
        attention_mask: mx.array,
        positions: mx.array,
        dropout_key: mx.array | None = None,
    ) -> mx.array:
        """Logits (B, P, vocab_size) at P positions of each row.

        Args:
            input_ids: int32 (B, L).
            attention_mask: int32 (B, L), 1 for tokens and 0 for padding.
            positions: int32 (B, P), from 0 to L - 1.
            dropout_key: uint32 (2,), decides the dropout masks; None for no dropout.
        """
        packing = Packing(attention_mask, positions=positions)
        with dropout_from(dropout_key):
            x = self.bert.tokens(input_ids, None, packing)
        return mx.unflatten(self.cls.predictions(x, self.table), 0, positions.shape)


class VocabProjector(nn.Module):
    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.decoder = Decoder()
        self.bias = mx.zeros(args.vocab_size)

    def __call__(self, x: mx.array, table: mx.array) -> mx.array:
        return self.decoder(x, table, self.bias)


class DistilBertForMaskedLM(nn.Module):
    """DistilBERT (Sanh et al. 2019)."""

    prefix = "distilbert."
    head = ("vocab_transform.", "vocab_layer_norm.", "vocab_projector.")
    pretraining = ()
    copies: ClassVar[dict[str, str]] = {
        "vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"
    }
    """Tensors of a checkpoint that repeat others."""

    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.args = args
        self.distilbert = DistilBertModel(args)
        self.vocab_transform = nn.Linear(args.dim, args.dim)
        self.activation = ACTIVATIONS[args.activation]()
        self.vocab_layer_norm = nn.LayerNorm(args.dim, eps=LAYER_NORM_EPS)
        self.vocab_projector = VocabProjector(args)

    @property
    def encoder(self) -> Encoder:
        return self.distilbert.transformer

    @property
    def table(self) -> mx.array:
        """The word embeddings, (vocab_size, dim)."""
        return self.distilbert.embeddings.word_embeddings.weight

    def __call__(
        self,
        input_ids: mx.array,
        attention_mask: mx.array,
        positions: mx.array,
        dropout_key: mx.array | None = None,
    ) -> mx.array:
        """Logits (B, P, vocab_size); see `BertForMaskedLM`."""
        with dropout_from(dropout_key):
            x = self.distilbert(input_ids, Packing(attention_mask, positions=positions))
        x = self.vocab_layer_norm(self.activation(self.vocab_transform(x)))
        return mx.unflatten(self.vocab_projector(x, self.table), 0, positions.shape)


class RobertaLMHead(nn.Module):
    """The activation is GELU whatever `hidden_act` says, as in transformers."""

    def __init__(self, args: RobertaArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(args.hidden_size, args.hidden_size)
        self.activation = nn.GELU()
        self.layer_norm = nn.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)
        self.decoder = Decoder()
        self.bias = mx.zeros(args.vocab_size)

    def __call__(self, x: mx.array, table: mx.array) -> mx.array:
        x = self.layer_norm(self.activation(self.dense(x)))
        return self.decoder(x, table, self.bias)


class RobertaForMaskedLM(nn.Module):
    """RoBERTa (Liu et al. 2019)."""

    prefix = "roberta."
    head = ("lm_head.",)
    pretraining = ("roberta.pooler.",)
    copies: ClassVar[dict[str, str]] = {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    }
    """Tensors of a checkpoint that repeat others."""

    def __init__(self, args: RobertaArgs) -> None:
        super().__init__()
        self.args = args
        self.roberta = RobertaModel(args)
        self.lm_head = RobertaLMHead(args)

    @property
    def encoder(self) -> Encoder:
        return self.roberta.encoder

    @property
    def table(self) -> mx.array:
        """The word embeddings, (vocab_size, hidden_size)."""
        return self.roberta.embeddings.word_embeddings.weight

    def __call__(
        self,
        input_ids: mx.array,
        attention_mask: mx.array,
        positions: mx.array,
        dropout_key: mx.array | None = None,
    ) -> mx.array:
        """Logits (B, P, vocab_size); see `BertForMaskedLM`."""
        with dropout_from(dropout_key):
            x = self.roberta(input_ids, None, Packing(attention_mask, positions=positions))
        return mx.unflatten(self.lm_head(x, self.table), 0, positions.shape)


MaskedLM = BertForMaskedLM | DistilBertForMaskedLM | RobertaForMaskedLM

MASKED_LMS: dict[str, type[MaskedLM]] = {
    "bert": BertForMaskedLM,
    "distilbert": DistilBertForMaskedLM,
    "roberta": RobertaForMaskedLM,
}
"""The model classes by `model_type`."""


def build_masked_lm(config: dict[str, Any], **options: Any) -> MaskedLM:
    """Build a model with the config's architecture and random weights.

    Args:
        config: as in `config.json`; its labels are not read.
        options: further arguments of the model class.

    Raises:
        InputError: for an unsupported architecture.
    """
    args_class, _ = family_of(config)
    make: Callable[..., MaskedLM] = MASKED_LMS[args_class.model_type]
    return make(args_class.from_config(without_labels(config)), **options)


def without_labels(config: dict[str, Any]) -> dict[str, Any]:
    """A config without what it says of a classifier's labels."""
    of_labels = ("id2label", "label2id", "num_labels", "problem_type")
    return {key: value for key, value in config.items() if key not in of_labels}
