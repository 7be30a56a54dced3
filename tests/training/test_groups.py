"""Parameter groups: what is trained, from which step, and at which rate."""

import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.optimizer import FreezeSchedule, depth, make_groups
from mlx_finbert.training.prepare import freeze_schedule_of


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
    with pytest.raises(InputError, match="--freeze-layers is 2: the model has only 1 layers"):
        freeze_schedule_of(settings, 1, steps_per_epoch=100)
