"""The yardstick itself: NumPy's models and formulas against transformers and PyTorch."""

import numpy as np
import pytest

from mlx_finbert.self_check import formulas
from mlx_finbert.self_check.numpy_models import NumpyClassifier
from mlx_finbert.self_check.subjects import small_subjects

torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("subject", small_subjects(), ids=lambda subject: subject.name)
def test_numpy_computes_what_transformers_does(subject):
    config = transformers.AutoConfig.for_model(**subject.config)
    model = transformers.AutoModelForSequenceClassification.from_config(config).double().eval()
    weights = {name: torch.tensor(w).double() for name, w in subject.weights.items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not missing and not unexpected
    with torch.no_grad():
        expected = [model(torch.tensor(text[None]).long()).logits[0] for text in subject.texts]
    found = NumpyClassifier(subject.config, subject.weights).logits(subject.texts)
    np.testing.assert_allclose(found, torch.stack(expected).numpy(), atol=1e-12)


@pytest.mark.parametrize("name", formulas.ACTIVATIONS)
def test_activations(name):
    x = np.linspace(-9, 9, 1001)
    expected = transformers.activations.ACT2FN[name](torch.tensor(x)).numpy()
    np.testing.assert_allclose(formulas.ACTIVATIONS[name](x), expected, atol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing):
    random = np.random.default_rng(0)
    logits, labels = random.normal(0, 3, (9, 4)), random.integers(0, 4, 9)
    weights = np.array([2.0, 1.0, 0.5, 0.25])
    loss = torch.nn.CrossEntropyLoss(torch.tensor(weights), label_smoothing=smoothing)
    expected = loss(torch.tensor(logits), torch.tensor(labels)).item()
    assert formulas.cross_entropy(logits, labels, weights, smoothing) == pytest.approx(expected)


def test_adamw_and_clipping():
    random = np.random.default_rng(0)
    weights = {"matrix": random.normal(0, 1, (5, 3)), "vector": random.normal(0, 1, 3)}
    theirs = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
    groups = [
        {"params": [theirs["matrix"]], "weight_decay": 0.1},
        {"params": [theirs["vector"]], "weight_decay": 0.0},
    ]
    reference, adam = torch.optim.AdamW(groups, lr=1e-2), formulas.AdamW(0.1)
    for _ in range(5):
        gradients = {name: random.normal(0, 1, w.shape) for name, w in weights.items()}
        for name, tensor in theirs.items():
            tensor.grad = torch.tensor(gradients[name])
        torch.nn.utils.clip_grad_norm_(theirs.values(), 1.0)
        reference.step()
        weights = adam(weights, formulas.clipped(gradients, 1.0), 1e-2)
    for name, tensor in theirs.items():
        np.testing.assert_allclose(weights[name], tensor.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(("bits", "dtype"), [(8, torch.bfloat16), (11, torch.float16)])
def test_rounding_is_that_of_the_dtype(bits, dtype):
    x = np.random.default_rng(0).normal(0, 1, 1000)
    # Both are rounded to float32 first, as a tensor of half precision is made from float32.
    x = x.astype(np.float32).astype(np.float64)
    expected = torch.tensor(x).float().to(dtype).double().numpy()
    is_normal = np.abs(x) > 6.2e-5
    np.testing.assert_array_equal(formulas.rounded_to(bits, x)[is_normal], expected[is_normal])
