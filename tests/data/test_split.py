import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_finbert.data import LabelledTexts, load_texts, make_splits
from mlx_finbert.data.text_hashes import fold
from mlx_finbert.errors import InputError

LABELS = ["negative", "neutral", "positive"]


def texts_of(*parts):
    return [{fold(text) for text in part.texts} for part in parts]


def make(n=1000, seed=0, **more):
    labels = np.random.default_rng(seed).choice(3, n, p=[0.1, 0.6, 0.3]).astype(np.int32)
    return LabelledTexts([f"Text {i}" for i in range(n)], labels, LABELS, "made", **more)


def sides(splits):
    """Return the part of each text by its folded form."""
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {fold(text): name for name, part in parts.items() for text in part.texts}


def test_parts_are_disjoint_complete_and_near_the_fractions():
    data = make(10_000)
    splits = make_splits(data)
    parts = (splits.train, splits.validation, splits.test)
    # Four standard deviations of a binomial draw.
    assert [len(p) for p in parts] == pytest.approx([7200, 800, 2000], abs=180)
    assert sorted(t for p in parts for t in p.texts) == sorted(data.texts)
    whole = np.bincount(data.label_ids) / len(data)
    for part in parts:
        assert np.bincount(part.label_ids) / len(part) == pytest.approx(whole, abs=0.07)
        assert part.texts == sorted(part.texts, key=data.texts.index)


def test_the_side_of_a_text_does_not_depend_on_the_other_rows():
    data = make(400)
    before = sides(make_splits(data))
    order = np.random.default_rng(1).permutation(400)
    relabelled = data.label_ids.copy()
    relabelled[7] = (relabelled[7] + 1) % 3
    edits = {
        "sorted": data.take(order, "sorted"),
        "cut": data.take(np.arange(0, 400, 2), "cut"),
        "relabelled": LabelledTexts(data.texts, relabelled, LABELS, "relabelled"),
        "longer": LabelledTexts(
            ["A first row", *data.texts, "A last one"],
            np.concatenate([[0], data.label_ids, [2]]),
            LABELS,
            "longer",
        ),
    }
    for name, edited in edits.items():
        after = sides(make_splits(edited))
        assert all(before[text] == side for text, side in after.items() if text in before), name


def test_a_larger_fraction_keeps_the_rows_of_a_smaller_one():
    data = make(400)
    small, large = (make_splits(data, 0, fraction) for fraction in (0.1, 0.4))
    assert set(small.test.texts) < set(large.test.texts)
    assert set(large.validation.texts) < set(small.validation.texts)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 9), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_label_with_three_texts_is_in_every_part(seed, rows, test, validation):
    texts = [f"common {i}" for i in range(60)] + [f"rare {i}" for i in range(rows)]
    data = LabelledTexts(texts, np.array([0] * 60 + [1] * rows), ["common", "rare"], "made")
    splits = make_splits(data, seed, test, validation)
    for part in (splits.train, splits.validation, splits.test):
        assert set(part.label_ids) == {0, 1}


def test_a_label_with_fewer_texts_stays_in_training_first():
    texts = [f"common {i}" for i in range(60)] + ["one", "two", "other"]
    data = LabelledTexts(texts, np.array([0] * 60 + [1, 1, 2]), ["a", "pair", "single"], "made")
    splits = make_splits(data, 0, 0.9, 0.9)
    counts = {
        name: np.bincount(splits.part(name).label_ids, minlength=3).tolist()[1:]
        for name in ("train", "validation", "test")
    }
    assert counts == {"train": [1, 1], "validation": [1, 0], "test": [0, 0]}


def test_the_notes_say_by_how_much_the_labels_differ():
    labels = np.array([0] * 50 + [1] * 50)
    data = LabelledTexts([f"Text {i}" for i in range(100)], labels, ["a", "b"], "made")
    splits = make_splits(data)
    shares = {name: np.mean(splits.part(name).label_ids == 1) for name in ("test", "validation")}
    name = max(shares, key=lambda name: abs(shares[name] - 0.5))
    assert abs(shares[name] - 0.5) > 0.01
    (note,) = (note for note in splits.notes if "by chance" in note)
    assert f"{max(shares[name], 1 - shares[name]):.1%} of the {name} rows" in note or (
        f"{min(shares[name], 1 - shares[name]):.1%} of the {name} rows" in note
    )
    assert "50.0% of all" in note


def test_a_label_without_training_rows_is_told():
    data = make(60, splits=["train"] * 40 + ["validation"] * 10 + ["test"] * 10)
    data.label_ids[:40] = data.label_ids[:40] // 2
    data.label_ids[55] = 2
    assert "no training row is labelled positive" in make_splits(data).notes


def test_what_reading_left_out_is_told_first():
    data = make(60)
    data.notes = ["3 rows had no label"]
    assert make_splits(data).notes[0] == "3 rows had no label"


def test_the_seed_decides():
    data = make()
    assert make_splits(data, 1).test.texts == make_splits(data, 1).test.texts
    assert make_splits(data, 1).test.texts != make_splits(data, 2).test.texts


def test_duplicates_stay_on_one_side():
    data = make(300)
    doubled = LabelledTexts(
        data.texts + [f"  {t.upper()} " for t in data.texts],
        np.concatenate([data.label_ids, data.label_ids]),
        LABELS,
        "doubled",
    )
    splits = make_splits(doubled, 3)
    train, validation, test = texts_of(splits.train, splits.validation, splits.test)
    assert not train & test and not train & validation and not validation & test
    assert len(splits.test) % 2 == 0
    assert any("300 texts occur more than once, each in one part" in n for n in splits.notes)


def test_conflicting_labels_are_reported_with_their_rows():
    data = make(20)
    data.texts[7] = data.texts[3].lower()
    data.label_ids[[3, 7]] = [0, 2]
    notes = " ".join(make_splits(data).notes)
    assert "1 texts have conflicting labels (rows 4, 8)" in notes


def test_conflicting_labels_are_told_by_the_rows_of_the_file():
    data = make(20, numbers=np.arange(20) * 2 + 11)
    data.texts[7] = data.texts[3].lower()
    data.label_ids[[3, 7]] = [0, 2]
    assert "(rows 17, 25)" in make_splits(data).notes[-1]
    # The files of a folder repeat row numbers, so the note names the split of each row.
    data.numbers = np.concatenate([np.arange(1, 11), np.arange(1, 6), np.arange(1, 6)])
    data.splits = ["train"] * 10 + ["validation"] * 5 + ["test"] * 5
    data.texts[17] = data.texts[3]
    assert "(rows train 4, train 8, test 3)" in make_splits(data).notes[-1]


def test_own_splits_are_kept_and_shared_texts_told():
    data = make(100, splits=["train"] * 80 + ["test"] * 20)
    data.texts[90] = data.texts[5]
    splits = make_splits(data)
    assert splits.test.texts == data.texts[80:]
    assert 1 <= len(splits.validation) < 40
    assert any("1 texts occur more than once, 1 of them in several" in n for n in splits.notes)


def test_a_source_without_test_rows():
    splits = make_splits(make(50, splits=["train"] * 40 + ["validation"] * 10))
    assert splits.test is None


def test_too_few_rows():
    data = LabelledTexts(["a", "b", "c"], np.array([0, 1, 2]), LABELS, "made")
    with pytest.raises(InputError, match=r"no validation row is left.*`validation_fraction=0.1`"):
        make_splits(data)
    with pytest.raises(InputError, match="made has no training row"):
        make_splits(make(3, splits=["test"] * 3))
    four = LabelledTexts(["a", "b", "c", "d"], np.array([0, 0, 1, 2]), LABELS, "made")
    assert len(make_splits(four).validation) == 1


def test_real_phrasebank_has_no_text_on_two_sides(real_data):
    data = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:50agree")
    splits = make_splits(data, 0)
    train, validation, test = texts_of(splits.train, splits.validation, splits.test)
    assert not train & test and not train & validation and not validation & test
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 4846
