"""Writes a BERT encoder as a DistilBERT, which computes the same hidden states for one segment.

DistilBERT is BERT without segments and without a pooler (Sanh et al. 2019, section 3). Each text
that a classifier reads is one segment, number 0, so its row of the segment table is added to every
row of the position table.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import mlx.core as mx

from mlx_finbert.checkpoints.files import Weights
from mlx_finbert.checkpoints.tokenizer import Tokenizer, save_tokenizer
from mlx_finbert.errors import InputError
from mlx_finbert.models.bert import BertArgs
from mlx_finbert.models.config import ClassifierArgs
from mlx_finbert.models.distilbert import LAYER_NORM_EPS, DistilBertArgs

LAYERS = "bert.encoder.layer."
SEGMENTS = "bert.embeddings.token_type_embeddings.weight"
POSITIONS = "bert.embeddings.position_embeddings.weight"

OF_LAYER = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
"""DistilBERT's names for the modules of a layer."""

OUTSIDE = {
    "bert.embeddings.": "distilbert.embeddings.",
    "cls.predictions.transform.dense.": "vocab_transform.",
    "cls.predictions.transform.LayerNorm.": "vocab_layer_norm.",
    "cls.predictions.bias": "vocab_projector.bias",
}
"""DistilBERT's beginnings of the other names: embeddings, and the masked-language head."""


def require_convertible(args: ClassifierArgs, name: str) -> BertArgs:
    """Return the args of a model that can be written as a DistilBERT.

    Raises:
        InputError: for another family, or a BERT that DistilBERT's config cannot describe.
    """
    # RoBERTa's args are a subclass.
    if type(args) is not BertArgs:
        raise InputError(
            f"`to_distilbert`: {name} is a {args.model_type} model, and only a BERT can be written"
            " as a DistilBERT; leave the flag out"
        )
    if args.layer_norm_eps != LAYER_NORM_EPS:
        raise InputError(
            f"`to_distilbert`: {name} has layer_norm_eps = {args.layer_norm_eps:g}, which a"
            f" DistilBERT cannot have: its is always {LAYER_NORM_EPS:g}; leave the flag out"
        )
    return args


def distilbert_args(args: BertArgs) -> DistilBertArgs:
    """The config of the same encoder as a DistilBERT."""
    return DistilBertArgs(
        id2label=args.id2label,
        initializer_range=args.initializer_range,
        problem_type=args.problem_type,
        max_position_embeddings=args.max_position_embeddings,
        vocab_size=args.vocab_size,
        dim=args.hidden_size,
        n_layers=args.num_hidden_layers,
        n_heads=args.num_attention_heads,
        hidden_dim=args.intermediate_size,
        activation=args.hidden_act,
        dropout=args.hidden_dropout_prob,
        attention_dropout=args.attention_probs_dropout_prob,
        pad_token_id=args.pad_token_id,
    )


def distilbert_weights(weights: Weights) -> tuple[Weights, list[str]]:
    """Rename a BERT's tensors, and add its first segment to the positions.

    Returns:
        The tensors, and a phrase for each that DistilBERT has no place for.
    """
    segments, positions = weights[SEGMENTS], weights[POSITIONS]
    folded = positions.astype(mx.float32) + segments[0].astype(mx.float32)
    weights = weights | {POSITIONS: folded.astype(positions.dtype)}
    names = {name: distilbert_name(name) for name in weights if name != SEGMENTS}
    lost = [name for name, new in names.items() if new is None]
    if len(segments) > 1:
        lost.append(f"{SEGMENTS} but for its row 0")
    return {new: weights[name] for name, new in names.items() if new}, lost


def distilbert_name(name: str) -> str | None:
    """The name of a BERT's tensor in a DistilBERT; None if it has no place there."""
    if name.startswith(LAYERS):
        number, _, rest = name.removeprefix(LAYERS).partition(".")
        module, _, kind = rest.rpartition(".")
        return f"distilbert.transformer.layer.{number}.{OF_LAYER[module]}.{kind}"
    for start, new in OUTSIDE.items():
        if name.startswith(start):
            return new + name.removeprefix(start)
    return None


def as_distilbert_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer as transformers' class for DistilBERT, which makes no segment ids."""
    from transformers import BertTokenizer, DistilBertTokenizer

    if type(tokenizer) is not BertTokenizer:
        return tokenizer
    with TemporaryDirectory() as spare:
        save_tokenizer(tokenizer, Path(spare))
        return DistilBertTokenizer.from_pretrained(spare, local_files_only=True)
