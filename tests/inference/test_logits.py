"""The forward pass over a loader, whole and until it is stopped."""

from threading import Event

import numpy as np
import pytest

from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.inference.logits import Forward

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def loader(tiny):
    _, tokenizer = tiny
    texts = ["profit " * (i % 23) + "rose" for i in range(61)]
    return Loader(tokenize(tokenizer, texts, 40), None, 4, tokenizer.pad_token_id, 40)


def test_in_another_order_the_logits_are_the_same_bits(tiny, loader):
    forward = Forward(tiny[0])
    ready, logits = forward.logits_until(Event(), loader, "rows")
    assert ready.tolist() == list(range(61))
    np.testing.assert_array_equal(logits, forward.all_logits(loader))
    assert len(np.unique(logits[:, 0])) > 20


def test_what_is_ready_at_a_stop_is_a_fair_sample(tiny, loader, monkeypatch):
    forward, stop = Forward(tiny[0]), Event()
    whole, sampled = forward.all_logits(loader), loader.sampled

    def stopping():
        for number, batch in enumerate(sampled()):
            if number == 7:
                stop.set()
            yield batch

    monkeypatch.setattr(loader, "sampled", stopping)
    ready, logits = forward.logits_until(stop, loader, "rows")
    np.testing.assert_array_equal(logits, whole[ready])
    assert 0 < len(ready) < 40 and (np.diff(ready) > 0).all()
    # Those of the shortest rows alone would not be.
    shortest = np.sort(loader.lengths)[: len(ready)]
    assert loader.lengths[ready].mean() > 1.3 * shortest.mean()
