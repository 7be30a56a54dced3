"""Rows without a label: skipped, counted and reported."""

import json

import numpy as np
import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.train import main as train


def write(path, labels):
    rows = [f"{path.stem} profit rose by {i} percent,{label}\n" for i, label in enumerate(labels)]
    path.write_text("text,label\n" + "".join(rows))
    return path


def folder_of(path, **splits):
    """Write a folder with one file per split."""
    path.mkdir()
    for split, labels in splits.items():
        write(path / f"{split}.csv", labels)
    return path


@pytest.mark.parametrize("blank", ["", "  ", None, float("nan")])
def test_a_blank_cell_is_no_label(blank):
    rows = RawRows(list("abcd"), ["x", blank, "y", blank], others=list("1234"))
    data = rows.labelled("news.csv")
    assert (data.texts, data.numbers.tolist(), data.others) == (["a", "c"], [1, 3], ["1", "3"])
    assert data.label_names == ["x", "y"]
    assert data.notes == ["news.csv: 2 of 4 rows have no label and are skipped"]


def test_evaluate_leaves_unlabelled_rows_out(checkpoint, tmp_path, capsys):
    path = write(tmp_path / "news.csv", ["positive", "", "negative", "  ", "neutral"])
    argv = ["--model", str(checkpoint()), "--data", str(path), "--split", "all", "--json"]
    assert evaluate(argv) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3


@pytest.mark.parametrize("labels", [["-1", "-1.0"], ["", " "]])
def test_a_file_without_any_label_is_refused(checkpoint, tmp_path, capsys, labels):
    path = write(tmp_path / "news.csv", labels)
    assert evaluate(["--model", str(checkpoint()), "--data", str(path), "--split", "all"]) == 2
    message = capsys.readouterr().err
    assert "none of its 2 rows has a label" in message and "mlx_finbert.predict" in message
    assert ("--label-map" in message) == ("-1" in labels)


def test_a_split_of_minus_ones_is_left_out(checkpoint, tmp_path, capsys):
    data = folder_of(
        tmp_path / "glue", train=["0", "1"] * 20, validation=["0", "1"] * 3, test=["-1"] * 7
    )
    found = load_texts(str(data))
    assert found.label_names == ["0", "1"] and set(found.splits) == {"train", "validation"}
    assert found.notes == [
        f"{data}: none of its 7 test rows has a label (-1 means none); they are skipped"
    ]
    named = load_texts(str(data), Columns(label_names=["no", "yes"]))
    assert (named.label_names, np.bincount(named.label_ids).tolist()) == (["no", "yes"], [23, 23])
    output = str(tmp_path / "run")
    argv = ["--model", str(checkpoint()), "--data", str(data), "--new-head", "--max-steps", "1"]
    assert train([*argv, "--output-dir", output]) == 0
    assert "46 rows (0 23, 1 23); 40 train, 6 validation" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["id2label"] == {
        "0": "0", "1": "1",
    }  # fmt: skip


def test_minus_one_is_a_label_where_data_use_it(tmp_path):
    stock = folder_of(tmp_path / "stock", train=["-1", "0", "1"], test=["-1", "-1"])
    data = load_texts(str(stock))
    assert (data.label_names, len(data), data.notes) == (["-1", "0", "1"], 5, [])
    glue = folder_of(tmp_path / "glue", train=["0", "1"], test=["-1"])
    for columns in (
        Columns(label_map={"-1.0": "a", "0.0": "b", "1.0": "c"}),
        Columns(label_names=["-1", "0", "1"]),
    ):
        assert len(load_texts(str(glue), columns)) == 3


def trained(checkpoint, data, capsys, *flags):
    """Return the error message of `train`."""
    argv = ["--model", str(checkpoint()), "--data", str(data), "--new-head", "--max-steps", "1"]
    assert train([*argv, "--output-dir", str(data) + "-run", *flags]) == 2
    assert not data.with_name(data.name + "-run").exists()
    return capsys.readouterr().err


def test_training_rows_need_labels(checkpoint, tmp_path, capsys):
    data = folder_of(tmp_path / "glue", train=["-1"] * 4, test=["0", "1"])
    message = trained(checkpoint, data, capsys)
    assert "no labelled training row" in message and "none of its 4 train rows" in message


def test_a_label_that_training_lacks_names_the_split(checkpoint, tmp_path, capsys):
    data = folder_of(tmp_path / "news", train=["up", "down"] * 9, test=["up", "mixed", "mixed"])
    message = trained(checkpoint, data, capsys)
    assert (
        "no training row is labelled mixed, but 2 of the test split are, the first in row 2"
        in message
    )
    assert "--label-map" in message and "--labels" in message and "--drop-bad-rows" in message


@pytest.mark.parametrize(
    "flags",
    [["--labels", "down,up", "--drop-bad-rows"], ["--label-map", "up=up,down=down,mixed=down"]],
)
def test_what_that_message_advises_works(checkpoint, tmp_path, flags):
    data = folder_of(tmp_path / "news", train=["up", "down"] * 9, test=["up", "mixed", "mixed"])
    argv = ["--model", str(checkpoint()), "--data", str(data), "--new-head", "--max-steps", "1"]
    assert train([*argv, "--output-dir", str(tmp_path / "run"), *flags]) == 0
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert sum(map(sum, figures["confusion"])) == (1 if "--drop-bad-rows" in flags else 3)


def test_training_needs_two_labels(checkpoint, tmp_path, capsys):
    data = folder_of(tmp_path / "news", train=["up"] * 9, test=["up", "down"])
    assert "only one label (up): add rows with another label" in trained(checkpoint, data, capsys)


def test_what_cannot_be_a_label():
    for value in (b"up", float("inf"), object()):
        with pytest.raises(InputError, match=r"row 2, column 'label': .* is not a label: neither"):
            RawRows(["a", "b"], ["x", value]).labelled("news.parquet")
