"""Masked batches: every row once, and masks that depend on seed, epoch and row alone."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data.masked_loader import MaskedLoader
from mlx_finbert.data.masking import Masking

PAD, FIRST, LAST, MASK, SIZE = 0, 1, 2, 3, 40
LENGTHS = [5, 30, 12, 17, 3, 30, 24, 9, 16, 28, 11]


@dataclass
class InMemory:
    """Rows of the given lengths, whose second token is their number."""

    row_lengths: list[int]

    @property
    def lengths(self):
        return np.array(self.row_lengths)

    @property
    def starts(self):
        return [np.arange(n) % 2 == 1 for n in self.row_lengths]

    def __len__(self):
        return len(self.row_lengths)

    def __getitem__(self, row):
        ids = np.random.default_rng(row).integers(MASK + 1, SIZE, self.row_lengths[row])
        ids[0], ids[-1] = FIRST, LAST
        return ids.astype(np.int32)


def loader_of(lengths=LENGTHS, batch_size=4, seed=0, whole_words=False, **more):
    masking = Masking(MASK, PAD, np.arange(SIZE) <= MASK, 0.3, whole_words)
    return MaskedLoader(InMemory(lengths), batch_size, seed, masking, **more)


def masks_of(batches):
    """By row: its input without padding, its positions and its labels."""
    found = {}
    for batch in batches:
        places = batch.positions.shape
        label_ids, weights = batch.label_ids.reshape(places), batch.weights.reshape(places)
        for i, row in enumerate(batch.rows):
            used = weights[i] > 0
            found[int(row)] = (
                batch.input_ids[i][batch.attention_mask[i] > 0].tolist(),
                batch.positions[i][used].tolist(),
                label_ids[i][used].tolist(),
            )
    return found


def masks_of_updates(loader, epoch=0, start=0):
    return masks_of(b for update in loader.updates(epoch, start) for b in update.batches)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(3, 60), min_size=1, max_size=30),
    batch_size=st.integers(1, 9),
    accumulation=st.integers(1, 3),
    seed=st.none() | st.integers(0, 9),
    epoch=st.integers(0, 2),
)
def test_every_row_once_whole_and_padded(lengths, batch_size, accumulation, seed, epoch):
    loader = loader_of(lengths, batch_size, seed, accumulation=accumulation)
    updates = list(loader.updates(epoch))
    assert len(updates) == len(loader)
    assert sorted(np.concatenate([u.rows for u in updates])) == list(range(len(lengths)))
    rows = InMemory(lengths)
    for update in updates:
        assert np.array_equal(update.numbers, update.rows + 1)
        assert np.array_equal(update.rows, np.concatenate([b.rows for b in update.batches]))
        assert len(update.label_ids) == sum(b.weights.sum() for b in update.batches)
        for batch in update.batches:
            height, width = batch.input_ids.shape
            assert height == batch_size and width <= max(lengths)
            assert batch.attention_mask.sum(axis=1).tolist() == [
                *(lengths[row] for row in batch.rows), *[0] * (height - len(batch.rows)),
            ]  # fmt: skip
            assert (batch.input_ids[batch.attention_mask == 0] == PAD).all()
            assert batch.positions.shape == (height, loader.masking.places(width))
            assert batch.label_ids.shape == batch.weights.shape == (batch.positions.size,)
            kinds = {batch.input_ids.dtype, batch.attention_mask.dtype, batch.positions.dtype}
            assert kinds == {np.dtype(np.int32)} == {batch.label_ids.dtype}
        for row, (ids, positions, label_ids) in masks_of(update.batches).items():
            ids = np.array(ids)
            ids[positions] = label_ids
            assert np.array_equal(ids, rows[row])


def test_masks_depend_on_seed_epoch_and_row_alone():
    expected = masks_of_updates(loader_of(batch_size=4), epoch=2)
    assert len(expected) == len(LENGTHS)
    assert masks_of_updates(loader_of(batch_size=3), epoch=2) == expected
    assert masks_of_updates(loader_of(batch_size=2, accumulation=2), epoch=2) == expected
    assert masks_of(loader_of().epoch(2)) == expected
    shares = [masks_of_updates(loader_of(rank=i, ranks=2), epoch=2) for i in range(2)]
    assert not shares[0].keys() & shares[1].keys()
    assert shares[0] | shares[1] == expected
    resumed = masks_of_updates(loader_of(), epoch=2, start=1)
    assert resumed == {row: expected[row] for row in resumed} and 4 < len(resumed) < 11
    for other in (masks_of_updates(loader_of(), epoch=1), masks_of_updates(loader_of(seed=1), 2)):
        assert all(other[row][0] != expected[row][0] for row in expected if LENGTHS[row] > 20)


def test_accumulated_batches_hold_the_rows_and_labels_of_a_large_one():
    large, small = loader_of(batch_size=8), loader_of(batch_size=2, accumulation=4)
    for one, other in zip(large.updates(1), small.updates(1), strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert sorted(one.label_ids) == sorted(other.label_ids)


def test_processes_have_equal_shapes_and_know_all_labels():
    whole = list(loader_of().updates(0))
    parts = [list(loader_of(rank=i, ranks=2).updates(0)) for i in range(2)]
    for update, *shares in zip(whole, *parts, strict=True):
        for share in shares:
            assert np.array_equal(share.label_ids, update.label_ids)
            assert np.array_equal(share.rows, update.rows)
        shapes = [[b.input_ids.shape for b in share.batches] for share in shares]
        assert shapes[0] == shapes[1] and all(height == 2 for height, _ in shapes[0])


def test_held_out_rows_have_the_same_masks_always():
    expected = masks_of(loader_of(seed=None).epoch())
    assert len(expected) == len(LENGTHS)
    assert masks_of(loader_of(seed=None).epoch(3)) == expected
    assert masks_of(loader_of(seed=None, batch_size=3).epoch()) == expected
    lengths = [LENGTHS[row] for batch in loader_of(seed=None).epoch() for row in batch.rows]
    assert lengths == sorted(LENGTHS)


def test_rows_of_one_length_have_one_shape_and_no_padding():
    loader = loader_of([23] * 12)
    shapes = {(b.input_ids.shape, b.positions.shape) for b in loader.epoch()}
    assert shapes == {((4, 23), (4, 6))} and loader.padding_waste() == 0
    orders = [np.concatenate(loader.plan(epoch)).tolist() for epoch in range(2)]
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])


def test_padding_of_rows_of_several_lengths():
    loader = loader_of(LENGTHS * 20)
    batches = list(loader.epoch())
    used = sum(b.num_tokens for b in batches) / sum(b.input_ids.size for b in batches)
    assert loader.padding_waste() == pytest.approx(1 - used) and 0 < loader.padding_waste() < 0.2


def are_whole(masks):
    """Whether words are masked whole: the tokens 1 and 2, 3 and 4, and so on."""
    return all(
        (i + 1 in positions or i + 1 == LENGTHS[row] - 1) if i % 2 else i - 1 in positions
        for row, (_, positions, _) in masks.items()
        for i in positions
    )


def test_whole_words_read_the_starts_of_the_rows():
    masks = masks_of(loader_of(whole_words=True).epoch())
    assert are_whole(masks) and sum(len(positions) for _, positions, _ in masks.values()) > 30
    assert not are_whole(masks_of(loader_of().epoch()))
