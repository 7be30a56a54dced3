"""`linux_cpu` compared with MLX's own functions: logits, gradients, twenty steps."""

import mlx.core as mx
import numpy as np
import pytest
from small_models import NO_DROPOUT

import mlx_finbert
from mlx_finbert.backend import PLAIN, VARIABLE
from mlx_finbert.backend.interface import compiled_value_and_grad, on_linux_cpu, squared_norm
from mlx_finbert.backend.linux_cpu import attention, layers
from mlx_finbert.backend.linux_cpu.parallel import SHARES, spread
from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.masked_loader import MaskedLoader
from mlx_finbert.data.masking import Masking
from mlx_finbert.data.tokens import Tokens
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.loss import Loss, loss_of_parameters
from mlx_finbert.training.masked_lm import MaskedLMLoss
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.step import TrainStep


@pytest.fixture(autouse=True)
def room(monkeypatch):
    """A function that switches between the two backends; `linux_cpu` comes first."""

    def switch(to):
        monkeypatch.setenv(VARIABLE, to)

    switch("")
    if not on_linux_cpu():
        pytest.skip("compares the room of Linux's CPU with plain MLX")
    return switch


@pytest.fixture(params=[attention.BLOCK, 1], ids=["whole", "blocks"])
def block(request, monkeypatch):
    """Compute attention at once, or head by head."""
    monkeypatch.setattr(attention, "BLOCK", request.param)


def a_loader(vocabulary=60, rows=40, batch_size=8, pad=0):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 17, rows)
    ids = rng.integers(5, vocabulary // 2, lengths.sum()).astype(np.int32)
    tokens = Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]), np.zeros(rows, bool))
    labels = rng.integers(0, 3, rows).astype(np.int32)
    loader = Loader(tokens, labels, batch_size, pad, 16, seed=0, multiple=4)
    loader.choose_lengths()
    return loader


def loss_of(model):
    return Loss(np.ones(model.args.num_labels, np.float32))


def found_by(model, batch, key):
    """The logits, figures and gradients of a batch."""
    loss = loss_of(model)
    function = compiled_value_and_grad(loss_of_parameters(model, loss, {}, "float32"))
    rows = tuple(map(mx.array, loss.arrays(batch)))
    (_, figures), gradients = function(named_parameters(model), rows, key, mx.array(0.1))
    return model(*rows[:2]), figures, gradients


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("family", NO_DROPOUT)
def test_logits_and_gradients(checkpoint, room, family):
    folder = checkpoint(family, **NO_DROPOUT[family])
    ways = []
    for way in ("", PLAIN):
        room(way)
        model, _ = mlx_finbert.load(folder)
        assert any(type(m) is layers.Linear for m in model.modules()) == (way == "")
        batch = next(a_loader(pad=model.args.pad_token_id).epoch())
        ways.append((*found_by(model, batch, mx.random.key(0)), way))
    (logits, figures, gradients, _), (expected_logits, expected_figures, expected, _) = ways
    assert mx.abs(logits - expected_logits).max() < 1e-5
    assert mx.abs(figures - expected_figures).max() < 1e-4
    for name, gradient in expected.items():
        assert mx.abs(gradients[name] - gradient).max() < 1e-5, name
    plain_norm = squared_norm(expected).item()
    room("")
    assert squared_norm(gradients).item() == pytest.approx(plain_norm, rel=1e-5)


@pytest.mark.parametrize("family", NO_DROPOUT)
def test_blocks_drop_the_same_probabilities(checkpoint, monkeypatch, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    batch = next(a_loader(pad=model.args.pad_token_id).epoch())
    found = []
    for block in (attention.BLOCK, 1):
        monkeypatch.setattr(attention, "BLOCK", block)
        found.append(found_by(model, batch, mx.random.key(0))[-1])
    whole, blocks = found
    for name, gradient in whole.items():
        assert mx.abs(blocks[name] - gradient).max() < 1e-5, name


@pytest.mark.parametrize(
    ("family", "adam"),
    [("bert", Adam()), ("roberta", Adam(0.1)), ("distilbert", Adam(0.1, decoupled=False))],
)
def test_twenty_steps(checkpoint, room, family, adam):
    folder = checkpoint(family, **NO_DROPOUT[family])

    def ends():
        model, _ = mlx_finbert.load(folder)
        loader = a_loader(pad=model.args.pad_token_id)
        groups = make_groups(named_parameters(model), len(model.encoder.layer))
        step = TrainStep(model, groups, adam, loss_of(model))
        losses = []
        for epoch in range(4):
            for number, update in enumerate(loader.updates(epoch), 5 * epoch):
                output = step(update, number, 1e-3)
                losses.append(output.loss / output.weight)
        return losses, named_parameters(model)

    found_losses, found = ends()
    room(PLAIN)
    losses, weights = ends()
    assert len(losses) == 20 and losses[-1] < losses[0]
    np.testing.assert_allclose(found_losses, losses, atol=1e-4)
    for name, weight in weights.items():
        if (
            "key.bias" not in name and "k_lin.bias" not in name
        ):  # the gradient is only rounding noise
            assert mx.abs(weight - found[name]).max() < 1e-4, name


def test_names_are_spread_evenly():
    found = spread({"a": 5, "b": 4, "c": 3, "d": 2})
    assert len(found) == SHARES and sorted([*found[0], *found[1]]) == list("abcd")
    assert [sum({"a": 5, "b": 4, "c": 3, "d": 2}[n] for n in names) for names in found] == [7, 7]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", NO_DROPOUT)
def test_masked_language_models(checkpoint, room, family, precision):
    folder = checkpoint(family, **NO_DROPOUT[family])
    loss, found = MaskedLMLoss(), []
    for way in ("", PLAIN):
        room(way)
        mx.random.seed(0)
        model, tokenizer, _ = load_masked_lm(folder)
        assert any(type(m) is layers.Decoder for m in model.modules()) == (way == "")
        loader = MaskedLoader(a_loader().tokens, 8, 0, Masking.of(tokenizer))
        arrays = tuple(map(mx.array, loss.arrays(next(loader.epoch()))))
        function = compiled_value_and_grad(loss_of_parameters(model, loss, {}, precision))
        key, factor = mx.random.key(0), mx.array(0.1)
        (_, figures), gradients = function(named_parameters(model), arrays, key, factor)
        found.append((figures, gradients))
    (figures, gradients), (expected_figures, expected) = found
    assert mx.allclose(figures, expected_figures, rtol=1e-5 if precision == "float32" else 1e-2)
    assert max(mx.abs(gradient).max().item() for gradient in expected.values()) > 0.1
    for name, gradient in expected.items():
        difference = mx.abs(gradients[name] - gradient).max()
        if precision == "float32":
            assert difference < 1e-5, name
        elif "key.bias" not in name and "k_lin.bias" not in name:  # only rounding noise
            assert difference <= 0.03 * mx.abs(gradient).max(), name
