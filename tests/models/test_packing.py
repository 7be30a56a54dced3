"""Packed rows: each example has the same results as in its own row."""

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.models.attention import Packing

pytestmark = pytest.mark.usefixtures("backend")

FAMILIES = ["bert", "roberta", "distilbert"]
LENGTHS = [[5, 3, 7], [9, 4], [15]]
"""Lengths of the examples in each row, which holds at most three."""


def packed_rows(pad, seed=0):
    """Ids and mask (3, 16), and the examples one by one, None where a row has no such place."""
    rng = np.random.default_rng(seed)
    ids, mask = np.full((3, 16), pad, np.int32), np.zeros((3, 16), np.int32)
    examples = []
    for row, lengths in enumerate(LENGTHS):
        start = 0
        for number in range(3):
            if number >= len(lengths):
                examples.append(None)
                continue
            example = rng.integers(5, 30, lengths[number])
            ids[row, start : start + len(example)] = example
            mask[row, start : start + len(example)] = number + 1
            start += len(example)
            examples.append(example)
    return mx.array(ids), mx.array(mask), examples


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_the_examples_alone(checkpoint, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    ids, mask, examples = packed_rows(model.args.pad_token_id)
    logits = model(ids, mask, examples=3)
    assert logits.shape == (9, 3) and mx.isfinite(logits).all()
    for found, example in zip(logits, examples, strict=True):
        if example is not None:
            alone = mx.array(example[None].astype(np.int32))
            assert mx.abs(found - model(alone, mx.ones_like(alone))[0]).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_an_example_does_not_hear_of_its_neighbours(checkpoint, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    ids, mask, _ = packed_rows(model.args.pad_token_id)
    others, _, _ = packed_rows(model.args.pad_token_id, seed=1)
    mixed = mx.where(mask == 2, ids, others)
    logits, again = model(ids, mask, examples=3), model(mixed, mask, examples=3)
    changed = mx.abs(logits - again).max(axis=-1) > 1e-4
    assert not changed[mx.array([1, 4])].any()
    assert changed[mx.array([0, 2, 3, 6])].all()


def test_positions_begin_anew_and_padding_has_the_first_one():
    mask = mx.array([[1, 1, 1, 2, 2, 3, 0, 0]])
    packing = Packing(mask, 3)
    assert packing.restarted(mx.arange(8)).tolist() == [[0, 1, 2, 0, 1, 0, 0, 0]]
    counts = mx.arange(8)
    assert Packing(mx.minimum(mask, 1)).restarted(counts) is counts


def test_tokens_see_their_own_example_alone():
    numbers = np.array([[1, 1, 2, 2, 2, 0]])
    packing = Packing(mx.array(numbers), 2)
    expected = numbers[0][:, None] == numbers[0]
    assert np.array_equal(np.array(packing.mask)[0, 0], expected)
    assert np.array_equal(np.array(packing.first_mask)[0, 0], expected[[0, 2]])
    x = mx.arange(6.0).reshape(1, 6, 1)
    assert packing.selected(x).flatten().tolist() == [0.0, 2.0]


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_packs_alike(checkpoint, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    ids, mask, _ = packed_rows(model.args.pad_token_id)

    def loss(parameters):
        model.update(parameters)
        return model(ids, mask, examples=3, dropout_key=mx.random.key(3)).square().sum()

    plain = mx.grad(loss)(model.parameters())
    model.encoder.gradient_checkpointing = True
    again = mx.grad(loss)(model.parameters())
    for (name, expected), (_, found) in zip(tree_flatten(plain), tree_flatten(again), strict=True):
        assert mx.abs(expected - found).max() < 1e-5, name
