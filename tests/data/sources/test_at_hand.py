"""Texts and labels that a Python program has at hand, in every form."""

import importlib.util

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.at_hand import IN_MEMORY, load_at_hand, name_at_hand
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError

TEXTS = ["sales rose", "sales fell", "no change", "profit rose", "profit fell", "all as before"]
LABELS = ["positive", "negative", "neutral"] * 2
NAMES = ["negative", "neutral", "positive"]
TABLE = {"text": TEXTS, "label": LABELS}


class Series:
    """A column as polars has it: no list, but it can become one."""

    def __init__(self, values):
        self._values = values

    def to_list(self):
        return [*self._values]


class Frame:
    """A data frame as polars has it."""

    def __init__(self, table):
        self._table = table

    @property
    def columns(self):
        return [*self._table]

    def __len__(self):
        return len(next(iter(self._table.values())))

    def __getitem__(self, name):
        return Series(self._table[name])


def class_labels(table, names=NAMES):
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    ids = [names.index(label) for label in table["label"]]
    return datasets.Dataset.from_dict(table | {"label": ids}, datasets.Features(features))


FORMS = {
    "lists": lambda t: (t["text"], t["label"]),
    "tuples": lambda t: (tuple(t["text"]), tuple(t["label"])),
    "arrays": lambda t: (np.array(t["text"]), np.array(t["label"])),
    "arrays of objects": lambda t: (np.array(t["text"], object), [*map(np.str_, t["label"])]),
    "arrow": lambda t: (pa.array(t["text"]), pa.chunked_array([t["label"]])),
    "series": lambda t: (pd.Series(t["text"], index=range(9, 3, -1)), pd.Series(t["label"])),
    "categories": lambda t: (pd.Series(t["text"]), pd.Series(t["label"], dtype="category")),
    "stand-in series": lambda t: (Series(t["text"]), Series(t["label"])),
    "columns of datasets": lambda t: (class_labels(t)["text"], t["label"]),
    "dictionary": dict,
    "frame": pd.DataFrame,
    "frame with an index": lambda t: pd.DataFrame(t, index=list("fedcba")),
    "stand-in frame": Frame,
    "arrow table": pa.table,
    "dataset": datasets.Dataset.from_dict,
    "dataset with class labels": class_labels,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form):
    found = load_at_hand(FORMS[form](TABLE), Columns())
    assert found.texts == TEXTS
    assert all(type(text) is str for text in found.texts)
    assert [found.label_names[i] for i in found.label_ids] == LABELS
    assert found.splits is None
    assert found.numbers.tolist() == [1, 2, 3, 4, 5, 6]
    assert name_at_hand(found) == name_at_hand(load_at_hand((TEXTS, LABELS), Columns()))


@pytest.mark.skipif(not importlib.util.find_spec("polars"), reason="needs polars")
@pytest.mark.parametrize("form", ["series", "frame"])
def test_polars(form):
    import polars as pl

    frame = pl.DataFrame(TABLE)
    data = frame if form == "frame" else (frame["text"], frame["label"])
    found = load_at_hand(data, Columns())
    assert (found.texts, [found.label_names[i] for i in found.label_ids]) == (TEXTS, LABELS)


@pytest.mark.parametrize("kind", [np.int64, float, int, "Int64"])
def test_integers_of_every_kind_get_their_names(kind):
    ids = [2, 0, 1, 2, 0, 1]
    labels = pd.Series(ids, dtype=kind) if kind == "Int64" else np.array(ids, kind)
    found = load_at_hand((TEXTS, labels), Columns(label_names=NAMES))
    assert [found.label_names[i] for i in found.label_ids] == LABELS


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_rows_without_a_label_are_left_out(missing):
    table = pd.DataFrame({"text": TEXTS, "label": pd.Series([*LABELS[:5], missing], dtype=object)})
    found = load_at_hand(table, Columns())
    assert found.texts == TEXTS[:5]
    assert found.notes[0].startswith(f"{IN_MEMORY}: 1 of 6 rows have no label")


def test_columns_by_name_and_the_others_for_the_reports():
    day = pd.Timestamp("2026-11-27")
    frame = pd.DataFrame(
        {"headline": TEXTS, "mood": LABELS, "id": range(6), "day": [day] * 6, "lists": [[1]] * 6}
    )
    found = load_at_hand(frame, Columns("headline", "mood"))
    assert found.others == [{"id": i, "day": day} for i in range(6)]
    # Names that pandas also has as attributes, and integers as names.
    frame = pd.DataFrame({"features": TEXTS, "column_names": LABELS})
    assert load_at_hand(frame, Columns("features", "column_names")).texts == TEXTS
    frame = pd.DataFrame(dict(enumerate(TABLE.values())))
    assert load_at_hand(frame, Columns("0", "1")).texts == TEXTS


SPLITS = ["train", "train", "dev", "train", "train", "test"]


def test_a_column_of_splits():
    found = load_at_hand(pd.DataFrame(TABLE | {"part": SPLITS}), Columns(split="part"))
    assert found.splits == ["train", "train", "validation", "train", "train", "test"]


@pytest.mark.parametrize(
    "make", [pd.DataFrame, class_labels, datasets.Dataset.from_dict, dict, Frame]
)
@pytest.mark.parametrize("whole", [dict, datasets.DatasetDict])
def test_tables_by_split_keep_their_splits(make, whole):
    if whole is datasets.DatasetDict and make not in (class_labels, datasets.Dataset.from_dict):
        pytest.skip("holds data sets alone")
    half = {name: column[:3] for name, column in TABLE.items()}
    rest = {name: column[3:] for name, column in TABLE.items()}
    data = whole({"train": make(half), "test": make(rest), "unsupervised": make(half)})
    found = load_at_hand(data, Columns())
    assert found.splits == ["train"] * 3 + ["test"] * 3
    assert (found.texts, [found.label_names[i] for i in found.label_ids]) == (TEXTS, LABELS)
    assert found.numbers.tolist() == [1, 2, 3] * 2
    assert f"{IN_MEMORY}: the 3 rows of its split unsupervised are left out" in found.notes


def test_the_result_of_load_texts():
    sample = load_texts("sample")
    assert load_at_hand(sample, Columns()) is sample
    with pytest.raises(InputError, match="`text_column` has no effect on `data=texts in memory`"):
        load_at_hand(sample, Columns("headline"))


def test_the_name_depends_on_texts_labels_and_splits():
    frame = pd.DataFrame(TABLE | {"part": SPLITS})
    others = [
        frame,
        frame.iloc[::-1],
        frame.iloc[1:],
        frame.assign(text=[*TEXTS[:5], "as before"]),
        frame.assign(label=[*LABELS[:5], "positive"]),
        frame.assign(part="train"),
    ]
    names = {name_at_hand(load_at_hand(data, Columns(split="part"))) for data in others}
    assert len(names) == len(others)
    assert all(name.startswith(f"{IN_MEMORY} (sha256 ") for name in names)


PAIR = (TEXTS, LABELS)


@pytest.mark.parametrize(
    ("data", "columns", "words"),
    [
        (3, {}, "`data` is a int: give a path or a name, "),
        ([*zip(TEXTS, LABELS, strict=True)], {}, "`data` is a list: give a path or a name"),
        ((TEXTS, LABELS[1:]), {}, "`data` has 6 texts and 5 labels: give one label per text"),
        (("one", LABELS), {}, r"`data\[0\]` is a str: give a list"),
        ((TEXTS, {*LABELS}), {}, r"`data\[1\]` is a set: give a list"),
        ((pd.DataFrame(TABLE), LABELS), {}, r"`data\[0\]` is a DataFrame: give one of its columns"),
        (([], []), {}, "texts in memory has no rows"),
        (([*TEXTS[:5], 3], LABELS), {}, "texts in memory, row 6, column 'text': the text is empty"),
        (
            ([*TEXTS[:5], None], LABELS),
            {},
            "or not a text \\(None\\); correct it, or skip such rows with `drop_bad_rows=True`",
        ),
        (PAIR, {"text": "headline"}, "`text_column` has no effect on `data=texts in memory`"),
        (PAIR, {"split": "part"}, "`split_column` has no effect"),
        (pd.DataFrame(TABLE), {"header": False}, "`header=False` has no effect"),
        (
            pd.DataFrame(TABLE),
            {"text": "headline"},
            "texts in memory lacks one of the columns 'headline' and 'label' \\(it has text, label"
            "\\): name them with `text_column` and `label_column`",
        ),
        (
            pd.DataFrame(TABLE),
            {"split": "part"},
            "columns 'text', 'label' and 'part' .* `text_column`, `label_column` and `split_col",
        ),
        (
            {"text": TEXTS, "label": LABELS[1:]},
            {},
            r"columns of different lengths \(text 6, label 5\): make them equal",
        ),
        (
            {"headline": TEXTS, "label": LABELS},
            {},
            "neither the column 'text' nor a table for each split; it has headline, label: name",
        ),
        (
            {"train": pd.DataFrame(TABLE), "training": pd.DataFrame(TABLE)},
            {},
            "texts in memory has two train splits",
        ),
        (
            {"train": pd.DataFrame(TABLE).rename(columns={"text": "x"})},
            {},
            r"has no split with the columns 'text' and 'label' \(it has train: x, label\)",
        ),
        (
            datasets.Dataset.from_dict(TABLE).to_iterable_dataset(),
            {},
            "`data` is a IterableDataset: give a path",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(data, columns, words):
    with pytest.raises(InputError, match=words) as caught:
        load_at_hand(data, Columns(**columns))
    assert "\n" not in str(caught.value)


def test_bad_rows_can_be_skipped():
    found = load_at_hand(([*TEXTS[:5], ""], LABELS), Columns(drop_bad_rows=True))
    assert found.texts == TEXTS[:5]


def test_a_recorded_name_cannot_be_loaded():
    spec = name_at_hand(load_at_hand(PAIR, Columns()))
    with pytest.raises(InputError, match="a Python program gave these texts"):
        load_texts(spec)


def test_splits_may_store_different_names():
    some = {"text": ["fell", "rose"], "label": ["negative", "positive"]}
    parts = {"train": class_labels(TABLE), "test": class_labels(some, ["positive", "negative"])}
    data = load_at_hand(datasets.DatasetDict(parts), Columns())
    assert data.label_names == NAMES
    assert [NAMES[i] for i in data.label_ids] == [*LABELS, *some["label"]]
