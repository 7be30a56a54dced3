"""DistilBERT for sequence classification (Sanh et al. 2019).

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

# DistilBERT's config has no field for this.
LAYER_NORM_EPS = 1e-12


@dataclass(kw_only=True)
class DistilBertArgs(ClassifierArgs):
    """Fields and defaults of transformers' `DistilBertConfig`."""

    model_type: ClassVar[str] = "distilbert"
    dropout_keys = ("dropout", "attention_dropout", "seq_classif_dropout")
    sizes: ClassVar = {
        "vocab_size": ("embeddings.word_embeddings.weight", 0),
        "dim": ("embeddings.position_embeddings.weight", 1),
        "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
        "hidden_dim": ("transformer.layer.0.ffn.lin1.weight", 0),
    }
    layers = ("n_layers", "transformer.layer.")

    vocab_size: int = 30522
    dim: int = 768
    n_layers: int = 6
    n_heads: int = 12
    hidden_dim: int = 3072
    activation: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        self.check_shape(self.dim, self.n_heads, self.activation)


class Embeddings(nn.Module):
    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(args.vocab_size, args.dim)
        self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.dim)
        self.LayerNorm = nn.LayerNorm(args.dim, eps=LAYER_NORM_EPS)
        self.dropout = Dropout(args.dropout)

    def __call__(self, input_ids: mx.array, packing: Packing) -> mx.array:
        position_ids = packing.restarted(mx.arange(input_ids.shape[-1]))
        positions = self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(self.word_embeddings(input_ids) + positions))


class SelfAttention(nn.Module):
    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.q_lin = nn.Linear(args.dim, args.dim)
        self.k_lin = nn.Linear(args.dim, args.dim)
        self.v_lin = nn.Linear(args.dim, args.dim)
        self.out_lin = nn.Linear(args.dim, args.dim)
        self.attend = Attention(args.n_heads, args.attention_dropout)

    def __call__(self, x: mx.array, packing: Packing, selected_only: bool) -> mx.array:
        queries = self.q_lin(packing.selected(x) if selected_only else x)
        keys, values = self.k_lin(x), self.v_lin(x)
        return self.out_lin(self.attend(queries, keys, values, packing, selected_only))


class FeedForward(nn.Module):
    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.lin1 = nn.Linear(args.dim, args.hidden_dim)
        self.lin2 = nn.Linear(args.hidden_dim, args.dim)
        self.activation = ACTIVATIONS[args.activation]()
        self.dropout = Dropout(args.dropout)

    def __call__(self, x: mx.array) -> mx.array:
        return self.dropout(self.lin2(self.activation(self.lin1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.attention = SelfAttention(args)
        self.sa_layer_norm = nn.LayerNorm(args.dim, eps=LAYER_NORM_EPS)
        self.ffn = FeedForward(args)
        self.output_layer_norm = nn.LayerNorm(args.dim, eps=LAYER_NORM_EPS)

    def __call__(self, x: mx.array, packing: Packing, selected_only: bool = False) -> mx.array:
        """Hidden states (B, L, dim), or of the selected tokens with `selected_only`."""
        residual = packing.selected(x) if selected_only else x
        x = self.sa_layer_norm(self.attention(x, packing, selected_only) + residual)
        return self.output_layer_norm(self.ffn(x) + x)


class DistilBertModel(nn.Module):
    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.embeddings = Embeddings(args)
        self.transformer = Encoder([TransformerBlock(args) for _ in range(args.n_layers)])

    def __call__(self, input_ids: mx.array, packing: Packing) -> mx.array:
        return self.transformer(self.embeddings(input_ids, packing), packing)


class DistilBertForSequenceClassification(nn.Module):
    """The same function as transformers' class of this name."""

    prefix = "distilbert."
    head = ("pre_classifier.", "classifier.")
    pretraining = ("vocab_transform.", "vocab_layer_norm.", "vocab_projector.")

    def __init__(self, args: DistilBertArgs) -> None:
        super().__init__()
        self.args = args
        self.distilbert = DistilBertModel(args)
        self.pre_classifier = nn.Linear(args.dim, args.dim)
        self.classifier = nn.Linear(args.dim, args.num_labels)
        self.dropout = Dropout(args.seq_classif_dropout)

    @property
    def encoder(self) -> Encoder:
        return self.distilbert.transformer

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
        """Logits (B, num_labels) for int32 ids and mask of shape (B, L).

        DistilBERT has no segments: `token_type_ids` is accepted, as in the other families, but has
        no effect. Dropout masks come from `dropout_key`, uint32 (2,); without a key there is no
        dropout. With several `examples` per row (see `Packing`), the logits are
        (B * examples, num_labels), row by row. The list `states`, if given, gets each layer's
        output, (B, L, dim).
        """
        packing = Packing(attention_mask, examples, states=states)
        with dropout_from(dropout_key):
            x = self.distilbert(input_ids, packing)
            return self.classifier(self.dropout(nn.relu(self.pre_classifier(x))))
