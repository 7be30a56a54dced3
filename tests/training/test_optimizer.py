"""Adam and AdamW against torch.optim."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.training.optimizer import Adam, Group

SHAPES = {"weight": (4, 3), "bias": (3,), "norm": (5,)}
"""Of which the vectors move as one array."""


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
    groups = [Group("layer.0", ("weight",), rate=0.5), Group("head", ("bias", "norm"))]
    adam = Adam(weight_decay, decoupled, betas, eps=1e-3)
    state = adam.init(ours, groups)
    for _ in range(10):
        gradients = {n: rng.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}
        for name, parameter in theirs.items():
            parameter.grad = torch.tensor(gradients[name])
        reference.step()
        ours, state = adam.apply(
            groups,
            ours,
            {n: mx.array(g) for n, g in gradients.items()},
            state,
            mx.array(0.01),
            mx.array(True),
        )
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name].detach().numpy(), atol=1e-6)


def test_vectors_do_not_decay():
    parameters = {"weight": mx.ones((2, 2)), "bias": mx.ones(2)}
    zero = {name: mx.zeros_like(value) for name, value in parameters.items()}
    adam, groups = Adam(weight_decay=0.5), [Group("head", ("weight", "bias"))]
    state = adam.init(parameters, groups)
    after, _ = adam.apply(groups, parameters, zero, state, mx.array(0.1), mx.array(True))
    assert after["bias"].tolist() == [1, 1]
    assert after["weight"][0, 0].item() == pytest.approx(1 - 0.1 * 0.5)


def test_a_step_that_does_not_move_changes_nothing():
    groups = [Group("head", ("w",))]
    adam = Adam(weight_decay=0.1)
    parameters = {"w": mx.array([[1.0, 2.0]])}
    state = adam.init(parameters, groups)
    arguments = {"w": mx.array([[0.5, -1.0]])}, state, mx.array(0.1), mx.array(True)
    parameters, state = adam.apply(groups, parameters, *arguments)
    broken = {"w": mx.array([[float("nan"), float("inf")]])}
    after, kept = adam.apply(groups, parameters, broken, state, mx.array(0.1), mx.array(False))
    assert mx.array_equal(after["w"], parameters["w"])
    for part, arrays in state.items():
        assert all(mx.array_equal(kept[part][name], value) for name, value in arrays.items()), part
