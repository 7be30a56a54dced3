"""Label names that `datasets` stores in Parquet, and Arrow's dictionaries."""

import json

import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NAMES = ["neutral", "positive", "negative"]
IDS = [0, 2, 1, 2]


def write(path, ids, names, **features):
    """Write a table like `datasets`, with a `ClassLabel` column."""
    label = {"names": names, "_type": "ClassLabel"}
    stored = {"info": {"features": {"label": label, **features}}}
    table = pyarrow.table({"text": [f"profit {i}" for i in range(len(ids))], "label": ids})
    metadata = {"huggingface": json.dumps(stored)}
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    return path


def labels_of(path, **columns):
    data = load_texts(str(path), Columns(**columns))
    return data.label_names, [data.label_names[i] for i in data.label_ids]


def test_the_names_are_used(tmp_path):
    path = write(tmp_path / "a.parquet", IDS, NAMES)
    assert labels_of(path) == (NAMES, ["neutral", "negative", "positive", "negative"])


def test_datasets_writes_what_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)}
    rows = {"text": list("abcd"), "label": IDS}
    datasets.Dataset.from_dict(rows, datasets.Features(features)).to_parquet(tmp_path / "a.parquet")
    assert labels_of(tmp_path / "a.parquet")[1] == ["neutral", "negative", "positive", "negative"]


def test_evaluate_measures_by_them(checkpoint, tmp_path, capsys):
    path = write(tmp_path / "a.parquet", IDS, NAMES)
    argv = ["--model", str(checkpoint()), "--data", str(path), "--split", "all", "--json"]
    assert evaluate(argv) == 0
    confusion = json.loads(capsys.readouterr().out)["confusion"]
    # The model's order is negative, neutral, positive.
    assert [sum(row) for row in confusion] == [2, 1, 1]


def test_a_folder_of_them(tmp_path):
    write(tmp_path / "train.parquet", [0, 1, 2], NAMES)
    write(tmp_path / "test.parquet", [-1, -1], NAMES)
    data = load_texts(str(tmp_path))
    assert (data.label_names, data.label_ids.tolist()) == (NAMES, [0, 1, 2])
    assert data.notes == [f"{tmp_path}: none of its 2 test rows has a label; they are skipped"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label_names": ["flat", "up", "down"]}, ["flat", "down", "up", "down"]),
        # The stored names in another order are an order, not new names of the integers.
        ({"label_names": ["neg", "neu", "pos"]}, ["neu", "neg", "pos", "neg"]),
        (
            {"label_map": {"0.0": "flat", "1.0": "up", "2.0": "down"}},
            ["flat", "down", "up", "down"],
        ),
        (
            {"label_map": {"neutral": "flat", "positive": "up", "negative": "down"}},
            ["flat", "down", "up", "down"],
        ),
    ],
)
def test_the_flags_win(tmp_path, columns, expected):
    names, labels = labels_of(write(tmp_path / "a.parquet", IDS, NAMES), **columns)
    assert labels == expected
    assert names == columns.get("label_names", ["flat", "up", "down"])


def test_single_rows_without_a_label(tmp_path):
    path = write(tmp_path / "a.parquet", [0, -1, None, 1], NAMES)
    data = load_texts(str(path))
    assert data.numbers.tolist() == [1, 4]
    assert "2 of 4 rows have no label" in data.notes[0]


def test_an_integer_without_a_name(tmp_path):
    path = write(tmp_path / "a.parquet", [0, 3], NAMES)
    with pytest.raises(
        InputError, match=r"column 'label' contains 3, but .* names only for 0 to 2"
    ):
        load_texts(str(path))


def test_other_metadata_is_left_alone(tmp_path):
    path = tmp_path / "a.parquet"
    for metadata in ({"pandas": "{}"}, {"huggingface": "not JSON"}, {"huggingface": "[]"}):
        table = pyarrow.table({"text": ["a", "b"], "label": [1, 0]})
        parquet.write_table(table.replace_schema_metadata(metadata), path)
        assert labels_of(path) == (["0", "1"], ["1", "0"])


def test_dictionaries_of_arrow_are_names(tmp_path):
    labels = pyarrow.array(["sell", None, "buy", "sell"]).dictionary_encode()
    table = pyarrow.table({"text": list("abcd"), "label": labels})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert labels_of(tmp_path / "a.parquet") == (["buy", "sell"], ["sell", "buy", "sell"])


def test_numbers_of_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    for labels, names in (([1.0, None, 0.0], ["0", "1"]), ([True, False, True], ["False", "True"])):
        parquet.write_table(pyarrow.table({"text": list("abc"), "label": labels}), path)
        assert labels_of(path)[0] == names
    for labels, words in (
        ([0.5, 1.0], "'0.5' is the target of a regression"),
        ([[0, 3], [1]], r"'\[0, 3\]' is a list of labels"),
    ):
        parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": labels}), path)
        with pytest.raises(InputError, match=rf"row 1\)?, column 'label': {words}"):
            load_texts(str(path))
