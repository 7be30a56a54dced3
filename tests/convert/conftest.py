"""Small classifiers, and what else the tests of conversions and exports share.

All axis sizes of the classifiers differ, and their weights are large enough to tell faults apart.
"""

import copy
import gc
import hashlib
import re
import shutil
from enum import Enum
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.convert.coreml import golden_texts
from mlx_finbert.convert.coreml.mil import Program, ct
from mlx_finbert.convert.coreml.tokenizer import random_texts


@pytest.fixture
def few_random_texts(monkeypatch):
    """A twentieth of the random texts on which an export compares the tokenizers."""
    monkeypatch.setattr(random_texts, "COUNT", 100)


@pytest.fixture
def few_texts(few_random_texts, monkeypatch):
    """Fewer golden texts too, for tests that make many exports."""
    monkeypatch.setattr(golden_texts, "GOLDEN_TEXTS", golden_texts.GOLDEN_TEXTS[:12])


@pytest.fixture(scope="session", autouse=True)
def frozen_imports():
    """coremltools collects garbage at each conversion: spare it what the imports have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def new_conversions():
    """coremltools converts each program of this test anew."""


@pytest.fixture(scope="session")
def kept_conversions(tmp_path_factory):
    """coremltools' `convert` that converts a program once: it takes most of a small export."""
    true, kept, folder = ct.convert, {}, tmp_path_factory.mktemp("conversions")

    def convert(program, **options):
        if not isinstance(program, Program):
            return true(program, **options)
        key = key_of(program, options)
        if key not in kept:
            model = true(program, **options)
            shutil.copytree(model.weights_dir, folder / key)
            kept[key] = model.get_spec()
            return model
        return SimpleNamespace(
            get_spec=lambda: copy.deepcopy(kept[key]),
            weights_dir=str(folder / key),
            package_path=str(folder / "none"),
        )

    return convert


@pytest.fixture(autouse=True)
def conversions(request, monkeypatch, kept_conversions):
    if "new_conversions" not in request.fixturenames:
        monkeypatch.setattr(ct, "convert", kept_conversions)


def key_of(program, options):
    """All that a conversion depends on: operations, values and options."""
    # coremltools numbers blocks and open sizes throughout the process.
    digest = hashlib.sha256(re.sub(r"\b(block|is)\d+\b", r"\1", str(program)).encode())
    for function in program.functions.values():
        for operation in function.operations:
            for output in operation.outputs:
                if output.val is not None:
                    value = np.asarray(output.val)
                    digest.update(f"{output.name} {value.dtype} {value.shape}".encode())
                    digest.update(value.tobytes())
    digest.update(repr(contents(options)).encode())
    return digest.hexdigest()


def contents(value):
    """An option's values, without the addresses of its objects."""
    if isinstance(value, dict):
        return {name: contents(held) for name, held in value.items()}
    if isinstance(value, list | tuple | set):
        return [contents(held) for held in value]
    if hasattr(value, "__dict__") and not isinstance(value, type | Enum):
        return type(value).__name__, contents(vars(value))
    return repr(value)


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
