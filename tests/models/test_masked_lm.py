"""Masked-language models compute the logits of transformers' classes, at the given positions."""

import mlx.core as mx
import numpy as np
import pytest
from small_models import NO_DROPOUT

from mlx_finbert.backend.interface import adapt
from mlx_finbert.models.attention import Packing
from mlx_finbert.models.masked_lm import MASKED_LMS, build_masked_lm
from mlx_finbert.models.parameters import named_parameters, trainable_parameters

pytestmark = pytest.mark.usefixtures("backend")

TOLERANCE = 1e-4
LARGE = {"initializer_range": 0.3}
"""Weights that make all logits differ clearly."""

CONFIGS = [
    ("bert", {}),
    ("bert", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3}),
    ("bert", {"hidden_act": "relu", "type_vocab_size": 3}),
    ("distilbert", {}),
    ("distilbert", {"activation": "relu"}),
    ("roberta", {}),
    ("roberta", {"hidden_act": "relu", "layer_norm_eps": 1e-5}),
]


def rows_of(config, seed=0):
    """Ids and mask (3, 16) of rows of several lengths, and positions (3, 4) in any order."""
    rng = np.random.default_rng(seed)
    lengths = np.array([[16], [9], [5]])
    mask = (np.arange(16) < lengths).astype(np.int32)
    ids = np.where(mask, rng.integers(5, config.vocab_size, (3, 16)), config.pad_token_id)
    positions = np.stack([rng.choice(n, 4, replace=False) for n in lengths[:, 0]])
    return ids.astype(np.int32), mask, positions.astype(np.int32)


def reference_of(family, **config):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference: pip install torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **config)
    reference = transformers.AutoModelForMaskedLM.from_config(config).eval()
    for value in reference.parameters():
        if value.ndim == 1:  # transformers starts all biases at 0
            value.data += 0.3 * torch.randn(value.shape)
    return reference


def twin_of(reference):
    """Our model with the weights of the reference, by the same key names."""
    model = adapt(build_masked_lm(reference.config.to_dict()))
    weights = [
        (key, mx.array(value.numpy()))
        for key, value in reference.state_dict().items()
        if key not in model.copies
    ]
    model.load_weights(weights, strict=True)
    return model


def logits_at(reference, ids, mask, positions):
    import torch

    with torch.no_grad():
        logits = reference(torch.tensor(ids).long(), torch.tensor(mask).long()).logits.numpy()
    return np.take_along_axis(logits, positions[..., None], axis=1)


@pytest.mark.parametrize(("family", "config"), CONFIGS)
def test_logits_are_those_of_transformers(sizes, family, config):
    reference = reference_of(family, vocab_size=53, **sizes[family], **LARGE, **config)
    model = twin_of(reference)
    rows = rows_of(reference.config)
    expected = logits_at(reference, *rows)
    logits = model(*map(mx.array, rows))
    assert logits.shape == (3, 4, 53)
    assert np.abs(expected).max() > 1
    assert np.abs(np.array(logits) - expected).max() <= TOLERANCE


@pytest.mark.parametrize("family", MASKED_LMS)
def test_hidden_states_are_those_of_transformers(sizes, family):
    import torch

    reference = reference_of(family, vocab_size=53, **sizes[family], **LARGE)
    model = twin_of(reference)
    ids, mask, _ = rows_of(reference.config)
    with torch.no_grad():
        expected = reference(
            torch.tensor(ids).long(), torch.tensor(mask).long(), output_hidden_states=True
        ).hidden_states
    packing = Packing(mx.array(mask))
    encoder = getattr(model, family)
    segments = () if family == "distilbert" else (None,)
    embedded = encoder.embeddings(mx.array(ids), *segments, packing)
    found = [embedded, *model.encoder.hidden_states(embedded, packing)]
    assert len(found) == len(expected) == 3
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(np.array(ours) - theirs.numpy())[mask > 0].max() <= TOLERANCE


@pytest.mark.parametrize("family", MASKED_LMS)
@pytest.mark.parametrize("dropout", [False, True])
def test_checkpointing_gives_the_same_gradients(sizes, family, dropout):
    rates = {} if dropout else NO_DROPOUT[family]
    config = {"model_type": family, "vocab_size": 53, **sizes[family], **rates}
    mx.random.seed(0)
    model = adapt(build_masked_lm(config))
    rows = [mx.array(array) for array in rows_of(model.args)]
    key = mx.random.key(3)

    def loss(parameters):
        model.update(parameters)
        return mx.square(model(*rows, dropout_key=key)).sum()

    found = []
    for checkpointing in (False, True):
        model.encoder.gradient_checkpointing = checkpointing
        parameters = model.trainable_parameters()
        gradients = mx.grad(loss)(parameters)
        model.update(parameters)
        model.update(gradients)
        found.append(named_parameters(model))
        model.update(parameters)
    for name, gradient in found[0].items():
        assert mx.allclose(found[1][name], gradient, rtol=1e-4, atol=1e-6), name


def test_a_pooler_is_held_but_not_trained(sizes):
    config = {"model_type": "bert", "vocab_size": 53, **sizes["bert"]}
    model = build_masked_lm(config, pooler=True)
    names = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert named_parameters(model).keys() - trainable_parameters(model).keys() == names
