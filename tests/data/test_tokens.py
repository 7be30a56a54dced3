"""Windows over long rows: no token is lost or counted twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_finbert.data.tokens import Tokens, cut_into_windows, tokenize

FIRST, LAST = -1, -2


def rows_of(lengths):
    """Make rows of different tokens between two special tokens."""
    rows, number = [], 0
    for length in lengths:
        rows.append([FIRST, *range(number, number + length), LAST])
        number += length
    offsets = np.cumsum([0, *map(len, rows)])
    return Tokens(np.concatenate([[], *rows]).astype(np.int32), offsets, np.zeros(len(rows), bool))


@st.composite
def cuts(draw):
    max_length = draw(st.integers(3, 40))
    overlap = draw(st.integers(0, max_length - 3))
    return draw(st.lists(st.integers(0, 200), max_size=5)), max_length, overlap


@given(cuts())
def test_every_token_is_in_a_window_and_counts_once(cut):
    lengths, max_length, overlap = cut
    tokens = rows_of(lengths)
    windows = cut_into_windows(tokens, max_length, overlap)
    assert (windows.tokens.lengths <= max_length).all()
    for text, length in enumerate(lengths):
        mine = np.flatnonzero(windows.texts == text)
        rows = [windows.tokens[i].tolist() for i in mine]
        assert all((row[0], row[-1]) == (FIRST, LAST) for row in rows)
        seen, inner = set(), tokens[text][1:-1].tolist()
        for before, row, weight in zip([None, *rows], rows, windows.weights[mine], strict=False):
            new = set(row[1:-1]) - seen
            assert weight == pytest.approx(len(new) / length if length else 1)
            assert before is None or len(row) - 2 - len(new) >= overlap
            seen |= new
        assert seen == set(inner)
        assert windows.weights[mine].sum() == pytest.approx(1)
        if length + 2 <= max_length:
            assert rows == [tokens[text].tolist()]
    assert windows.num_divided == sum(length + 2 > max_length for length in lengths)


def test_the_mean_counts_a_short_rest_as_little_as_it_is():
    windows = cut_into_windows(rows_of([10, 2]), max_length=10, overlap=4)
    np.testing.assert_allclose(windows.weights, [0.8, 0.2, 1])
    values = np.array([[1.0, 0], [0, 1], [0.5, 0.5]])
    np.testing.assert_allclose(windows.mean(values), [[0.8, 0.2], [0.5, 0.5]])


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_special_tokens_are_those_of_the_tokenizer(checkpoint, model_type):
    import mlx_finbert

    _, tokenizer = mlx_finbert.load(checkpoint(model_type))
    assert tokenizer.num_special_tokens_to_add() == 2
    tokens = tokenize(tokenizer, ["profit rose " * 30], 10_000)
    windows = cut_into_windows(tokens, 16, 4)
    first, last = tokens[0][0], tokens[0][-1]
    assert all(windows.tokens[i][0] == first for i in range(len(windows.tokens)))
    assert all(windows.tokens[i][-1] == last for i in range(len(windows.tokens)))
    assert {tokenizer.cls_token_id, tokenizer.sep_token_id} == {first, last}
