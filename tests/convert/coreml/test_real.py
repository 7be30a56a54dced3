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
def test_minilm(request, minilm, tmp_path, form):
    if form:
        # The tokenizer is the same in each, and the texts take half of the time.
        request.getfixturevalue("few_texts")
    mx.random.seed(0)
    model, tokenizer = mlx_finbert.load(minilm, labels=["negative", "neutral", "positive"])
    options = ExportOptions(lengths=[20], **form)
    report = export(model, tokenizer, tmp_path / "M.mlpackage", options, source="minilm")
    assert report.passed, str(report)
    (package,) = report.packages
    assert package.functions[0].exact_error < 1e-5
    weights = sum(value.size for _, value in tree_flatten(model.parameters()))
    # Positions beyond the length and the token types are not in the package.
    weights -= (512 - 20 + 2) * 384
    size, tolerance = {None: (2, 0.01), "int8": (1, 0.03)}[options.compress]
    if options.precision == "fp32":
        size = 4
    assert package.bytes == pytest.approx(size * weights, rel=tolerance)
