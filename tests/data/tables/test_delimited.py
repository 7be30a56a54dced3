"""Files written by `csv` are read back correctly or refused, never misread."""

import csv

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mlx_finbert.data.tables import open_table
from mlx_finbert.data.tables.headers import (
    column_names,
    likely_columns,
    names_columns,
    reads_as_data,
)
from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.errors import InputError

CELLS = st.text(alphabet="ab1 ,;\t|'\"\\\n\r.é’", max_size=12)
TABLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=6)
)


def write(path, header, rows, encoding="utf-8", **dialect):
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, **dialect)
        writer.writerows([header, *rows] if header else rows)
    return path


def read(path, **options):
    table = open_table(path, ReadOptions(**options))
    records = list(table.records())
    if faults := [record.fault for record in records if record.fault]:
        raise InputError(faults[0])
    return [list(record.values.values()) for record in records]


ROUND_TRIP = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@ROUND_TRIP
@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    ending=st.sampled_from([".csv", ".tsv", ".data"]),
)
@example([["a", "b"], ["c\\", "d"]], ",", "\n", csv.QUOTE_ALL, "utf-8", ".csv")
@example([['"a\tb', "c"]], "\t", "\n", csv.QUOTE_MINIMAL, "utf-8", ".tsv")
def test_what_csv_writes_is_read_back_or_refused(
    tmp_path, rows, delimiter, end, quoting, encoding, ending
):
    # Before Python 3.13, `csv` quotes only the line ends that it writes itself.
    bare = {*"\r\n"} - {*end} if quoting == csv.QUOTE_MINIMAL else set()
    assume(not any(cell and bare & {cell[0], cell[-1]} for row in rows for cell in row))
    header = ["text", "label", "id"][: len(rows[0]) if rows else 2]
    path = tmp_path / f"a{ending}"
    write(path, header, rows, encoding, delimiter=delimiter, lineterminator=end, quoting=quoting)
    try:
        found = read(path)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert found == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_usual_tables_are_not_refused(tmp_path, delimiter, end, quoting):
    rows = [["Sales fell, again; by 5|6", "down"], ["It 'said' \"so\"", "up"], ["a\tb", "up"]]
    path = write(tmp_path / "a.csv", ["text", "label"], rows,
                 delimiter=delimiter, lineterminator=end, quoting=quoting)  # fmt: skip
    assert read(path) == rows


def test_a_row_knows_its_line_and_its_number(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'sep=,\ntext,label\n"a\nb",up\n\nc\nd,e,f\n"g",down\n')
    records = list(open_table(tmp_path / "a.csv").records())
    assert [(r.number, r.line, r.fault) for r in records] == [
        (1, 3, ""),
        (2, 6, "1 field, but the header has 2"),
        (3, 7, "3 fields, but the header has 2; quote texts that contain the separator"),
        (4, 8, ""),
    ]
    assert records[0].values == {"text": "a\nb", "label": "up"}
    assert records[1].where("a.csv") == "a.csv, line 6 (row 2)"


def test_columns_without_a_name_are_called_as_pandas_does():
    assert column_names(["", " text ", ""]) == ["Unnamed: 0", "text", "Unnamed: 2"]
    assert column_names(["", "Unnamed: 0"]) == ["Unnamed: 0.1", "Unnamed: 0"]


def test_columns_without_a_name_are_kept(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("v1,v2,,\nham,Go, on,\nham,No,,\n")
    table = open_table(path)
    assert [list(record.values) for record in table.records()] == [
        ["v1", "v2", "Unnamed: 2", "Unnamed: 3"]
    ] * 2
    assert table.notes == [
        f"{path}: 1 row has values in columns without a name (column 3, 4), which are not read"
        " as part of the text"
    ]


@pytest.mark.parametrize(
    ("first", "rows", "is_data"),
    [
        (["text", "label"], [["a", "up"]], False),
        (["2019", "2020"], [["a text", "up"]], False),
        (["5", "a"], [["4", "b"], ["3", "c"]], True),
        (["up", "a"], [["down", "b"], ["up", "c"]], True),
        (["x", "Sales rose by five percent in May"], [["y", "No"]], True),
        (["up", ""], [["down", ""]], False),
    ],
)
def test_a_first_line_that_reads_as_data(first, rows, is_data):
    assert bool(reads_as_data(first, rows)) == is_data


def test_a_first_line_that_names_columns():
    assert names_columns(["Text", "LABEL"], [["a", "b"]])
    assert names_columns(["v1", "v2", ""], [["a", "b", ""]])
    assert not names_columns(["news", "Sales rose"], [["news", "Sales fell"]])
    assert not names_columns(["news", "text"], [["news", "Sales fell"]])
    assert not names_columns(["a", "text"], [["b", "c"]])


def test_the_columns_to_suggest():
    assert likely_columns([["1", "a long text", "x"], ["2", "and another", "x"]]) == (2, 3)
    assert likely_columns([["a"]]) == (1, None)


def test_one_column_with_a_stray_quotation_mark_is_refused(tmp_path):
    """The lines may belong to longer texts, so the mark cannot be read as part of a text."""
    path = tmp_path / "a.tsv"
    path.write_text('text\n"a\nb"\n"c" d\n')
    with pytest.raises(InputError, match="a quotation mark inside a quoted field"):
        read(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_one_column_may_have_texts_of_several_lines(tmp_path, name):
    path = write(tmp_path / name, ["text"], [["a\nb"], ["c"], [""], ["d"]])
    assert read(path) == [["a\nb"], ["c"], [""], ["d"]]
    table = open_table(path)
    assert len(list(table.records())) == 4 and not table.notes
