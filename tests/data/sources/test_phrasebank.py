from collections import Counter

import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts, load_texts, make_splits
from mlx_finbert.data.sources.phrasebank import agreement_bands, train_test_split, with_araci_split
from mlx_finbert.errors import InputError

LABELS = ["negative", "neutral", "positive"]


@pytest.fixture
def archive(real_data):
    return real_data / "FinancialPhraseBank-v1.0.zip"


@pytest.mark.parametrize(("rows", "fraction"), [(4846, 0.2), (3876, 0.1), (17, 0.3), (5, 0.5)])
def test_against_scikit_learn(rows, fraction):
    reference = pytest.importorskip("sklearn.model_selection", reason="needs scikit-learn")
    numbers = np.arange(rows) + 7
    expected = reference.train_test_split(numbers, test_size=fraction, random_state=0)
    for found, part in zip(train_test_split(numbers, fraction), expected, strict=True):
        np.testing.assert_array_equal(found, part)


def test_the_published_counts(archive):
    splits = make_splits(load_texts(f"{archive}:araci"))
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [3488, 388, 970]
    assert np.bincount(splits.test.label_ids).tolist() == [128, 575, 267]
    known = set(splits.train.texts)
    assert sum(text in known for text in splits.test.texts) == 5
    assert any("5 of them in several of the source's own splits" in note for note in splits.notes)


def test_the_parts_are_those_of_scikit_learn(archive):
    reference = pytest.importorskip("sklearn.model_selection", reason="needs scikit-learn")
    texts = load_texts(f"{archive}:50agree").texts
    rest, test = reference.train_test_split(texts, test_size=0.2, random_state=0)
    train, validation = reference.train_test_split(rest, test_size=0.1, random_state=0)
    splits = make_splits(load_texts(f"{archive}:araci"))
    assert sorted(splits.train.texts) == sorted(train)
    assert sorted(splits.validation.texts) == sorted(validation)
    assert sorted(splits.test.texts) == sorted(test)


def test_other_data_is_refused(archive):
    with pytest.raises(InputError, match="has 2,264 rows, but Araci's split needs the 4,846"):
        with_araci_split(load_texts(f"{archive}:allagree"))


def test_another_order_is_refused():
    texts = [f"Text {i}" for i in range(4846)]
    data = LabelledTexts(texts, np.repeat([0, 1, 2], [604, 2879, 1363]), LABELS, "sorted")
    with pytest.raises(InputError, match="sorted has its 4,846 rows in a different order"):
        with_araci_split(data)


def test_bands_are_the_differences_of_the_files(archive):
    data = load_texts(f"{archive}:50agree")
    counts = Counter(agreement_bands(archive, data).tolist())
    assert counts == {"100%": 2264, "75-99%": 1189, "66-74%": 764, "50-65%": 629}
    test = make_splits(load_texts(f"{archive}:araci")).test
    of_test = Counter(agreement_bands(archive, test).tolist())
    assert (of_test["100%"], of_test.total()) == (433, 970)
    assert set(agreement_bands(archive, load_texts(str(archive)))) == {"100%"}


def write_levels(folder, **files):
    for level, lines in files.items():
        (folder / f"Sentences_{level}.txt").write_text("\n".join(lines), encoding="latin-1")
    return folder


def test_bands_of_a_folder(tmp_path):
    one, two, three = "Up .@positive", "Flat .@neutral", "Down .@negative"
    folder = write_levels(
        tmp_path,
        AllAgree=[one, two],
        **{"75Agree": [one, two, three], "66Agree": [one, one, two, three]},
    )
    with pytest.raises(InputError, match="no Sentences_50Agree"):
        agreement_bands(folder, load_texts(f"{folder}:66agree"))
    write_levels(folder, **{"50Agree": [one, one, two, three]})
    file = folder / "Sentences_50Agree.txt"
    data = load_texts(str(file))
    expected = ["100%", "66-74%", "100%", "75-99%"]
    assert agreement_bands(folder, data).tolist() == expected
    assert agreement_bands(file, data).tolist() == expected
    data.texts[2] = "Sideways ."
    with pytest.raises(InputError, match="no sentence 'Sideways \\.' labelled neutral"):
        agreement_bands(folder, data)
