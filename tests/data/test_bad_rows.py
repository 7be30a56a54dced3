"""Bad rows: listed in one error, or skipped with the flag."""

import json
import re

import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate

ROWS = [
    {"text": "profit rose", "label": "positive", "part": "train", "id": 1},
    {"text": None, "label": "positive", "part": "train", "id": 2},
    {"text": "  ", "label": "neutral", "part": "test", "id": 3},
    {"text": 7, "label": "neutral", "part": "test", "id": 4},
    {"text": "sales fell", "label": "great", "part": "train", "id": 5},
    {"text": "sales fell again", "label": "negative", "part": "tset", "id": 6},
    {"text": "net sales", "label": "neutral", "part": "test", "id": 7},
    {"text": None, "label": None, "part": None, "id": 8},
]
LABELS = ["negative", "neutral", "positive"]
FLAGS = ["--labels", ",".join(LABELS), "--split-column", "part"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "news.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_all_bad_rows_are_listed(checkpoint, path, capsys):
    argv = ["--model", str(checkpoint()), "--data", str(path), "--split", "all", *FLAGS]
    assert evaluate(argv) == 2
    first, *lines = capsys.readouterr().err.splitlines()
    assert "5 rows cannot be used" in first and "--drop-bad-rows" in first
    for number, (line, words) in enumerate(
        zip(lines, ["'text'", "'text'", "'text'", "'great'", "'tset'"], strict=True), 2
    ):
        assert line.startswith(f"  {path}, ") and re.search(rf"row {number}\b.*{words}", line)


def test_the_flag_leaves_them_out(checkpoint, path, capsys):
    argv = ["--model", str(checkpoint()), "--data", str(path), "--split", "all", *FLAGS]
    assert evaluate([*argv, "--drop-bad-rows", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    data = load_texts(str(path), Columns(split="part", label_names=LABELS, drop_bad_rows=True))
    assert data.texts == ["profit rose", "net sales"]
    assert data.numbers.tolist() == [1, 7] and data.others == [{"id": 1}, {"id": 7}]
    assert data.splits == ["train", "test"]
    unlabelled, left_out, unused = data.notes
    assert unlabelled.endswith("1 of 2 rows of no split have no label and are skipped")
    assert "5 of 8 rows cannot be used and are skipped (`drop_bad_rows=True`)" in left_out
    assert re.search(r"row 2\)?, column 'text'", left_out)
    assert "no row is labelled 'negative'" in unused


@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
def test_the_first_ten_are_shown(count):
    texts = ["good"] + [""] * count
    with pytest.raises(InputError) as caught:
        RawRows(texts, ["up"] * len(texts)).labelled("news.csv", drop_bad_rows=False)
    lines = str(caught.value).splitlines()
    assert len(lines) == (1 if count == 1 else 1 + min(count, 11))
    assert "news.csv, row 2, column 'text': the text is empty" in "".join(lines[:2])
    assert ("and 15 more" in lines[-1]) == (count == 25)
    assert ("and 1 more" in lines[-1]) == (count == 11)


def test_rows_that_could_not_be_read_are_counted_with_the_others():
    faults = ["news.csv, line 4: 3 fields, but the header has 2"]
    rows = RawRows(["a", ""], ["x", "y"], faults=faults)
    with pytest.raises(InputError, match="2 rows cannot be used") as caught:
        rows.labelled("news.csv", drop_bad_rows=False)
    assert faults[0] in str(caught.value)
    data = rows.labelled("news.csv", drop_bad_rows=True)
    assert data.texts == ["a"] and "2 of 3 rows cannot be used" in data.notes[0]
    with pytest.raises(InputError, match="no row with a text and a label"):
        RawRows(["", ""], ["x", "y"]).labelled("news.csv", drop_bad_rows=True)


def test_a_source_without_the_flag_does_not_advise_it():
    for texts in (["a", ""], ["", ""]):
        with pytest.raises(InputError) as caught:
            RawRows(texts, ["x", "y"]).labelled("Sentences_50Agree.txt")
        assert "--drop-bad-rows" not in str(caught.value)


def test_the_label_of_a_row_left_out_is_no_class():
    data = RawRows(["a", "", "b"], ["x", "tpyo", "y"]).labelled("news.csv", drop_bad_rows=True)
    assert data.label_names == ["x", "y"]


@pytest.mark.parametrize("text", [["x" * 100] * 999, {"x" * 9_999: 1}, 10**3_000])
def test_of_a_value_that_is_not_a_text_the_beginning_is_quoted(tmp_path, text):
    path = tmp_path / "news.jsonl"
    path.write_text(json.dumps({"text": text, "label": "positive"}))
    with pytest.raises(
        InputError, match=r"the text is empty or not a text \(.{200}\.\.\.\)"
    ) as found:
        load_texts(str(path))
    assert len(str(found.value)) < 1_000
