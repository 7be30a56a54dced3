"""Folders: the files of each split, their shards, and unused tables."""

import gzip

import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = "text,label\nSales rose,up\nSales fell,down\n"


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(ROWS)


@pytest.mark.parametrize(
    ("name", "split"),
    [("eval.csv", "validation"), ("dev.csv", "validation"), ("my_valid.csv", "validation"),
     ("holdout.csv", "test"), ("testing.tsv", "test"), ("test.csv.gz", "test")],
)  # fmt: skip
def test_usual_names_of_splits(tmp_path, name, split):
    write(tmp_path, "training.csv")
    data = gzip.compress(ROWS.encode()) if name.endswith(".gz") else ROWS.encode()
    (tmp_path / name).write_bytes(data)
    assert load_texts(str(tmp_path)).splits.count(split) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("test.tsv", "index\ttext\n0\tuneasy\n1\tcool\n"), ("test.csv", "text\nuneasy\ncool\n"),
     ("test.jsonl", '{"text": "uneasy"}\n{"text": "cool"}\n')],
)  # fmt: skip
def test_a_test_file_without_labels(tmp_path, name, content):
    """GLUE and Kaggle publish such files."""
    write(tmp_path, "train.csv")
    (tmp_path / name).write_text(content)
    data = load_texts(str(tmp_path))
    assert data.splits == ["train", "train"] and data.notes == [
        f"{tmp_path}: none of its 2 test rows has a label; they are skipped"
    ]
    (tmp_path / "dev.csv").write_text("text,lable\nuneasy,up\n")
    with pytest.raises(InputError, match=r"dev.csv has no column 'label'"):
        load_texts(str(tmp_path))


def test_a_table_that_is_not_used_is_named(tmp_path):
    write(tmp_path, "train.csv", "extra.csv", "more.jsonl", "notes.txt", ".hidden.csv")
    data = load_texts(str(tmp_path))
    assert len(data) == 2
    assert data.notes == [
        f"{tmp_path}: extra.csv, more.jsonl are not used: the splits are read from train.csv"
    ]


def test_two_files_of_one_split_and_two_splits_of_one_file_are_refused(tmp_path):
    write(tmp_path, "train.csv", "train.jsonl")
    with pytest.raises(InputError, match=r"both train.csv and train.jsonl look like the train"):
        load_texts(str(tmp_path))
    write(tmp_path / "b", "train-test.csv")
    with pytest.raises(InputError, match="contains two splits, test and train"):
        load_texts(str(tmp_path / "b"))


def test_text_files_are_tables_where_a_flag_speaks_of_columns(tmp_path):
    for name in ("train.txt", "val.txt", "test.txt"):
        (tmp_path / name).write_text("i feel fine;joy\ni feel low;sadness\n")
    columns = Columns("1", "2", delimiter=";", header=False)
    assert len(load_texts(str(tmp_path), columns)) == 6
    with pytest.raises(InputError, match="the folder is not one of"):
        load_texts(str(tmp_path))


def shards(folder, split, count, rows=3, rest=".parquet"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        texts = [f"{split} {number} {row}" for row in range(rows)]
        table = pyarrow.table({"text": texts, "label": ["up", "down", "up"][:rows]})
        parquet.write_table(table, folder / f"{split}-{number:05}-of-{count:05}{rest}")


@pytest.mark.parametrize("inside", ["", "data"])
@pytest.mark.parametrize("rest", [".parquet", "-0123456789abcdef.parquet"])
def test_shards_are_read_in_order_and_rows_numbered_across_them(tmp_path, inside, rest):
    shards(tmp_path / inside, "train", 11, rest=rest)
    shards(tmp_path / inside, "test", 1, rest=rest)
    data = load_texts(str(tmp_path))
    assert data.texts[:4] == ["train 0 0", "train 0 1", "train 0 2", "train 1 0"]
    assert data.texts[32:] == ["train 10 2", "test 0 0", "test 0 1", "test 0 2"]
    assert data.numbers.tolist() == [*range(1, 34), 1, 2, 3]
    assert data.splits == ["train"] * 33 + ["test"] * 3
    assert not data.notes


def test_a_missing_shard_is_named(tmp_path):
    shards(tmp_path, "train", 3)
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match="shard train-00001-of-00003 is missing: download"):
        load_texts(str(tmp_path))
    shards(tmp_path, "train", 2)
    with pytest.raises(InputError, match="shards of two tables"):
        load_texts(str(tmp_path))


def test_shards_of_json_lines(tmp_path):
    for number in range(2):
        rows = f'{{"text": "a{number}", "label": "up"}}\n{{"text": "b{number}", "label": "down"}}\n'
        packed = gzip.compress(rows.encode())
        (tmp_path / f"c4-train.{number:05}-of-00002.json.gz").write_bytes(packed)
    assert load_texts(str(tmp_path)).texts == ["a0", "b0", "a1", "b1"]


def test_one_shard_alone_is_told_to_be_one(tmp_path):
    shards(tmp_path, "train", 2)
    data = load_texts(str(tmp_path / "train-00000-of-00002.parquet"))
    assert data.notes[0].endswith("is one of 2 shards: give its folder to read all of them")
