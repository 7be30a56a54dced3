"""Hashes of texts, and the record of the texts that a model has seen."""

import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.text_hashes import SeenTexts, chances, fold, group_alike, text_hash
from mlx_finbert.errors import InputError


@pytest.mark.parametrize(
    "other",
    ["net SALES rose", " net\tsales\u00a0 rose\n", "ｎｅｔ sales rose", "net sales ro\u017fe"],
)
def test_texts_that_fold_alike(other):
    assert fold(other) == "net sales rose"
    assert text_hash(other) == text_hash("net sales rose")
    assert chances([other], "test", 3) == chances(["net sales rose"], "test", 3)


def test_composed_and_decomposed_letters_are_the_same():
    assert text_hash("Pörssi") == text_hash("Po\u0308rssi") != text_hash("Porssi")


def test_hashes_are_the_same_everywhere():
    """Hashes are stored in files, so they must be the same on every machine."""
    assert text_hash("Net sales rose 5 %.") == "2d7e0dba618c3145"


def test_chances_are_uniform_and_independent():
    texts = [f"Text {i}" for i in range(20_000)]
    test, validation = chances(texts, "test", 0), chances(texts, "validation", 0)
    for found in (test, validation, chances(texts, "test", 1)):
        assert found.min() >= 0 and found.max() < 1
        assert np.histogram(found, 10, (0, 1))[0] == pytest.approx([2000] * 10, abs=200)
    assert abs(np.corrcoef(test, validation)[0, 1]) < 0.03
    assert abs(np.corrcoef(test, chances(texts, "test", 1))[0, 1]) < 0.03


def test_groups():
    assert group_alike(["a", "b", "A ", "c", "B"]).tolist() == [0, 1, 0, 2, 1]


LABELS = ["down\tor out", "up"]


def rows(*texts, labels=None):
    labels = np.zeros(len(texts), int) if labels is None else np.array(labels)
    return LabelledTexts(list(texts), labels, LABELS, "made")


def seen():
    return SeenTexts.of(rows("Profit rose", "\ud800 half", labels=[1, 0]), rows("Sales fell"))


def test_texts_that_fold_alike_are_the_same_text():
    found = seen().holds(["profit  ROSE", "sales fell ", "Sales rose", "\ud800 half"])
    assert found.tolist() == [True, True, False, True]


def test_a_file_read_again_is_the_same(tmp_path):
    path = tmp_path / "seen.tsv"
    path.write_bytes(seen().to_bytes())
    assert SeenTexts.read(path) == seen()
    assert b"Profit" not in path.read_bytes()
    assert SeenTexts.read(tmp_path / "missing.tsv") is None


def test_the_order_of_the_rows_does_not_matter():
    other = SeenTexts.of(rows("\ud800 half", "Profit rose", labels=[0, 1]), rows("Sales fell"))
    assert other.to_bytes() == seen().to_bytes()


def test_any_damage_is_one_sentence(tmp_path):
    path = tmp_path / "seen.tsv"
    whole = seen().to_bytes()
    damaged = [whole[:-1], whole[:40], b"", b"\xff\xfe", whole + b"\n"]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"seen\.tsv is damaged") as caught:
            SeenTexts.read(path)
        assert "\n" not in str(caught.value)


def test_a_base_model_hands_on_what_it_has_seen():
    own = SeenTexts.of(rows("Orders rose"), rows("Orders fell"))
    both = own.after(seen())
    assert both.holds(["profit rose", "sales fell", "orders rose", "other"]).tolist() == [
        True, True, True, False,
    ]  # fmt: skip
    assert both.is_complete and own.after(None) == own
    assert not own.after(SeenTexts.not_recorded()).is_complete
    assert not own.after(own.after(SeenTexts.not_recorded())).is_complete


def test_a_difference_is_told_in_numbers():
    then = SeenTexts.of(rows("a", "b", "c", labels=[0, 0, 1]), rows("d"))
    now = SeenTexts.of(rows("a", "b", "e", "f", labels=[0, 1, 0, 0]), rows("d", labels=[1]))
    assert then.difference(now) == (
        "1 training text is gone, 2 training texts are new, 1 training text is relabelled,"
        " 1 validation text is relabelled"
    )
    assert "the same texts and labels" in then.difference(then.after(seen()))
