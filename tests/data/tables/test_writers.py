"""Table writers: checked rows are written, and rows that cannot be written are refused before."""

import csv
import datetime
import decimal
import json

import pytest

from mlx_finbert.data.tables.writers import json_line, make_writer
from mlx_finbert.errors import InputError

parquet = pytest.importorskip("pyarrow.parquet")
pyarrow = pytest.importorskip("pyarrow")

HALF = "\ud83d"
NAN = float("nan")


def written(path, rows, added=None, chunk=2, schema=None):
    """Check and write rows in chunks, and read the file back."""
    writer = make_writer(path, added or {}, schema)
    chunks = [rows[i : i + chunk] for i in range(0, len(rows), chunk)]
    for number, some in enumerate(chunks):
        writer.check(some, lambda i, first=number * chunk + 1: f"in.jsonl, row {first + i}")
    with writer.open(path) as write:
        for some in chunks:
            write([row | {name: kind(1) for name, kind in writer.added.items()} for row in some])
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line, parse_constant=pytest.fail) for line in path.open()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_the_further_columns_come_last_and_rows_keep_their_order(tmp_path, ending):
    rows = [{"id": str(i), "text": "a\tb\n"} for i in range(5)]
    found = written(tmp_path / f"out.{ending}", rows, added={"score": float, "label": str})
    assert [list(row) for row in found] == [["id", "text", "score", "label"]] * 5
    assert [(row["id"], row["text"]) for row in found] == [(row["id"], "a\tb\n") for row in rows]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_field_that_row_1_lacks(tmp_path, ending):
    with pytest.raises(InputError, match=r"in.jsonl, row 4 has a field 'b' that row 1 lacks"):
        written(tmp_path / f"out.{ending}", [{"a": 1}] * 3 + [{"a": 1, "b": 2}])


@pytest.mark.parametrize(
    ("ending", "values", "words"),
    [
        ("csv", ["a", b"a"], "row 2, column 'x': bytes .* write .parquet"),
        ("csv", ["a", {"b": [b"a"]}], "row 2, column 'x': .*bytes are not text"),
        ("tsv", ["a", [float("inf")]], r"row 2, column 'x': \[inf\] .* write another format"),
        ("jsonl", ["a", {"b": [b"a"]}], "row 2, column 'x': .*bytes are not text"),
        ("jsonl", [1.0, float("inf")], "row 2, column 'x': inf .* write another format"),
        ("jsonl", [{}, {"b": [-float("inf")]}], "row 2, column 'x'"),
        ("jsonl", [{}, {"b": [f"a{HALF}"]}], "row 2, column 'x': .* surrogates"),
        ("jsonl", [{}, {f"a{HALF}": 1}], "row 2, column 'x': .* surrogates"),
        ("parquet", [{"b": ["a"]}, {"b": [f"a{HALF}"]}], "row 2, column 'x': .* surrogates"),
        ("parquet", [{"b": 1}, {f"a{HALF}": 1}], "row 2, column 'x': .* surrogates"),
        ("parquet", [1, 10**30], r"row 2, column 'x': 1000+ does not fit .* write .jsonl instead"),
        ("parquet", [None, 1, 2, 3, "a"], "row 5, column 'x': 'a' .*string after int64"),
        ("parquet", [None, 1, 2, "a"], "row 4, column 'x': 'a' "),
        ("parquet", [1, 1, 2.5], "row 3, column 'x': 2.5 .*double after int64"),
        ("parquet", [2**53 + 1, 2.5], "row 2, column 'x': 2.5 "),
        ("parquet", [2.5, True], "row 2, column 'x': True "),
        ("parquet", [True, 1], "row 2, column 'x': 1 "),
        ("parquet", [[1], {"a": 1}], "row 2, column 'x': {'a': 1} "),
        ("parquet", [None, None, {}], "row 3, column 'x': {} "),
        ("parquet", [[], [1], ["a"]], r"row 3, column 'x': \['a'\] "),
    ],
)
def test_values_that_cannot_be_written_are_named_by_row(tmp_path, ending, values, words):
    path = tmp_path / f"out.{ending}"
    with pytest.raises(InputError, match=f"in.jsonl, {words}"):
        written(path, [{"x": value} for value in values])
    assert not path.exists()


@pytest.mark.parametrize(
    "values",
    [
        [None, None, None, 5],
        [None, None, None, "5"],
        [1, 2.5],
        [[], [], [1, None]],
        [{"a": None}, {"a": 1}, {"a": 2}],
        [[{"a": []}], None, [{"a": ["b"]}]],
    ],
)
def test_parquet_finds_types_that_only_later_rows_show(tmp_path, values):
    rows = [{"x": value} for value in values]
    assert written(tmp_path / "out.parquet", rows) == rows


def test_fields_of_nested_values_that_some_rows_lack(tmp_path):
    rows = [{"x": {"a": 1}}, {"x": {}}, {"x": {"b": "c"}}]
    found = written(tmp_path / "out.parquet", rows)
    assert [{k: v for k, v in row["x"].items() if v is not None} for row in found] == [
        row["x"] for row in rows
    ]


def test_a_column_of_the_source_may_have_a_name_of_ours(tmp_path):
    """If the model adds no score, a column with this name is like any other."""
    rows = [{"score": "high", "probability_x": "low"}] * 3
    assert written(tmp_path / "out.parquet", rows) == rows


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_cells_of_text_hold_json_and_no_nan(tmp_path, ending):
    day = datetime.date(2026, 1, 31)
    values = [[True, None, "it's"], {"a": {"d": day}}, ({"k": NAN},), NAN, None, 0.1, "nan"]
    found = written(tmp_path / f"out.{ending}", [{"x": value, "y": 1} for value in values])
    nested = ['[true, null, "it\'s"]', '{"a": {"d": "2026-01-31"}}', '[{"k": null}]']
    assert [row["x"] for row in found] == [*nested, "", "", "0.1", "nan"]


def test_json_has_no_nan(tmp_path):
    rows = [{"x": NAN, "y": [1.0, {"z": NAN}], "t": (1, NAN)}]
    assert written(tmp_path / "out.jsonl", rows) == [
        {"x": None, "y": [1.0, {"z": None}], "t": [1, None]}
    ]
    day = datetime.date(2026, 1, 31)
    assert json.loads(json_line({"d": day, "p": decimal.Decimal("1.10")})) == {
        "d": "2026-01-31", "p": "1.10",
    }  # fmt: skip


def test_parquet_keeps_every_type_of_a_parquet_source(tmp_path):
    moment = datetime.datetime(2026, 1, 31, 12, 30, 15, 123456)
    table = pyarrow.table(
        {
            "small": pyarrow.array([1, None], pyarrow.int8()),
            "large": pyarrow.array([2**64 - 1, 0], pyarrow.uint64()),
            "day": [moment.date()] * 2,
            "moment": pyarrow.array([moment] * 2, pyarrow.timestamp("us", "Europe/Helsinki")),
            "price": [decimal.Decimal("1.10"), None],
            "bytes": [b"\xff", None],
            "kind": pyarrow.array(["a", "b"]).dictionary_encode(),
            "pairs": pyarrow.array([[("k", 1)], []], pyarrow.map_("string", "int64")),
            "nested": [{"a": [1]}, {"a": None}],
            "never": pyarrow.nulls(2),
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    stored = parquet.read_table(tmp_path / "in.parquet")
    written(tmp_path / "out.parquet", stored.to_pylist(), chunk=1, schema=stored.schema)
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.schema.types == stored.schema.types
    assert found.to_pylist() == stored.to_pylist()


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_cells_that_a_spreadsheet_would_run_get_an_apostrophe_unless_they_are_raw(tmp_path, ending):
    run = ["=1+1", "=5", "+cmd", "+", "-", "-sum(A1)", "- 5", "-5\n", "-3.2.a", "-e5", "-5%%"]
    run += ["@x", "\t=1"]
    stay = ["-3.2", "+5", "-1e5", "-1,234.5", "-5%", "a=1", "'=1", "", " =1", "1-2", -3.5, None]
    rows = [{"=name": cell, "id": i, "score": -0.5} for i, cell in enumerate(run + stay)]
    texts = {}
    for has_formulas in (False, True):
        path = tmp_path / f"{has_formulas}{ending}"
        added = {"score": float}
        writer = make_writer(path, added, has_formulas=has_formulas)
        source = [{name: row[name] for name in ("=name", "id")} for row in rows]
        writer.check(source, lambda i: f"row {i}")
        with writer.open(path) as write:
            write(rows)
        with open(path, encoding="utf-8", newline="") as file:
            texts[has_formulas] = list(csv.reader(file, delimiter=writer.delimiter))
    plain = ["" if cell is None else str(cell) for cell in run + stay]
    assert [line[0] for line in texts[True]] == ["=name", *plain]
    inert = [f"'{cell}" for cell in run] + plain[len(run) :]
    assert [line[0] for line in texts[False]] == ["'=name", *inert]
    assert [line[1:] for line in texts[False]] == [line[1:] for line in texts[True]]
