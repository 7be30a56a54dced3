"""Adam and AdamW compared with torch.optim, and groups of parameters."""

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.optimizer import (
    Adam,
    AdamState,
    FreezeSchedule,
    ParamGroup,
    depth,
    make_groups,
)
from mlx_finbert.training.prepare import freeze_schedule_of

SHAPES = {"weight": (4, 3), "bias": (3,), "norm": (5,)}
"""Shapes of parameters; the vectors are updated as one array."""


def updated(adam, groups, parameters, gradients, state, rate, moves=True):
    """Run one update; return the parameters and the state."""
    by_name = parameters, gradients, state.m, state.v
    after, *new = adam.update(groups, by_name, state.step, mx.array(rate), mx.array(moves))
    return after, AdamState(*new)


@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.5)])
def test_ten_steps_are_those_of_torch(decoupled, weight_decay, betas):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    rng = np.random.default_rng(0)
    start = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    theirs = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in start.items()}
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    reference = kind(
        [
            {"params": [theirs["weight"]], "weight_decay": weight_decay, "lr": 0.005},
            {"params": [theirs["bias"], theirs["norm"]], "weight_decay": 0.0, "lr": 0.01},
        ],
        betas=betas,
        eps=1e-3,
    )
    ours = {name: mx.array(value) for name, value in start.items()}
    groups = [ParamGroup("layer.0", ("weight",), rate=0.5), ParamGroup("head", ("bias", "norm"))]
    adam = Adam(weight_decay, decoupled, betas, eps=1e-3)
    state = adam.init(ours, groups)
    for _ in range(10):
        gradients = {n: rng.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}
        for name, parameter in theirs.items():
            parameter.grad = torch.tensor(gradients[name])
        reference.step()
        gradients = {n: mx.array(g) for n, g in gradients.items()}
        ours, state = updated(adam, groups, ours, gradients, state, 0.01)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name].detach().numpy(), atol=1e-6)


def test_vectors_do_not_decay():
    parameters = {"weight": mx.ones((2, 2)), "bias": mx.ones(2)}
    zero = {name: mx.zeros_like(value) for name, value in parameters.items()}
    adam, groups = Adam(weight_decay=0.5), [ParamGroup("head", ("weight", "bias"))]
    state = adam.init(parameters, groups)
    after, _ = updated(adam, groups, parameters, zero, state, 0.1)
    assert after["bias"].tolist() == [1, 1]
    assert after["weight"][0, 0].item() == pytest.approx(1 - 0.1 * 0.5)


def test_a_step_that_does_not_move_changes_nothing():
    groups = [ParamGroup("head", ("w",))]
    adam = Adam(weight_decay=0.1)
    parameters = {"w": mx.array([[1.0, 2.0]])}
    state = adam.init(parameters, groups)
    sound = {"w": mx.array([[0.5, -1.0]])}
    parameters, state = updated(adam, groups, parameters, sound, state, 0.1)
    broken = {"w": mx.array([[float("nan"), float("inf")]])}
    after, kept = updated(adam, groups, parameters, broken, state, 0.1, moves=False)
    assert mx.array_equal(after["w"], parameters["w"])
    assert mx.array_equal(kept.m["w"], state.m["w"]) and mx.array_equal(kept.v["w"], state.v["w"])
    assert kept.step["head"].item() == state.step["head"].item() == 1


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_every_parameter_is_in_one_group(checkpoint, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    names = [name for name, _ in tree_flatten(model.parameters())]
    groups = make_groups(names, len(model.encoder.layer))
    assert [group.name for group in groups] == ["embeddings", "layer.0", "layer.1", "head"]
    assert sorted(name for group in groups for name in group.parameters) == sorted(names)
    assert set(groups[-1].parameters) == {name for name in names if name.startswith(model.head)}
    assert all((group.rate, group.start) == (1.0, 0) for group in groups)


NAMES = [
    "bert.embeddings.LayerNorm.bias", "bert.encoder.layer.0.output.dense.weight",
    "bert.encoder.layer.11.output.dense.weight", "bert.pooler.dense.weight", "classifier.bias",
]  # fmt: skip


def test_depths():
    assert [depth(name, 12) for name in NAMES] == [0, 1, 12, 13, 13]


def test_rates_are_those_of_araci():
    """finbert.py: rate / 1.2^(12 - i) for layer i, rate / 1.2^13 for the embeddings."""
    rates = {g.name: g.rate for g in make_groups(NAMES, 12, FreezeSchedule(layer_decay=1 / 1.2))}
    assert rates == {
        "embeddings": pytest.approx(1.2**-13), "layer.0": pytest.approx(1.2**-12),
        "layer.11": pytest.approx(1.2**-1), "head": 1.0,
    }  # fmt: skip


def test_unfreezing_goes_from_the_top_down():
    starts = {g.name: g.start for g in make_groups(NAMES, 12, FreezeSchedule(unfreeze_every=10))}
    assert starts == {"embeddings": 130, "layer.0": 120, "layer.11": 10, "head": 0}


def test_what_is_frozen_for_good_is_in_no_group():
    thawing = FreezeSchedule(freeze_embeddings=True, freeze_layers=6, head_rate=10.0)
    groups = make_groups(NAMES, 12, thawing)
    assert [(group.name, group.rate) for group in groups] == [("layer.11", 1.0), ("head", 10.0)]
    assert [g.name for g in make_groups(NAMES, 12, FreezeSchedule(freeze_layers=1))] == [
        "embeddings", "layer.11", "head",
    ]  # fmt: skip


def test_the_settings_say_what_is_frozen():
    settings = TrainSettings(
        learning_rate=1e-4, gradual_unfreezing=True, head_learning_rate=1e-3, freeze_layers=2
    )
    assert freeze_schedule_of(settings, 6, steps_per_epoch=100) == FreezeSchedule(
        head_rate=pytest.approx(10), freeze_layers=2, unfreeze_every=33
    )
    assert freeze_schedule_of(settings, 6, steps_per_epoch=2).unfreeze_every == 1
    with pytest.raises(InputError, match="`freeze_layers` is 2: the model has only 1 layers"):
        freeze_schedule_of(settings, 1, steps_per_epoch=100)
