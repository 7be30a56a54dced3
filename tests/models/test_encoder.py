"""Gradient checkpointing: the same gradients with less memory, also with dropout."""

import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.backend.linux_cpu import attention as attention_in_blocks
from mlx_finbert.models import build

pytestmark = pytest.mark.usefixtures("backend")

FAMILIES = ["bert", "distilbert", "roberta"]


def random_ids(batch, length):
    return mx.array(np.random.default_rng(0).integers(5, 60, (batch, length)), dtype=mx.int32)


def loss_and_gradients(model, ids, mask, key, compiled):
    def loss(parameters, ids, key):
        model.update(parameters)
        return (model(ids, mask, dropout_key=key) ** 2).sum()

    function = mx.value_and_grad(loss)
    function = mx.compile(function) if compiled else function
    parameters = model.trainable_parameters()
    value, gradients = function(parameters, ids, key)
    model.update(parameters)
    mx.eval(value, gradients)
    return value, dict(tree_flatten(gradients))


@pytest.mark.parametrize("block", [attention_in_blocks.BLOCK, 1], ids=["whole", "blocks"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("compiled", [False, True])
def test_checkpointing_gives_the_gradients_of_the_same_dropout(
    checkpoint, monkeypatch, family, compiled, block
):
    monkeypatch.setattr(attention_in_blocks, "BLOCK", block)
    model, _ = mlx_finbert.load(checkpoint(family))
    ids, mask, key = random_ids(3, 8), mx.ones((3, 8), mx.int32), mx.random.key(3)
    value, expected = loss_and_gradients(model, ids, mask, key, compiled)
    model.encoder.gradient_checkpointing = True
    again, found = loss_and_gradients(model, ids, mask, key, compiled)
    assert value.item() == pytest.approx(again.item(), rel=1e-6)
    for name, gradient in expected.items():
        assert mx.allclose(found[name], gradient, rtol=1e-4, atol=1e-6), name


PEAKS = """
from mlx_finbert.backend.process import prefer_memory
prefer_memory()
import sys
sys.path.insert(0, sys.argv[1])
from test_encoder import peaks
print(*peaks())
"""


def test_checkpointing_halves_the_peak_memory():
    # In a new process, since MLX reads its settings before its first computation.
    argv = [sys.executable, "-c", PEAKS, str(Path(__file__).parent)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    plain, checkpointed = map(int, done.stdout.split())
    assert checkpointed < 0.5 * plain


def peaks():
    """Peak memory of a step in bytes, without and with checkpointing."""
    config = {
        "model_type": "bert", "vocab_size": 60, "hidden_size": 64, "num_hidden_layers": 8,
        "num_attention_heads": 4, "intermediate_size": 256, "max_position_embeddings": 64,
    }  # fmt: skip
    model = build(config)
    ids, mask, key = random_ids(16, 64), mx.ones((16, 64), mx.int32), mx.random.key(0)
    mx.eval(model.parameters())
    found = []
    for model.encoder.gradient_checkpointing in (False, True):
        mx.clear_cache()
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        loss_and_gradients(model, ids, mask, key, compiled=True)
        found.append(mx.get_peak_memory() - before)
    return found
