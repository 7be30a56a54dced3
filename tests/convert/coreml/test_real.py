"""The real MiniLM encoder, with a random head."""

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.convert.coreml import ExportOptions, export

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"layout": "plain", "outputs": "arrays"},
        {"precision": "fp32", "layout": "plain"},
        {"compress": "int8"},
    ],
    ids=str,
)
def test_minilm(minilm, tmp_path, form):
    mx.random.seed(0)
    model, tokenizer = mlx_finbert.load(minilm, labels=["negative", "neutral", "positive"])
    options = ExportOptions(lengths=[20], **form)
    report = export(model, tokenizer, tmp_path / "M.mlpackage", options, source="minilm")
    assert report.passed, str(report)
    (package,) = report.packages
    assert package.functions[0].exact_error < 1e-5
    weights = sum(value.size for _, value in tree_flatten(model.parameters()))
    unused = 492 * 384 + 384  # positions beyond the length, and the token-type row
    size = {"fp32": 4, "fp16": 2}[options.precision] if not options.compress else 1
    assert package.bytes == pytest.approx(size * (weights - unused), rel=0.03)
