import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts, load_texts, make_splits
from mlx_finbert.data.split import fold
from mlx_finbert.errors import InputError

LABELS = ["negative", "neutral", "positive"]


def texts_of(*parts):
    return [{fold(text) for text in part.texts} for part in parts]


def make(n=1000, seed=0, **more):
    labels = np.random.default_rng(seed).choice(3, n, p=[0.1, 0.6, 0.3]).astype(np.int32)
    return LabelledTexts([f"Text {i}" for i in range(n)], labels, LABELS, "made", **more)


def test_parts_are_disjoint_stratified_and_complete():
    data = make()
    splits = make_splits(data)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(p) for p in parts] == pytest.approx([720, 80, 200], abs=2)
    assert sorted(t for p in parts for t in p.texts) == sorted(data.texts)
    whole = np.bincount(data.labels) / len(data)
    for part in parts:
        assert np.bincount(part.labels) / len(part) == pytest.approx(whole, abs=0.01)


def test_the_seed_decides():
    data = make()
    assert make_splits(data, 1).test.texts == make_splits(data, 1).test.texts
    assert make_splits(data, 1).test.texts != make_splits(data, 2).test.texts


def test_duplicates_stay_on_one_side():
    data = make(300)
    doubled = LabelledTexts(
        data.texts + [f"  {t.upper()} " for t in data.texts],
        np.concatenate([data.labels, data.labels]),
        LABELS,
        "doubled",
    )
    splits = make_splits(doubled, 3)
    train, validation, test = texts_of(splits.train, splits.validation, splits.test)
    assert not train & test and not train & validation and not validation & test
    assert len(splits.test) == pytest.approx(120, abs=4)
    assert any("300 texts stand more than once" in note for note in splits.notes)


def test_conflicting_labels_are_reported_with_their_rows():
    data = make(20)
    data.texts[7] = data.texts[3].lower()
    data.labels[[3, 7]] = [0, 2]
    notes = " ".join(make_splits(data).notes)
    assert "1 texts have conflicting labels (rows 4, 8)" in notes


def test_conflicting_labels_are_told_by_the_rows_of_the_file():
    data = make(20, numbers=np.arange(20) * 2 + 11)
    data.texts[7] = data.texts[3].lower()
    data.labels[[3, 7]] = [0, 2]
    assert "(rows 17, 25)" in make_splits(data).notes[-1]
    # Of a folder, whose files have rows of the same numbers, the split tells the file.
    data.numbers = np.concatenate([np.arange(1, 11), np.arange(1, 6), np.arange(1, 6)])
    data.splits = ["train"] * 10 + ["validation"] * 5 + ["test"] * 5
    data.texts[17] = data.texts[3]
    assert "(rows train 4, train 8, test 3)" in make_splits(data).notes[-1]


def test_own_splits_are_kept_and_shared_texts_told():
    data = make(100, splits=["train"] * 80 + ["test"] * 20)
    data.texts[90] = data.texts[5]
    splits = make_splits(data)
    assert splits.test.texts == data.texts[80:]
    assert len(splits.validation) == pytest.approx(8, abs=1)
    assert any("two sides of the splits that made brings" in note for note in splits.notes)


def test_a_source_without_test_rows():
    splits = make_splits(make(50, splits=["train"] * 40 + ["validation"] * 10))
    assert splits.test is None
    with pytest.raises(InputError, match="no test rows"):
        splits.part("test")


def test_too_few_rows():
    with pytest.raises(InputError, match="no validation row is left"):
        make_splits(make(3))


def test_real_phrasebank_has_no_text_on_two_sides(real_data):
    data = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:50agree")
    splits = make_splits(data, 0)
    train, validation, test = texts_of(splits.train, splits.validation, splits.test)
    assert not train & test and not train & validation and not validation & test
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 4846
