"""Texts without labels from every source, streamed."""

import gzip
import json

import datasets
import pytest

from mlx_finbert.data.sources import fiqa, load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.plain_texts import plain_texts
from mlx_finbert.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """An empty folder for data."""
    made = tmp_path / "data"
    made.mkdir()
    return made


def test_a_text_file_has_a_text_per_line_and_empty_ones_are_counted(folder):
    path = folder / "news.txt"
    path.write_text("Sales rose.\n\n  \nSales fell.\n")
    found = plain_texts(str(path))
    assert list(found) == list(found) == ["Sales rose.", "Sales fell."]
    assert found.empty == 2
    assert found.skipped == [f"{path}: 2 empty texts are skipped"]


def test_files_of_a_folder_are_read_in_order_with_those_of_its_subfolders(folder):
    (folder / "b").mkdir()
    (folder / "b" / "one.txt").write_text("third\n")
    with gzip.open(folder / "a.txt.gz", "wt") as file:
        file.write("first\nsecond\n")
    (folder / ".hidden.txt").write_text("never\n")
    (folder / "notes.md").write_text("never\n")
    (folder / "table.csv").write_text("text\nnever\n")
    found = plain_texts(str(folder))
    assert list(found) == ["first", "second", "third"]
    assert found.notes == [
        f"{folder}: 1 tables are not read, since there are text files; give their own folder to"
        " read them"
    ]


def test_validation_and_test_files_are_not_read(folder):
    for split in ("train", "test", "dev"):
        (folder / split).mkdir()
        (folder / split / "part-0.txt").write_text(f"{split}\n")
    found = plain_texts(str(folder))
    assert list(found) == ["train"]
    assert "2 files of validation and test splits are not read" in found.notes[0]


def test_a_folder_without_a_training_split_is_read_whole(folder):
    for name in ("drive-test.txt", "other.txt"):
        (folder / name).write_text(f"{name}\n")
    assert list(plain_texts(str(folder))) == ["drive-test.txt", "other.txt"]


def test_of_imdb_the_training_reviews_are_read_with_those_without_labels(folder):
    for kind in ("train/neg", "train/pos", "train/unsup", "test/neg", "test/pos"):
        (folder / kind).mkdir(parents=True)
        (folder / kind / "0_1.txt").write_text(kind)
    (folder / "train" / "urls_pos.txt").write_text("http://www.imdb.com/\n")
    assert list(plain_texts(str(folder))) == ["train/neg", "train/pos", "train/unsup"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_column_of_a_table(folder, ending):
    rows = [
        {"id": 1, "body": "Sales rose, again."},
        {"id": 2, "body": None},
        {"id": 3, "body": "a"},
    ]
    path = folder / f"news.{ending}"
    data = datasets.Dataset.from_list(rows)
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif ending == "parquet":
        data.to_parquet(path)
    else:
        data.to_csv(path, sep="\t" if ending == "tsv" else ",", index=False)
    found = plain_texts(str(path), Columns(text="body"))
    assert list(found) == ["Sales rose, again.", "a"]
    assert found.empty == 1


def test_a_column_that_is_not_there_is_refused(folder):
    path = folder / "news.csv"
    path.write_text("body,date\na,b\n")
    with pytest.raises(InputError, match=r"no column 'text'; its columns .*`text_column`"):
        plain_texts(str(path))
    lines = folder / "news.jsonl"
    lines.write_text('{"body": "a"}\n')
    with pytest.raises(InputError, match="no column 'text'"):
        list(plain_texts(str(lines)))


def test_a_row_that_is_not_a_text_is_refused_or_skipped(folder):
    path = folder / "news.jsonl"
    path.write_text('{"text": "a"}\n{"text": 5}\n{"text": \n{"text": "b"}\n')
    with pytest.raises(InputError, match=r"line 2 \(row 2\): not a text \(5\).*drop_bad_rows"):
        list(plain_texts(str(path)))
    found = plain_texts(str(path), Columns(drop_bad_rows=True))
    assert list(found) == ["a", "b"]
    assert found.num_bad == 2
    assert "2 rows cannot be used and are skipped" in found.skipped[0]


@pytest.fixture
def hub(monkeypatch):
    """The splits that `datasets.load_dataset` gives, by name, and what it was asked for."""
    asked = []

    def offer(**splits):
        made = {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}

        def load_dataset(*name, revision):
            return asked.append(name) or made

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return asked

    return offer


def test_a_data_set_on_the_hub_gives_all_but_what_measures(hub):
    asked = hub(train={"text": ["a", "b"]}, test={"text": ["c"]}, unsupervised={"text": ["d", ""]})
    found = plain_texts("someone/news:small")
    assert list(found) == ["a", "b", "d"]
    assert asked == [("someone/news", "small")]
    assert found.notes == ["someone/news: the 1 rows of its split test are not read"]
    assert found.empty == 1


def test_a_data_set_of_one_split_is_read_whatever_its_name(hub):
    hub(test={"text": ["a"]})
    assert list(plain_texts("someone/news")) == ["a"]


def test_a_data_set_without_the_column_is_refused(hub):
    hub(train={"body": ["a"]})
    with pytest.raises(InputError, match="someone/news has no column 'text'"):
        plain_texts("someone/news")


def test_imdb_by_name_is_that_of_the_hub(hub):
    asked = hub(train={"text": ["a"]}, unsupervised={"text": ["b"]}, test={"text": ["c"]})
    assert list(plain_texts("imdb")) == ["a", "b"]
    assert asked == [("stanfordnlp/imdb", None)]


def test_the_packaged_sample_gives_its_training_texts():
    data = load_texts("sample")
    wanted = [t for t, s in zip(data.texts, data.splits, strict=True) if s == "train"]
    assert list(plain_texts("sample")) == wanted and len(wanted) > 400


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"`validation_data=\./none.txt`: there is no such file"):
        plain_texts("./none.txt", parameter="validation_data")


def test_a_folder_without_texts_is_refused(folder):
    (folder / "picture.png").write_bytes(b"x")
    with pytest.raises(InputError, match="no file with one of the endings"):
        plain_texts(str(folder))


def test_a_revision_reaches_the_hub(monkeypatch):
    asked = []

    def load_dataset(name, config, revision):
        asked.append((name, revision))
        return {
            "train": datasets.Dataset.from_dict({"text": ["a"], "sentence": ["b"], "score": [1]})
        }

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for name in ("someone/news", "imdb", "fiqa"):
        assert list(plain_texts(name, Columns(revision="v2")))
    assert asked == [
        ("someone/news", "v2"),
        ("stanfordnlp/imdb", "v2"),
        (fiqa.HUB_REPOSITORY, "v2"),
    ]


@pytest.mark.parametrize(
    ("spec", "columns", "said"),
    [
        ("sample", {"revision": "v2"}, "`data_revision` has no effect on `validation_data=sample`"),
        ("{}", {"revision": "v2"}, "`data_revision` has no effect on `validation_data="),
        ("imdb", {"delimiter": ";"}, "`delimiter` has no effect on `validation_data=imdb`"),
        ("a/b", {"delimiter": ";"}, "`delimiter` has no effect on `validation_data=a/b`"),
        ("{}:x", {}, "`validation_data=.*: only Financial PhraseBank has variants"),
        ("fiqa:x", {}, "`validation_data=fiqa:x`: only Financial PhraseBank has variants"),
        ("texts in memory (sha256 0)", {}, "another place with `validation_data`"),
        ("{}.txt", {}, "`validation_data=.*: there is no such file or folder"),
    ],
)
def test_messages_name_the_setting_of_the_texts(folder, spec, columns, said):
    path = folder / "news.csv"
    path.write_text("text\na\n")
    with pytest.raises(InputError, match=said):
        plain_texts(spec.format(path), Columns(**columns), "validation_data")
