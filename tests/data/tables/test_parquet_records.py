"""Parquet: no column is lost, structs are reached by dots, NaN is null."""

import gzip
import zipfile

import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path, names, *columns):
    arrays = [pyarrow.array(column) for column in columns]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=names), path)
    return str(path)


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = write(tmp_path / "a.parquet", ["text", "label", "text"], ["a"], ["up"], ["b"])
    with pytest.raises(InputError, match="two columns have one name, 'text'"):
        load_texts(path)


def test_a_struct_is_reached_by_dots(tmp_path):
    news = [{"text": "Sales rose", "by": {"label": "up"}}, {"text": "Sales fell", "by": {"label":
            "down"}}]  # fmt: skip
    path = write(tmp_path / "a.parquet", ["news", "id"], news, [7, 8])
    data = load_texts(path, Columns("news.text", "news.by.label"))
    assert (data.texts, data.label_names) == (["Sales rose", "Sales fell"], ["down", "up"])
    with pytest.raises(InputError, match=r"no column 'news\.title'; its columns are 'news', 'id'"):
        load_texts(path, Columns("news.title", "id"))
    with pytest.raises(InputError, match=r"no column 'news\.text\.x'"):
        load_texts(path, Columns("news.text.x", "id"))


def test_a_null_struct_has_no_text(tmp_path):
    path = write(tmp_path / "a.parquet", ["n", "label"], [{"t": "a"}, None], ["up", "down"])
    with pytest.raises(InputError, match=r"row 2, column 'n\.t': the text is empty"):
        load_texts(path, Columns("n.t"))


def test_nan_of_pandas_is_null(tmp_path):
    path = write(tmp_path / "a.parquet", ["text", "label"], ["a", "b"], [1.0, float("nan")])
    data = load_texts(path)
    assert data.texts == ["a"] and "1 of 2 rows" in data.notes[0]


def test_words_for_null_are_texts(tmp_path):
    path = write(tmp_path / "a.parquet", ["text", "label"], ["nan", "None"], ["null", "N/A"])
    data = load_texts(path)
    assert (data.texts, sorted(data.label_names)) == (["nan", "None"], ["N/A", "null"])


def test_packed_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    write(path, ["text", "label"], ["a", "b"], ["up", "down"])
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(path, "x/a.parquet")
    for name in ("b.parquet.gz", "c.zip"):
        assert load_texts(str(tmp_path / name)).texts == ["a", "b"]


def test_parquet_under_another_name(tmp_path):
    path = write(tmp_path / "part-0", ["text", "label"], ["a", "b"], ["up", "down"])
    assert load_texts(path).texts == ["a", "b"]


def test_text_that_is_no_utf_8_is_one_sentence(tmp_path):
    column = pyarrow.array([b"f\xfcr"]).view(pyarrow.string())
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": column, "label": ["up"]}), path)
    with pytest.raises(InputError, match="not a readable Parquet file"):
        load_texts(str(path))
