"""Properties of all model families that need no reference."""

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.models import build

FAMILIES = ["bert", "distilbert", "roberta"]


def random_ids(batch, length, seed=0):
    return mx.array(np.random.default_rng(seed).integers(5, 60, (batch, length)), dtype=mx.int32)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("training", [False, True])
def test_a_row_of_padding_is_finite(checkpoint, family, training):
    model, _ = mlx_finbert.load(checkpoint(family))
    key = mx.random.key(0) if training else None
    ids = random_ids(2, 32)
    mask = mx.array([[1] * 32, [0] * 32])

    def loss(m):
        return model.update(m) and model(ids, mask, dropout_key=key).sum()

    value, gradients = mx.value_and_grad(loss)(model.trainable_parameters())
    leaves = [g for _, g in tree_flatten(gradients)]
    assert all(mx.isfinite(x).all().item() for x in [value, *leaves])


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(checkpoint, family):
    model, tokenizer = mlx_finbert.load(checkpoint(family))
    ids = random_ids(3, 9)
    alone = model(ids, mx.ones((3, 9), mx.int32))
    for length in (16, 32, 40):
        pad = [(0, 0), (0, length - 9)]
        padded = mx.pad(ids, pad, constant_values=tokenizer.pad_token_id)
        assert mx.abs(model(padded, mx.pad(mx.ones_like(ids), pad)) - alone).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_on_with_a_key_only_and_is_the_keys(checkpoint, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    ids, mask = random_ids(2, 8), mx.ones((2, 8), mx.int32)
    without = model(ids, mask)
    with_key = [model(ids, mask, dropout_key=mx.random.key(k)) for k in (0, 0, 1)]
    assert mx.array_equal(model(ids, mask), without)
    assert mx.array_equal(with_key[0], with_key[1])
    assert not mx.array_equal(with_key[0], with_key[2])
    assert not mx.array_equal(with_key[0], without)


BERT_DROPOUTS = ["attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout"]
DISTILBERT_DROPOUTS = ["attention_dropout", "dropout", "seq_classif_dropout"]


@pytest.mark.parametrize(
    ("family", "dropped"),
    [
        *(("bert", name) for name in BERT_DROPOUTS),
        *(("roberta", name) for name in BERT_DROPOUTS),
        *(("distilbert", name) for name in DISTILBERT_DROPOUTS),
    ],
)
def test_each_dropout_of_the_config_acts(checkpoint, family, dropped):
    names = DISTILBERT_DROPOUTS if family == "distilbert" else BERT_DROPOUTS
    model, _ = mlx_finbert.load(checkpoint(family, **dict.fromkeys(names, 0.0) | {dropped: 0.5}))
    ids, mask = random_ids(2, 8), mx.ones((2, 8), mx.int32)
    assert not mx.array_equal(model(ids, mask, dropout_key=mx.random.key(0)), model(ids, mask))


def test_training_without_dropout_is_evaluation(checkpoint):
    none = {"attention_dropout": 0.0, "dropout": 0.0, "seq_classif_dropout": 0.0}
    model, _ = mlx_finbert.load(checkpoint("distilbert", **none))
    ids, mask = random_ids(2, 8), mx.ones((2, 8), mx.int32)
    dropped = model(ids, mask, dropout_key=mx.random.key(0))
    assert mx.allclose(dropped, model(ids, mask), atol=1e-6)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "deberta-v2"}, "deberta-v2"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "relative_key"),
        ({"model_type": "bert", "add_cross_attention": True}, "add_cross_attention"),
        ({"model_type": "bert", "is_decoder": True}, "is_decoder"),
        ({"model_type": "bert", "hidden_act": "mish"}, "mish"),
        ({"model_type": "distilbert", "activation": "quick_gelu"}, "quick_gelu"),
        ({"model_type": "bert", "problem_type": "regression"}, "regression"),
        (
            {"model_type": "bert", "problem_type": "multi_label_classification", "num_labels": 1},
            "multi_label",
        ),
        ({"model_type": "bert", "hidden_size": 100}, "12 attention heads"),
        ({"model_type": "bert", "num_attention_heads": 0}, "num_attention_heads = 0"),
        ({"model_type": "bert", "hidden_size": "15"}, "hidden_size = '15'"),
        ({"model_type": "bert", "num_hidden_layers": 2.0}, "num_hidden_layers = 2.0"),
        ({"model_type": "bert", "layer_norm_eps": "1e-12"}, "layer_norm_eps"),
        ({"model_type": "bert", "hidden_dropout_prob": 1.0}, "hidden_dropout_prob = 1.0"),
        (
            {"model_type": "bert", "layer_norm_eps": float("nan")},
            "layer_norm_eps = nan is not above 0",
        ),
        ({"model_type": "bert", "vocab_size": -1}, "vocab_size = -1"),
        ({"model_type": "bert", "hidden_act": ["gelu"]}, "hidden_act"),
        ({"model_type": "bert", "num_labels": "3"}, "num_labels is '3'"),
        ({"model_type": ["bert"]}, "model_type"),
        ({"model_type": "bert", "id2label": {"0": "a", "2": "b"}}, "id2label"),
        ({"model_type": "bert", "id2label": {"0": "a", "1": "a"}}, "twice"),
        (
            {"model_type": "bert", "id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}},
            "disagree",
        ),
    ],
)
def test_unsupported_configs_are_refused_by_name(config, words):
    with pytest.raises(InputError, match=words):
        build(config)
