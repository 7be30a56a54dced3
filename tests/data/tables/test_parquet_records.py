"""Parquet: no column is lost, structs are reached by dots, NaN is null."""

import gzip
import random
import zipfile

import pytest
from quick_predictor import Alone, QuickPredictor, without_mlx

from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.tables.arrow_values import python_values
from mlx_finbert.errors import InputError
from mlx_finbert.inference.score_file import score_file

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
    with pytest.raises(InputError, match=r"a\.parquet, row 1, column 'text': a string that cannot"):
        load_texts(str(path))


FAR = 2_932_897 + 1000
"""Days since 1970 of a date beyond the year 9999."""


def odd_columns():
    """Columns with a value that Python cannot hold, in the second of three rows."""
    not_utf8 = pyarrow.array([b"a", b"caf\xe9", b"c"]).view(pyarrow.string())
    dates = pyarrow.array([0, FAR, None], pyarrow.int32()).cast(pyarrow.date32())
    times = pyarrow.array([0, 2**62, 5], pyarrow.int64()).cast(pyarrow.timestamp("us"))
    return {
        "bytes": not_utf8,
        "date": dates,
        "time": times,
        "zone": times.slice(0, 3).cast(pyarrow.timestamp("us", tz="Mars/Olympus")),
        "list": pyarrow.ListArray.from_arrays([0, 1, 2, 3], not_utf8),
        "object": pyarrow.StructArray.from_arrays([dates, not_utf8], ["date", "bytes"]),
    }


@pytest.mark.parametrize("name", odd_columns())
def test_a_value_that_python_cannot_hold_is_refused_only_if_used(tmp_path, name):
    path = tmp_path / "a.parquet"
    columns = {"text": ["a", "b", "c"], "label": ["up", "down", "up"], "x": odd_columns()[name]}
    parquet.write_table(pyarrow.table(columns), path)
    data = load_texts(str(path))
    assert (data.texts, data.label_ids.tolist()) == (["a", "b", "c"], [1, 0, 1])
    used = "x.date" if name == "object" else "x"
    with pytest.raises(InputError, match=rf"row [12], column '{used}': .* that cannot be read"):
        load_texts(str(path), Columns(used, "label"))


@pytest.mark.parametrize("name", odd_columns())
def test_such_a_value_is_passed_through_as_arrow_has_it(tmp_path, monkeypatch, name):
    without_mlx(monkeypatch)
    source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = pyarrow.table({"text": ["a", "b", "c"], "x": odd_columns()[name]})
    parquet.write_table(table, source)
    score_file(QuickPredictor(), source, target, group=Alone())
    written, stored = parquet.read_table(target)["x"], parquet.read_table(source)["x"]
    assert written.type == stored.type and written.equals(stored)
    for other in ("b.csv", "b.jsonl"):
        with pytest.raises(InputError, match=r"row [12], column 'x': .* cannot be read"):
            score_file(QuickPredictor(), source, tmp_path / other, group=Alone())


def test_rows_with_such_values_have_their_own_hashes():
    for column in odd_columns().values():
        rows = [repr(value) for value in python_values(column)]
        assert len({*rows}) == 3 and rows == [repr(value) for value in python_values(column)]


def test_a_mutated_file_is_read_or_refused_in_a_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"text": ["Sales rose"] * 50, "label": ["up", "down"] * 25, "x": [1.5] * 50}
    parquet.write_table(pyarrow.table(columns), path)
    data = path.read_bytes()
    for seed in range(200):
        random_, changed = random.Random(seed), bytearray(data)
        for _ in range(random_.randint(1, 4)):
            changed[random_.randrange(len(data))] = random_.randrange(256)
        path.write_bytes(changed[: random_.choice([len(data), len(data), random_.randrange(99)])])
        try:
            load_texts(str(path))
        except InputError as error:
            assert str(path) in str(error)
