"""Signs in trained rows that a vocabulary lacks lines, on a made-up vocabulary."""

import numpy as np
import pytest

from mlx_finbert.checkpoints.vocabulary_fit import (
    are_padding,
    is_padded_size,
    is_trained,
    misfit_of,
    similar_words,
)

SIZE = 4000


@pytest.fixture(scope="module")
def trained():
    """Words and their plurals, scattered, with rows of different lengths that lie close by twos."""
    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = sorted({"".join(random.choice(letters, 7)) for _ in range(SIZE)})
    meanings = {word: random.normal(0, 0.05, 48) * random.uniform(0.5, 2) for word in words}
    tokens = [*words, *(f"{word}s" for word in words)]
    random.shuffle(tokens)
    rows = [meanings[token[:7]] + random.normal(0, 0.04, 48) for token in tokens]
    return tokens, np.array(rows, np.float32)


def lookup(rows):
    return lambda ids: rows[ids]


def test_words_of_which_one_begins_the_other():
    tokens = [
        "profits",
        "##profit",
        "profit",
        "unit",
        "units",
        "[unused1]",
        "[unused10]",
    ]
    tokens += ["Ġprofit", "Ġprofits", "margin", "marginal", "marginally"]
    assert similar_words(tokens).tolist() == [[0, 2], [7, 8], [9, 10], [10, 11]]
    assert similar_words(["a"]).shape == (0, 2)


def test_a_whole_vocabulary_fits(trained):
    tokens, rows = trained
    assert misfit_of(tokens, len(rows), lookup(rows)) is None


@pytest.mark.parametrize("lacking", [1, 3, 500])
@pytest.mark.parametrize("start", [0, 2500, 5000])
def test_missing_lines_are_found(trained, lacking, start):
    tokens, rows = trained
    kept = tokens[:start] + tokens[start + lacking :]
    found = misfit_of(kept, len(rows), lookup(rows))
    assert found.shift == lacking
    # Within a block of pairs of the first token that is wrong.
    assert -400 < kept.index(found.word) - start < 400


def test_lines_missing_here_and_there_are_found(trained):
    tokens, rows = trained
    kept = [token for i, token in enumerate(tokens) if i % 20 != 3]
    assert misfit_of(kept, len(rows), lookup(rows)).shift is None


def test_rows_that_were_only_drawn_show_nothing(trained):
    tokens, _ = trained
    rows = np.random.default_rng(1).normal(0, 0.02, (SIZE * 2, 48)).astype(np.float32)
    assert misfit_of(tokens[1:], len(rows), lookup(rows)) is None
    assert not is_trained(len(tokens), lookup(rows))


def test_a_sorted_vocabulary_that_was_only_drawn_shows_nothing(trained):
    """There a word and its plural are neighbors: a row is not to be compared with itself."""
    tokens, _ = trained
    rows = np.random.default_rng(1).normal(0, 0.02, (SIZE * 2, 48)).astype(np.float32)
    assert misfit_of(sorted(tokens), len(rows), lookup(rows)) is None


def test_padding(trained):
    tokens, rows = trained
    assert is_trained(len(tokens), lookup(rows))
    drawn = np.random.default_rng(2).normal(0, 0.01, (40, 48))
    alike = np.random.default_rng(3).normal(0, 0.02, (40, 48)) + np.linspace(-0.2, 0.2, 48)
    for padding in (drawn, alike, np.zeros((1, 48)), np.repeat(rows.mean(0)[None], 6, axis=0)):
        padded = np.concatenate([rows, padding]).astype(np.float32)
        assert are_padding(len(rows), len(padded), lookup(padded))
    for lacking in (8, 100, 3000):
        assert not are_padding(len(rows) - lacking, len(rows), lookup(rows))


def test_sizes_that_are_padded():
    assert is_padded_size(30522, 30528) and is_padded_size(30522, 30592)
    assert not is_padded_size(30521, 30522) and not is_padded_size(31102, 32102)
    assert not is_padded_size(18313, 30522)
