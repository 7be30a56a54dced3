"""Dropout: rate, keys and gradient."""

import mlx.core as mx
import mlx.nn as nn
import pytest

from mlx_finbert.backend.linux_cpu import layers
from mlx_finbert.models import dropout as plain
from mlx_finbert.models.dropout import dropout_from, split_keys


@pytest.fixture(params=[plain.Dropout, layers.Dropout], ids=["plain", "linux_cpu"], autouse=True)
def both(request, monkeypatch):
    monkeypatch.setitem(globals(), "Dropout", request.param)


Dropout = plain.Dropout


def test_dropout_scales_what_it_keeps_and_keeps_its_share():
    dropout = Dropout(0.25)
    x = mx.ones((200, 200))
    with dropout_from(mx.random.key(0)):
        first, second = dropout(x), dropout(x)
    assert mx.allclose(first, mx.where(first == 0, 0, 4 / 3))
    assert (first == 0).mean().item() == pytest.approx(0.25, abs=0.01)
    assert not mx.array_equal(first, second)
    assert mx.array_equal(dropout(x), x)


def test_a_layer_inside_a_block_without_a_key_has_no_dropout():
    dropout = Dropout(0.5)
    with dropout_from(mx.random.key(0)):
        with dropout_from(None):
            assert not dropout.is_on
        assert dropout.is_on
    assert isinstance(dropout, nn.Module) and not dropout.is_on


@pytest.mark.parametrize("shape", [(7,), (3, 5), (4, 2, 8)])
def test_the_same_key_draws_the_same_masks_in_any_shape(shape):
    def drawn(key):
        with dropout_from(mx.random.key(key)):
            return Dropout(0.5)(mx.ones(shape))

    assert drawn(0).shape == shape
    assert mx.array_equal(drawn(0), drawn(0))
    assert not mx.array_equal(drawn(0), drawn(1))


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_gradient_goes_through_what_was_kept(compiled, dtype):
    def dropped(x, key):
        with dropout_from(key):
            return Dropout(0.3)(x)

    def value_and_gradient(x, cotangent, key):
        return mx.vjp(lambda x: dropped(x, key), [x], [cotangent])

    x, cotangent = (mx.random.normal((20, 30)).astype(dtype) for _ in range(2))
    function = mx.compile(value_and_gradient) if compiled else value_and_gradient
    (value,), (gradient,) = function(x, cotangent, mx.random.key(1))
    assert value.dtype == gradient.dtype == dtype
    kept = value != 0
    assert 0 < kept.sum().item() < x.size
    assert mx.allclose(value, mx.where(kept, x / 0.7, 0), rtol=2e-3)
    assert mx.allclose(gradient, mx.where(kept, cotangent / 0.7, 0), rtol=2e-3)


def test_blocks_inside_a_block_draw_masks_of_their_own():
    dropout, x = Dropout(0.5), mx.ones((40, 40))
    assert split_keys(2) == [None, None]
    with dropout_from(mx.random.key(0)):
        outside = dropout(x)
        inside = []
        for key in split_keys(2):
            with dropout_from(key):
                inside += [dropout(x), dropout(x)]
        masks = [outside, *inside, dropout(x)]
    for i, mask in enumerate(masks):
        # Independent masks agree in half of the elements.
        for other in masks[:i]:
            assert (mask == other).mean().item() == pytest.approx(0.5, abs=0.06)


def test_a_rate_that_rounds_to_1_drops_nearly_all():
    with dropout_from(mx.random.key(0)):
        assert mx.isfinite(Dropout(0.999999)(mx.ones((50, 50)))).all()
