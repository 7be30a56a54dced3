"""One model, used by several threads at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import mlx_finbert

pytestmark = pytest.mark.usefixtures("backend")

THREADS = 8


def test_threads_that_predict_get_what_one_thread_gets(tiny):
    texts = [["profit rose"] * (3 + 5 * number) for number in range(THREADS)]
    right = [mlx_finbert.predict_proba(*tiny, batch) for batch in texts]
    together = threading.Barrier(THREADS)

    def predict(number):
        together.wait()
        # Each call traces the model again.
        return [mlx_finbert.predict_proba(*tiny, texts[number]) for _ in range(5)]

    with ThreadPoolExecutor(THREADS) as pool:
        for expected, found in zip(right, pool.map(predict, range(THREADS)), strict=True):
            for probabilities in found:
                np.testing.assert_array_equal(probabilities, expected)
