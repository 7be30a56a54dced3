"""Activations compared with those of transformers."""

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.models import build
from mlx_finbert.models.activations import ACTIVATIONS, ALIASES


@pytest.mark.parametrize("name", [*ACTIVATIONS, *ALIASES])
@pytest.mark.parametrize(("family", "key"), [("bert", "hidden_act"), ("distilbert", "activation")])
def test_every_name_is_transformers_function(name, family, key):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers.activations import ACT2FN

    model = build({"model_type": family, key: name})
    kept = getattr(model.args, key)
    x = np.linspace(-12, 12, 4801, dtype=np.float32)
    expected = ACT2FN[name](torch.tensor(x)).numpy()
    np.testing.assert_allclose(np.array(ACTIVATIONS[kept]()(mx.array(x))), expected, atol=2e-6)
    assert model.args.to_config()[key] == kept


def test_no_other_activation_of_transformers_is_one_of_ours():
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers.activations import ACT2FN

    x = torch.linspace(-12, 12, 4801)
    ours = [ACT2FN[name](x) for name in ACTIVATIONS]
    for name in ACT2FN.keys() - ACTIVATIONS.keys() - ALIASES.keys():
        with torch.no_grad():
            found = ACT2FN[name](x.bfloat16() if name == "xielu" else x).float()
        assert min((found - one).abs().max() for one in ours) > 1e-3, name
