"""What the tests of conversions and exports share."""

import pytest

from mlx_finbert.convert.coreml import golden_texts
from mlx_finbert.convert.coreml.tokenizer import random_texts


@pytest.fixture
def few_texts(monkeypatch):
    """Fewer golden texts and random ones in each export, for tests that make many of them."""
    monkeypatch.setattr(golden_texts, "GOLDEN_TEXTS", golden_texts.GOLDEN_TEXTS[:12])
    monkeypatch.setattr(random_texts, "COUNT", 100)
