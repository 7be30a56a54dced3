from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data import load_texts
from mlx_finbert.data.near_duplicates import (
    candidate_pairs,
    masked,
    near_duplicates,
    similar,
    word_set,
)
from mlx_finbert.data.text_hashes import fold

WORDS = "profit Profit rose, ROSE by 5 17 % EUR mn ( in 2009 Q3 the net - sales".split(" ")


@st.composite
def texts(draw):
    """Make texts with many near duplicates, by editing a few."""
    word = st.sampled_from(WORDS)
    bases = draw(st.lists(st.lists(word, min_size=1, max_size=12), min_size=1, max_size=3))
    rows = []
    for base in draw(st.lists(st.sampled_from(bases), min_size=1, max_size=12)):
        row = list(base)
        for _ in range(draw(st.integers(0, 3))):
            row[draw(st.integers(0, len(row) - 1))] = draw(word)
        rows.append(" ".join(row[draw(st.integers(0, 1)) :]))
    return rows


def jaccard(a, b):
    return len(a & b) / len(a | b) if a and b else 0


def near(a, b):
    return (
        fold(a) == fold(b)
        or (masked(a) == masked(b) != "")
        or jaccard(word_set(a), word_set(b)) >= 0.8
    )


def by_brute_force(rows):
    """Group by brute force: each row takes the smallest number near it, until nothing changes."""
    numbers, before = list(range(len(rows))), None
    while numbers != before:
        before = list(numbers)
        for i, j in combinations(range(len(rows)), 2):
            if near(rows[i], rows[j]):
                numbers[i] = numbers[j] = min(numbers[i], numbers[j])
    return np.unique(numbers, return_inverse=True)[1]


@settings(max_examples=400, deadline=None)
@given(texts())
def test_groups_are_those_of_brute_force(rows):
    found = near_duplicates(rows)
    np.testing.assert_array_equal(found, by_brute_force(rows))
    assert found.dtype == np.int64


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.frozensets(st.integers(0, 14), min_size=1).map(lambda s: frozenset(map(str, s))))
)
def test_no_similar_pair_is_missed(sets):
    expected = {
        frozenset(pair)
        for pair in combinations(range(len(sets)), 2)
        if jaccard(*(sets[i] for i in pair)) >= 0.8
    }
    candidates = [frozenset(pair) for pair in candidate_pairs(sets)]
    assert len(candidates) == len(set(candidates))
    assert {pair for pair in candidates if similar(*(sets[i] for i in pair))} == expected


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        ("Sales  rose", "sales ROSE", True),
        ("Sales rose 5.1 % in 2008 .", "Sales rose 17.25% in 2009", True),
        ("ＥＢＩＴ １２", "ebit 3", True),
        ("a b c d", "a b c d e", True),
        ("a b c d e f g h i j k l m n o", "a b c d e f g h i j k l m n o p q r s", False),
        ("profit rose in the quarter", "profit fell in the quarter", False),
        ("ranked 1 of two", "ranked of two", False),
        ("!!!", "???", False),
    ],
)
def test_what_is_near(one, other, is_near):
    assert near_duplicates([one, "another text", other]).tolist() == [0, 1, 0 if is_near else 2]


def test_nearness_is_passed_on():
    chain = ["a b c d", "a b c d e", "a b c d e f"]
    assert not near(chain[0], chain[2])
    assert near_duplicates(chain).tolist() == [0, 0, 0]


def test_no_texts():
    assert near_duplicates([]).tolist() == []


@pytest.mark.slow
def test_counts_on_real_phrasebank(real_data):
    """An independent count gave 36 groups with one key, and 3.4% of rows with a similar one."""
    sparse = pytest.importorskip("scipy.sparse", reason="needs scipy, the reference")
    rows = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:50agree").texts
    _, of_key = np.unique([masked(text) for text in rows], return_counts=True)
    assert ((of_key > 1).sum(), of_key[of_key > 1].sum()) == (36, 83)

    sets = [word_set(text) for text in rows]
    found = {frozenset(p) for p in candidate_pairs(sets) if similar(*(sets[i] for i in p))}
    assert round(len(frozenset().union(*found)) / len(rows), 3) == 0.034

    columns = {word: i for i, word in enumerate(frozenset().union(*sets))}
    offsets = np.cumsum([0, *map(len, sets)])
    places = [columns[word] for words in sets for word in words]
    matrix = sparse.csr_array((np.ones(len(places)), places, offsets))
    shared, sizes = sparse.triu(matrix @ matrix.T, 1).tocoo(), np.diff(offsets)
    a, b = shared.coords
    near_enough = shared.data / (sizes[a] + sizes[b] - shared.data) >= 0.8
    assert found == set(map(frozenset, zip(a[near_enough], b[near_enough], strict=True)))


@pytest.mark.slow
def test_real_imdb(real_data):
    """Long texts: 96 rows repeat another row, and few others have a near duplicate."""
    rows = load_texts(str(real_data / "imdb-train.parquet")).texts
    sizes = np.bincount(near_duplicates(rows))
    assert (sizes.sum(), len(sizes)) == (25_000, 24_881)
