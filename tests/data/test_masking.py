"""Tokens are drawn and replaced as in BERT's pretraining."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlx_finbert
from mlx_finbert.data.masking import DRAWS, Masking, draws_of
from mlx_finbert.errors import InputError

PAD, UNKNOWN, FIRST, LAST, MASK, SIZE = 0, 1, 2, 3, 4, 60


def masking(probability=0.15, whole_words=False):
    return Masking(MASK, PAD, np.arange(SIZE) <= MASK, probability, whole_words)


def rows_of(lengths, width, seed=0):
    """Rows of ordinary tokens between two special ones, padded: int32 (B, L)."""
    ids = np.random.default_rng(seed).integers(MASK + 1, SIZE, (len(lengths), width))
    ids[:, 0] = FIRST
    for row, length in zip(ids, lengths, strict=True):
        row[length - 1], row[length:] = LAST, PAD
    return ids.astype(np.int32)


def draws(lengths, width, seed=0):
    return draws_of(range(len(lengths)), lengths, width, seed)


def restored(masked):
    """The input with the labels back at their positions."""
    ids = masked.input_ids.copy()
    rows, places = np.nonzero(masked.weights)
    ids[rows, masked.positions[rows, places]] = masked.label_ids[rows, places]
    return ids


lengths_lists = st.lists(st.integers(3, 40), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    lengths=lengths_lists,
    probability=st.sampled_from([0.01, 0.15, 0.4, 0.9]),
    seed=st.integers(0, 99),
)
def test_each_row_has_its_number_of_masked_tokens(lengths, probability, seed):
    ids = rows_of(lengths, max(lengths), seed)
    masked = masking(probability).apply(ids, draws(lengths, max(lengths), seed))
    expected = [max(1, int(probability * (n - 2) + 0.5)) for n in lengths]
    assert masked.weights.sum(axis=1).tolist() == expected
    assert masked.positions.shape == (len(lengths), max(expected))
    np.testing.assert_array_equal(restored(masked), ids)
    for positions, weights in zip(masked.positions, masked.weights, strict=True):
        own = positions[weights > 0]
        assert (np.diff(own) > 0).all() and not positions[weights == 0].any()
    changed = masked.input_ids != ids
    assert not changed[ids <= MASK].any()
    assert not masked.label_ids[masked.weights == 0].any()


def test_special_tokens_within_a_row_are_never_drawn():
    ids = rows_of([40] * 50, 40)
    ids[:, 5:30] = UNKNOWN
    masked = masking(0.5).apply(ids, draws([40] * 50, 40))
    # 13 tokens of each row are not special.
    assert masked.weights.sum(axis=1).tolist() == [7] * 50
    assert masked.positions.shape == (50, 19)
    assert (masked.label_ids[masked.weights > 0] > MASK).all()
    np.testing.assert_array_equal(restored(masked), ids)


def test_a_row_without_ordinary_tokens_is_left_alone():
    ids = np.array([[FIRST, UNKNOWN, LAST, PAD], [FIRST, 7, 8, LAST]], np.int32)
    masked = masking().apply(ids, draws([3, 4], 4))
    assert masked.weights.tolist() == [[0.0], [1.0]]
    assert masked.input_ids[0].tolist() == ids[0].tolist()


def test_eight_of_ten_become_the_mask_token_and_one_a_random_token():
    lengths = [130] * 2000
    ids = rows_of(lengths, 130)
    masked = masking().apply(ids, draws(lengths, 130))
    rows, places = np.nonzero(masked.weights)
    new = masked.input_ids[rows, masked.positions[rows, places]]
    old = masked.label_ids[rows, places]
    assert len(new) == 19 * 2000
    ordinary = SIZE - MASK - 1
    same, other = (new == old).mean(), ((new != old) & (new != MASK)).mean()
    assert (new == MASK).mean() == pytest.approx(0.8, abs=0.01)
    assert same == pytest.approx(0.1 + 0.1 / ordinary, abs=0.01)
    assert other == pytest.approx(0.1 - 0.1 / ordinary, abs=0.01)
    # The random tokens are evenly spread, and none of them is special.
    counts = np.bincount(new[(new != MASK) & (new != old)], minlength=SIZE)
    assert not counts[: MASK + 1].any()
    assert counts[MASK + 1 :].min() > 0.5 * counts[MASK + 1 :].mean()
    # Every place of a row is drawn equally often, but not the special tokens at its ends.
    by_place = np.bincount(masked.positions[rows, places], minlength=130)
    assert by_place[0] == by_place[129] == 0
    assert by_place[1:129].min() > 0.75 * by_place[1:129].mean()


def words_by_hand(ids, starts, order, count):
    """Google's rule for one row, token by token; the positions of the drawn tokens."""
    words = []
    for i, token in enumerate(ids):
        if token <= MASK:
            continue
        if starts[i] or not words or words[-1][-1] != i - 1:
            words.append([])
        words[-1].append(i)
    drawn = []
    for word in sorted(words, key=lambda word: order[word[0]]):
        if len(drawn) + len(word) <= count:
            drawn += word
    return sorted(drawn)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    lengths=lengths_lists,
    probability=st.sampled_from([0.15, 0.4]),
    begin=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    seed=st.integers(0, 99),
)
def test_whole_words_are_drawn_by_googles_rule(lengths, probability, begin, seed):
    width, rng = max(lengths), np.random.default_rng(seed)
    ids = rows_of(lengths, width, seed)
    ids[rng.random(ids.shape) < 0.05] = UNKNOWN
    for row, length in zip(ids, lengths, strict=True):
        row[length:] = PAD
    starts, numbers = rng.random(ids.shape) < begin, draws(lengths, width, seed)
    masked = masking(probability, whole_words=True).apply(ids, numbers, starts)
    for row in range(len(lengths)):
        ordinary = (ids[row] > MASK).sum()
        count = min(max(1, int(probability * ordinary + 0.5)), ordinary, masked.positions.shape[1])
        expected = words_by_hand(ids[row], starts[row], numbers[0, row], count)
        assert masked.positions[row][masked.weights[row] > 0].tolist() == expected
    np.testing.assert_array_equal(restored(masked), ids)


def test_the_draws_of_a_row_depend_on_its_number_alone():
    one = draws_of([5, 8], [3, 6], 6, 7, 0)
    other = draws_of(np.array([8, 1, 5]), np.array([6, 4, 3]), 9, 7, 0)
    np.testing.assert_array_equal(one[:, 0, :3], other[:, 2, :3])
    np.testing.assert_array_equal(one[:, 1], other[:, 0, :6])
    assert not one[:, 0, 3:].any() and one.shape == (DRAWS, 2, 6)
    assert not np.array_equal(one, draws_of([5, 8], [3, 6], 6, 7, 1))
    assert not np.array_equal(one, draws_of([5, 8], [3, 6], 6, 8, 0))


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_tokens_come_from_the_tokenizer(checkpoint, family):
    _, tokenizer = mlx_finbert.load(checkpoint(family))
    tokenizer.add_tokens(["ebitda"])
    found = Masking.of(tokenizer)
    assert (found.mask_token_id, found.pad_token_id) == (
        tokenizer.mask_token_id, tokenizer.pad_token_id,
    )  # fmt: skip
    special = np.flatnonzero(found.is_special).tolist()
    assert special == sorted(tokenizer.all_special_ids) and len(special) == 5
    assert tokenizer.convert_tokens_to_ids("ebitda") in found.ordinary
    assert len(found.ordinary) == len(tokenizer) - 5


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1])
def test_a_probability_out_of_range_is_refused(probability):
    with pytest.raises(InputError, match=r"`mask_probability` is .* between 0 and 1"):
        masking(probability)
