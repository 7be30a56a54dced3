"""Small classifiers whose axis sizes all differ, with weights large enough to tell faults apart."""

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from small_packages import LENGTH

import mlx_finbert
from mlx_finbert.convert.coreml.graph import build
from mlx_finbert.convert.coreml.network import describe
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.package import convert, write
from mlx_finbert.convert.coreml.saved import SavedPackage


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


@pytest.fixture
def saved(tmp_path):
    """Factory of a saved package, not verified and without metadata."""

    def make(model, length=LENGTH, **options):
        lengths = options.pop("lengths", [length])
        options = ExportOptions(**options).with_defaults(lengths)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.mlpackage"
        program = build(describe(model), length, options)
        write(convert(program, options, model.args.labels), path, lambda spec: None)
        return SavedPackage(path)

    return make
