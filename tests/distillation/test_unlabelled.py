"""Texts without labels: how files are read, and which texts are left out."""

import json

import numpy as np
import pytest

from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.subset import usable
from mlx_finbert.distillation.unlabelled import read_unlabelled, with_unlabelled
from mlx_finbert.errors import InputError


@pytest.fixture
def drawn():
    """The splits of 60 rows."""
    texts = [f"sales rose by {i} percent" for i in range(60)]
    labels = np.arange(60, dtype=np.int32) % 2
    return make_splits(LabelledTexts(texts, labels, ["down", "up"], "news"))


def used(drawn, **limits):
    limits = {"max_train_rows": None, "max_eval_rows": None} | limits
    return usable(drawn, None, False, seed=0, **limits)


def test_files_of_several_kinds(tmp_path):
    lines, table, more = tmp_path / "a.txt", tmp_path / "b.csv", tmp_path / "c.jsonl"
    lines.write_text("one, and more\n\ntwo\n")
    table.write_text("id;body\n1;three\n2;\n")
    more.write_text(json.dumps({"body": None}) + "\n" + json.dumps({"body": "four"}) + "\n")
    files = [str(lines), str(table), str(more)]
    expected = ["one, and more", "", "two", "three", "", "", "four"]
    assert read_unlabelled(files, Columns(text="body"), None) == expected
    assert read_unlabelled(files[1:], Columns(), "body") == expected[3:]


def test_rows_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"text": 2}\n{"text": "th\n{"other": "x"}\n')
    with pytest.raises(InputError, match=r"line 2 \(row 2\), column 'text': 2 is not a text"):
        read_unlabelled([str(path)], Columns(), None)
    assert read_unlabelled([str(path)], Columns(drop_bad_rows=True), None) == ["one"]
    with pytest.raises(InputError, match="choose one with `unlabelled_column`"):
        read_unlabelled([str(path)], Columns(), "body")
    gone = tmp_path / "gone.csv"
    with pytest.raises(InputError, match=r"`unlabelled=.*gone\.csv`: there is no such file"):
        read_unlabelled([str(gone)], Columns(), None)
    recorded = "texts in memory (sha256 0123456789ab)"
    with pytest.raises(InputError, match=r"`unlabelled=texts in memory .*: a Python program gave"):
        read_unlabelled([recorded], Columns(), None)


def test_held_out_rows_count_even_if_the_run_does_not_use_them(drawn):
    rows = used(drawn, max_eval_rows=2, max_train_rows=10)
    assert len(rows.validation) == len(rows.test) == 2
    texts = [*drawn.train.texts, *drawn.validation.texts, *drawn.test.texts]
    found = with_unlabelled(rows, drawn, texts)
    assert {*found.unlabelled} == {*drawn.train.texts} - {*rows.train.texts}
    held_out = len(drawn.validation) + len(drawn.test)
    assert (
        f"left out: {held_out} of validation or test rows, 10 of training rows" in (found.notes[-1])
    )


def test_alike_texts_count_once(drawn):
    test = drawn.test.texts[0]
    texts = ["Orders  fell", "orders FELL", test.upper(), " ", "orders rose"]
    found = with_unlabelled(used(drawn), drawn, texts)
    assert found.unlabelled == ["Orders  fell", "orders rose"]
    assert found.notes[-1] == (
        "unlabelled: 2 of 5 texts are used; left out: 1 without a text,"
        " 1 of validation or test rows, 1 repeated"
    )
    assert found.seen.holds(["ORDERS ROSE", "orders fell", "orders"]).tolist() == [
        True,
        True,
        False,
    ]
    assert found.seen.difference(used(drawn).seen) == "2 unlabelled texts are gone"


def test_learned_rows_are_the_labelled_ones_then_the_others(drawn):
    rows = used(drawn)
    assert rows.learned is rows.train
    found = with_unlabelled(rows, drawn, ["orders rose", "orders fell"]).learned
    count = len(rows.train)
    assert found.texts == [*rows.train.texts, "orders rose", "orders fell"]
    assert found.label_ids.tolist() == [*rows.train.label_ids, -1, -1]
    assert found.label_ids.dtype == np.int32
    last = rows.train.numbers.max()
    assert found.numbers.tolist() == [*rows.train.numbers, last + 1, last + 2]
    assert len(found) == count + 2


def test_nothing_left_is_refused(drawn):
    with pytest.raises(InputError, match="`unlabelled` has no text that is left to learn from"):
        with_unlabelled(used(drawn), drawn, drawn.train.texts)
    with pytest.raises(InputError, match="it is empty"):
        with_unlabelled(used(drawn), drawn, [])
