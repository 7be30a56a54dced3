from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlx_finbert
from mlx_finbert.data import load_texts
from mlx_finbert.data.grouping import Grouping, Way
from mlx_finbert.data.loader import Loader, padded_length
from mlx_finbert.data.tokens import Tokens, tokenize, tokenize_in
from mlx_finbert.prefetch import background

PAD = 99


def tokens_of(lengths):
    ids = [np.arange(n, dtype=np.int32) for n in lengths]
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return Tokens(np.concatenate(ids), offsets, np.zeros(len(offsets) - 1, bool))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=90),
    batch_size=st.integers(1, 17),
    seed=st.none() | st.integers(0, 9),
    epoch=st.integers(0, 3),
    way=st.sampled_from([way for way in get_args(Way) if way not in ("packed", "parts")]),
)
def test_every_example_once_whole_and_padded(lengths, batch_size, seed, epoch, way):
    labels = np.arange(len(lengths), dtype=np.int32)
    grouping = Grouping(way, window=2, epochs=3)
    more = {"max_length": 200, "seed": seed, "grouping": grouping}
    loader = Loader(tokens_of(lengths), labels, batch_size, PAD, **more)
    batches = list(loader.epoch(epoch))
    assert len(batches) == len(loader)
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(len(lengths)))
    for batch in batches:
        count, length = len(batch.rows), batch.input_ids.shape[1]
        assert batch.input_ids.shape == batch.attention_mask.shape == (batch_size, length)
        assert batch.weights.tolist() == [1.0] * count + [0.0] * (batch_size - count)
        assert batch.label_ids[:count].tolist() == batch.rows.tolist()
        for i in range(batch_size):
            n = lengths[batch.rows[i]] if i < count else 0
            assert batch.attention_mask[i].tolist() == [1] * n + [0] * (length - n)
            assert batch.input_ids[i].tolist() == [*range(n), *[PAD] * (length - n)]
        assert {a.dtype for a in (batch.input_ids, batch.attention_mask, batch.label_ids)} == {
            np.dtype(np.int32)
        }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=90),
    batch_size=st.integers(1, 17),
    chosen=st.booleans(),
)
def test_packed_rows_hold_every_example_once_and_whole(lengths, batch_size, chosen):
    labels = np.arange(len(lengths), dtype=np.int32)
    more = {"max_length": 200, "seed": 3, "grouping": Grouping("packed")}
    loader = Loader(tokens_of(lengths), labels, batch_size, PAD, **more)
    if chosen:
        loader.choose_lengths()
    found = []
    for update in loader.updates(1):
        (batch,) = update.batches
        rows, length = batch.input_ids.shape
        assert 2 <= rows <= batch_size or rows == 1 == batch_size
        assert batch.attention_mask.shape == (rows, length)
        weights = batch.weights.reshape(rows, loader.examples)
        there = iter(batch.rows)
        for i, j in np.ndindex(weights.shape):
            place = batch.attention_mask[i] == j + 1
            example = next(there) if weights[i, j] else None
            n = 0 if example is None else lengths[example]
            assert batch.input_ids[i][place].tolist() == list(range(n))
            # The tokens are contiguous, in the order of the examples.
            assert not n or np.ptp(np.flatnonzero(place)) == n - 1
            assert batch.label_ids[i * loader.examples + j] == (0 if example is None else example)
        assert (batch.input_ids[batch.attention_mask == 0] == PAD).all()
        assert sorted(batch.rows) == sorted(update.rows)
        assert batch.num_tokens == sum(lengths[row] for row in update.rows)
        found += batch.rows.tolist()
    assert sorted(found) == list(range(len(lengths)))


def test_parts_hold_the_rows_of_the_batch_from_short_to_long():
    lengths = np.random.default_rng(0).integers(1, 60, 75)
    whole, parts = (
        list(Loader(tokens_of(lengths), None, 8, PAD, 60, 1, grouping=grouping).updates(2))
        for grouping in (Grouping("no"), Grouping("parts", number_of_parts=4))
    )
    assert [update.rows.tolist() for update in whole] == [update.rows.tolist() for update in parts]
    for update in parts:
        assert [batch.input_ids.shape[0] for batch in update.batches] == [2] * -(
            -len(update.rows) // 2
        )
        rows = np.concatenate([batch.rows for batch in update.batches])
        assert sorted(rows) == sorted(update.rows) and (np.diff(lengths[rows]) >= 0).all()


def test_a_sample_has_the_batches_of_an_epoch_in_a_fixed_random_order():
    lengths = [1 + (7 * i) % 50 for i in range(83)]
    loader = Loader(tokens_of(lengths), np.arange(83, dtype=np.int32), 4, PAD, max_length=50)
    epoch, sampled = (
        [(b.rows.tolist(), b.input_ids.tolist()) for b in batches]
        for batches in (loader.epoch(), loader.sampled())
    )
    assert sampled != epoch and sorted(sampled) == sorted(epoch)
    assert sampled == [(b.rows.tolist(), b.input_ids.tolist()) for b in loader.sampled()]
    assert sampled != [(b.rows.tolist(), b.input_ids.tolist()) for b in loader.sampled(seed=1)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=70),
    share=st.integers(1, 4),
    ranks=st.integers(1, 3),
    accumulation=st.integers(1, 3),
    way=st.sampled_from(get_args(Way)),
)
def test_processes_share_every_update(lengths, share, ranks, accumulation, way):
    """Every row occurs once, and all processes have as many batches of the same shapes."""
    size = share * ranks
    labels = np.arange(len(lengths), dtype=np.int32)

    def updates(rank, of, accumulation=accumulation, size=size):
        more = {"seed": 5, "accumulation": accumulation, "rank": rank, "ranks": of}
        more |= {"grouping": Grouping(way, number_of_parts=2, window=2)}
        loader = Loader(tokens_of(lengths), labels, size, PAD, 60, **more)
        found = list(loader.updates(2))
        assert len(found) == len(loader)
        return found

    alone = updates(0, 1)
    shared = [updates(rank, ranks) for rank in range(ranks)]
    seen = [b.rows for one in shared for update in one for b in update.batches]
    assert sorted(np.concatenate(seen)) == list(range(len(lengths)))
    for whole, *parts in zip(alone, *shared, strict=True):
        assert all(part.rows.tolist() == whole.rows.tolist() for part in parts)
        assert whole.label_ids.tolist() == whole.rows.tolist()
        shapes = [[b.input_ids.shape for b in part.batches] for part in parts]
        assert all(shape == shapes[0] for shape in shapes)
        tokens = sum(b.num_tokens for part in parts for b in part.batches)
        assert tokens == sum(lengths[row] for row in whole.rows)
    # One large batch has the same rows as the accumulated batches.
    large = updates(0, 1, accumulation=1, size=size * accumulation)
    assert [u.rows.tolist() for u in large] == [u.rows.tolist() for u in alone]


def test_an_epoch_is_taken_up_in_its_midst():
    loader = Loader(tokens_of(range(1, 40)), None, 4, PAD, 60, seed=1)
    rows = [update.rows.tolist() for update in loader.updates(3)]
    assert [update.rows.tolist() for update in loader.updates(3, start=4)] == rows[4:]


def test_lengths_come_from_a_small_set():
    lengths = range(1, 513)
    assert len({padded_length(n, 8) for n in lengths}) == 25
    for multiple in (2, 8):
        padded = [padded_length(n, multiple) for n in lengths]
        assert all(p >= n and p % multiple == 0 for n, p in zip(lengths, padded, strict=True))
    loader = Loader(tokens_of([100, 90]), None, 2, PAD, max_length=100)
    assert next(loader.epoch()).input_ids.shape == (2, 100)


def test_epochs_differ_and_seeds_decide():
    tokens = tokens_of(np.random.default_rng(0).integers(1, 60, 300))

    def rows(seed, epoch):
        loader = Loader(tokens, None, 8, PAD, 64, seed)
        return [batch.rows.tolist() for batch in loader.epoch(epoch)]

    assert rows(1, 0) == rows(1, 0)
    assert rows(1, 0) != rows(1, 1)
    assert rows(1, 0) != rows(2, 0)
    assert rows(None, 0) == rows(None, 1)


def test_training_batches_are_not_in_order_of_length():
    tokens = tokens_of(np.random.default_rng(0).integers(1, 60, 3000))
    loader = Loader(tokens, None, 8, PAD, 64, seed=0)
    lengths = [batch.input_ids.shape[1] for batch in loader.epoch()]
    assert abs(np.corrcoef(lengths, range(len(lengths)))[0, 1]) < 0.2


@pytest.mark.parametrize("way", get_args(Way))
def test_waste_is_what_the_batches_hold(way):
    tokens = tokens_of(np.random.default_rng(0).integers(1, 60, 100))
    loader = Loader(tokens, None, 16, PAD, 64, seed=0, grouping=Grouping(way, epochs=3))
    loader.choose_lengths()
    batches = [batch for epoch in range(3) for batch in loader.epoch(epoch)]
    held = sum(b.num_tokens for b in batches) / sum(b.input_ids.size for b in batches)
    assert loader.padding_waste() == pytest.approx(1 - held)
    # Lengths are chosen for the last epoch too.
    random = Loader(tokens, None, 16, PAD, 64, seed=0, grouping=Grouping("no"))
    if way == "at-first":
        lengths = {batch.input_ids.shape[1] for batch in loader.epoch(2)}
        assert lengths == {batch.input_ids.shape[1] for batch in random.epoch(2)}


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_truncation_is_that_of_transformers(checkpoint, family):
    _, tokenizer = mlx_finbert.load(checkpoint(family))
    texts = ["", "profit", "profit rose by 12 percent , said the company", "x" * 60]
    for length in (3, 5, 8, 40):
        tokens = tokenize(tokenizer, texts, length)
        expected = tokenizer(texts, truncation=True, max_length=length)["input_ids"]
        assert [tokens[i].tolist() for i in range(4)] == expected
        full = tokenizer(texts, verbose=False)["input_ids"]
        assert tokens.truncated == sum(len(row) > length for row in full)


def test_chunks_and_another_thread_give_the_same_tokens(tiny, monkeypatch):
    _, tokenizer = tiny
    texts = [" ".join(["profit"] * (1 + i % 5)) for i in range(7)]
    whole = tokenize(tokenizer, texts, 5)
    monkeypatch.setattr("mlx_finbert.data.tokens.CHUNK", 2)
    with background() as thread:
        later = tokenize_in(thread, tokenizer, texts, 5)()
    for tokens in (later, tokenize(tokenizer, texts, 5)):
        np.testing.assert_array_equal(tokens.ids, whole.ids)
        np.testing.assert_array_equal(tokens.offsets, whole.offsets)
        assert tokens.truncated == whole.truncated == 2
    assert len(tokenize(tokenizer, [], 5)) == 0


@pytest.mark.parametrize(
    ("way", "most"), [("packed", 0.08), ("windows", 0.17), ("parts", 0.28), ("no", 0.57)]
)
def test_waste_and_shapes_on_real_sentences(real_data, minilm, way, most):
    _, tokenizer = mlx_finbert.load(minilm)
    data = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:50agree")
    tokens = tokenize(tokenizer, data.texts, 512)
    loader = Loader(tokens, data.label_ids, 32, 0, 512, seed=0, grouping=Grouping(way))
    loader.choose_lengths()
    assert most - 0.06 < loader.padding_waste() < most
    assert len({batch.input_ids.shape for epoch in range(5) for batch in loader.epoch(epoch)}) <= 17


@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("seed", [None, 0])
def test_a_huge_batch_size_is_the_size_of_the_data(way, seed):
    lengths = np.random.default_rng(1).integers(3, 60, 100)
    more = {"max_length": 60, "seed": seed, "grouping": Grouping(way), "ranks": 3}
    huge, enough = (
        list(Loader(tokens_of(lengths), None, size, PAD, **more).epoch())
        for size in (3 * 10**9, 129)
    )
    for one, other in zip(huge, enough, strict=True):
        assert one.input_ids.shape[0] <= 129
        assert np.array_equal(one.input_ids, other.input_ids)
        assert np.array_equal(one.rows, other.rows)


def test_long_rows_are_scored_in_smaller_batches():
    lengths = [10] * 500 + [512] * 12
    batches = list(Loader(tokens_of(lengths), None, 512, PAD, max_length=512).epoch())
    assert {batch.input_ids.shape[0] for batch in batches} == {128}
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(512))
