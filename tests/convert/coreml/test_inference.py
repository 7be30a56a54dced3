"""The texts of the verification, and their padding."""

import numpy as np
from small_packages import LENGTH

from mlx_finbert.convert.coreml.inference import (
    padded_batches,
    shortest_holding,
    text_of,
    token_rows,
    verification_texts,
)


def test_verification_texts(classifier):
    _, tokenizer = classifier("bert")
    for length in (3, LENGTH, 40):
        texts = verification_texts(tokenizer, length)
        assert len(texts) >= 8
        rows = dict(zip(texts, token_rows(tokenizer, list(texts.values()), length), strict=True))
        assert len(rows["empty"]) == 2 and len(rows["one token"]) == 3
        assert len(rows["exactly full"]) == len(rows["over-long"]) == length
        assert len(tokenizer(text_of(tokenizer, length))["input_ids"]) == length
        assert set(rows["all unknown"][1:-1]) == {tokenizer.unk_token_id}
    assert tokenizer.pad_token_id in rows["padding written out"]


def test_padded_batches():
    rows = [(2, 3), (2, 5, 3), (2, 6, 7, 3)]
    (first, count), (second, last) = padded_batches(rows, 2, 4, pad_token_id=9)
    assert (count, last) == (2, 1)
    assert np.array_equal(first["input_ids"], [[2, 3, 9, 9], [2, 5, 3, 9]])
    assert np.array_equal(first["attention_mask"], [[1, 1, 0, 0], [1, 1, 1, 0]])
    assert np.array_equal(second["input_ids"], [[2, 6, 7, 3]] * 2)
    assert first["input_ids"].dtype == first["attention_mask"].dtype == np.int32


def test_the_shortest_length_that_holds_a_row():
    assert [shortest_holding(n, [8, 16]) for n in (2, 8, 9, 16, 99)] == [8, 8, 16, 16, 16]
