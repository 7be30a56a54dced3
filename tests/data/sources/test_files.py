"""Raw rows: bad rows are collected with their places, and good rows keep their numbers."""

import json

import pytest

from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import Columns, labelled
from mlx_finbert.data.sources.files import add_files
from mlx_finbert.errors import InputError


def test_bad_rows_are_collected_and_the_rest_is_read(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text('text,label\n"a\nb",up\nc\nd,e,f\n"Sales" rose,up\ng,down\n')
    rows = RawRows()
    add_files(rows, [path], Columns())
    assert rows.texts == ["a\nb", "g"]
    assert rows.numbers == [1, 5]
    assert rows.where == [f"{path}, line 2 (row 1)", f"{path}, line 7 (row 5)"]
    assert rows.faults == [
        f"{path}, line 4 (row 2): 1 field, but the header has 2",
        f"{path}, line 5 (row 3): 3 fields, but the header has 2; quote texts that contain the"
        " separator",
        f"{path}, line 6 (row 4): a quotation mark inside a quoted field is not doubled; double"
        " those that belong to texts",
    ]
    with pytest.raises(InputError, match=r"line 4 \(row 2\): 1 field"):
        labelled(rows, "news", Columns())


def test_json_rows_that_lack_a_column_are_collected(tmp_path):
    path = tmp_path / "news.jsonl"
    values = [{"x": 1}, {"text": "a", "label": "up", "id": 7}, 5]
    path.write_text("\n".join(["", *map(json.dumps, values)]))
    rows = RawRows()
    add_files(rows, [path], Columns())
    assert (rows.texts, rows.others, rows.numbers) == (["a"], [{"id": 7}], [2])
    assert rows.faults == [
        f"{path}, line 2 (row 1) has no column 'text'; its columns are 'x': choose one with"
        " `text_column`",
        f"{path}, line 4 (row 3): not a JSON object",
    ]
    with pytest.raises(InputError, match=r"line 2 \(row 1\) has no column 'headline'"):
        add_files(rows, [path], Columns("headline"))
