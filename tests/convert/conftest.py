"""Small classifiers, and what else the tests of conversions and exports share.

All axis sizes of the classifiers differ, and their weights are large enough to tell faults apart.
"""

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.convert.coreml import golden_texts
from mlx_finbert.convert.coreml.tokenizer import random_texts


@pytest.fixture
def few_texts(monkeypatch):
    """Fewer golden texts and random ones in each export, for tests that make many of them."""
    monkeypatch.setattr(golden_texts, "GOLDEN_TEXTS", golden_texts.GOLDEN_TEXTS[:12])
    monkeypatch.setattr(random_texts, "COUNT", 100)


def enlarged(name, value, random):
    """Values as in a trained model: what the layers do shows in the probabilities."""
    if "embeddings.weight" in name:
        return random.normal(0, 0.05, value.shape)
    if "norm" in name.lower() and name.endswith("weight"):
        return random.normal(1, 0.2, value.shape)
    if name.endswith("bias"):
        return random.normal(0, 0.2, value.shape)
    return random.normal(0, 1.2 / value.shape[1] ** 0.5, value.shape)


@pytest.fixture
def classifier(checkpoint, tmp_path):
    """Factory of a model and its tokenizer: `classifier("roberta", num_hidden_layers=1)`."""

    def make(family="bert", **config):
        count = len(list(tmp_path.glob("checkpoint-*")))
        folder = checkpoint(family, name=f"checkpoint-{count}", **config)
        model, tokenizer = mlx_finbert.load(folder)
        random = np.random.default_rng(0)
        weights = [
            (name, mx.array(enlarged(name, value, random).astype(np.float32)))
            for name, value in tree_flatten(model.parameters())
        ]
        model.load_weights(weights)
        mx.save_safetensors(str(folder / "model.safetensors"), dict(weights))
        return model, tokenizer

    return make
