"""Hashes that compare and draw texts."""

import numpy as np
import pytest

from mlx_finbert.data.text_hashes import chances, fold, group_alike, text_hash


@pytest.mark.parametrize(
    "other",
    ["net SALES rose", " net\tsales\u00a0 rose\n", "ｎｅｔ sales rose", "net sales ro\u017fe"],
)
def test_texts_that_fold_alike(other):
    assert fold(other) == "net sales rose"
    assert text_hash(other) == text_hash("net sales rose")
    assert chances([other], "test", 3) == chances(["net sales rose"], "test", 3)


def test_composed_and_decomposed_letters_are_the_same():
    assert text_hash("Pörssi") == text_hash("Po\u0308rssi") != text_hash("Porssi")


def test_hashes_are_the_same_everywhere():
    """Hashes are stored in files, so they must be the same on every machine."""
    assert text_hash("Net sales rose 5 %.") == "2d7e0dba618c3145"


def test_chances_are_uniform_and_independent():
    texts = [f"Text {i}" for i in range(20_000)]
    test, validation = chances(texts, "test", 0), chances(texts, "validation", 0)
    for found in (test, validation, chances(texts, "test", 1)):
        assert found.min() >= 0 and found.max() < 1
        assert np.histogram(found, 10, (0, 1))[0] == pytest.approx([2000] * 10, abs=200)
    assert abs(np.corrcoef(test, validation)[0, 1]) < 0.03
    assert abs(np.corrcoef(test, chances(texts, "test", 1))[0, 1]) < 0.03


def test_groups():
    assert group_alike(["a", "b", "A ", "c", "B"]).tolist() == [0, 1, 0, 2, 1]
