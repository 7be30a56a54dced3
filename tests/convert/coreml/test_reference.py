"""What packages and conversions are compared with: logits that no device makes less exact."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.parity import inputs, own_logits
from mlx_finbert.models.precision import full_precision


def in_full(model, ids, mask):
    with full_precision():
        return np.array(model(ids, mask))


@pytest.mark.usefixtures("tf32")
def test_a_device_that_multiplies_in_tf32_changes_no_comparison(classifier):
    model, tokenizer = classifier("bert")
    ids, mask = (mx.array(array) for array in inputs(tokenizer))
    expected = in_full(model, ids, mask)
    assert np.abs(np.array(model(ids, mask)) - expected).max() > 1e-4
    np.testing.assert_allclose(own_logits(model, tokenizer), expected, atol=1e-6)
    row = tuple(ids[1].tolist()[: int(mask[1].sum().item())])
    found = Reference(model).logits([row])
    np.testing.assert_allclose(found[0], expected[1], atol=1e-5)
