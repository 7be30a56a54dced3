"""Scoring files: columns, formats, memory, and what cannot be scored."""

import csv
import gzip
import io
import json
import tracemalloc

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.inference import Predictor, parts
from mlx_finbert.inference import score_file as scoring
from mlx_finbert.predict import main

parquet = pytest.importorskip("pyarrow.parquet")
pyarrow = pytest.importorskip("pyarrow")

ROWS = [
    {"id": "1", "text": "profit rose, again"},
    {"id": "2", "text": ""},
    {"id": "3", "text": "sales\nfell"},
    {"id": "4", "text": 'the "board" said Ä'},
] * 3


def write(path, rows):
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path):
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def rows_for(name):
    """TSV has no texts of several lines."""
    return (
        [row | {"text": row["text"].replace("\n", " ")} for row in ROWS] if "tsv" in name else ROWS
    )


@pytest.mark.parametrize("source", ["in.csv", "in.tsv", "in.jsonl", "in.parquet"])
@pytest.mark.parametrize("target", ["out.csv", "out.tsv", "out.jsonl", "out.parquet"])
def test_every_format_into_every_other(tiny, tmp_path, monkeypatch, source, target):
    monkeypatch.setattr(parts, "PART_ROWS", 5)
    rows = rows_for(source)
    path = write(tmp_path / source, rows)
    report = scoring.score_file(Predictor(*tiny), path, tmp_path / target)
    assert (report.rows, report.empty) == (12, 3)
    found = read(tmp_path / target)
    assert [{k: row[k] for k in ("id", "text")} for row in found] == rows
    expected = mlx_finbert.predict_proba(*tiny, [row["text"] for row in rows])
    labels = tiny[0].args.labels
    for row, probabilities in zip(found, expected, strict=True):
        if not row["text"]:
            assert not row["predicted_label"] and row["score"] in ("", None)
            continue
        assert row["predicted_label"] == labels[probabilities.argmax()]
        got = [float(row[f"probability_{label}"]) for label in labels]
        np.testing.assert_allclose(got, probabilities, atol=1e-5)
        assert float(row["score"]) == pytest.approx(probabilities[2] - probabilities[0], abs=1e-5)


def test_a_blank_text_line_is_a_row_without_a_text(tiny, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"profit rose\r\n\r\n sales\tfell\n  \n\n")
    report = scoring.score_file(Predictor(*tiny), tmp_path / "in.txt", tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert [row["text"] for row in rows] == ["profit rose", "", " sales\tfell", "  ", ""]
    assert [bool(row["predicted_label"]) for row in rows] == [True, False, True, False, False]
    assert (report.rows, report.empty) == (5, 3)


def test_a_number_that_is_none_is_no_text(tiny, tmp_path):
    table = pyarrow.table({"text": pyarrow.array([None, float("nan")], pyarrow.float64())})
    parquet.write_table(table, tmp_path / "in.parquet")
    target = tmp_path / "out.jsonl"
    assert scoring.score_file(Predictor(*tiny), tmp_path / "in.parquet", target).empty == 2


def test_no_score_without_sentiments(checkpoint, tmp_path):
    model = mlx_finbert.load(checkpoint(labels=["spam", "ham"]))
    scoring.score_file(Predictor(*model), write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv")
    assert list(read(tmp_path / "out.csv")[0]) == [
        "id", "text", "predicted_label", "probability_spam", "probability_ham",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["in.parquet", "in.pq", "in.data", "in.parquet.gz"])
def test_parquet_keeps_the_types_of_its_columns(tiny, tmp_path, name):
    table = pyarrow.table({"n": pyarrow.array([1, None], pyarrow.int16()), "text": ["a", "b"]})
    data = io.BytesIO()
    parquet.write_table(table, data)
    packed = gzip.compress(data.getvalue()) if name.endswith(".gz") else data.getvalue()
    (tmp_path / name).write_bytes(packed)
    scoring.score_file(Predictor(*tiny), tmp_path / name, tmp_path / "out.parquet")
    assert parquet.read_schema(tmp_path / "out.parquet").field("n").type == pyarrow.int16()


def test_what_cannot_be_scored_leaves_no_file(tiny, tmp_path):
    predictor, target = Predictor(*tiny), tmp_path / "out.csv"
    good = write(tmp_path / "in.csv", ROWS)
    numbers = write(tmp_path / "numbers.jsonl", [{"text": "a"}, {"text": 5}])
    taken = write(tmp_path / "taken.csv", [{"text": "a", "score": "1"}])
    (tmp_path / "empty.csv").write_text("text\n")
    for source, output, column, words in (
        (good, target, "headline", "`text_column`"),
        (numbers, target, "text", "line 2 .row 2., column 'text': 5 is not a text"),
        (taken, target, "text", "already has a column 'score'"),
        (tmp_path / "empty.csv", target, "text", "no rows"),
        (tmp_path / "missing.csv", target, "text", "no such file"),
        (good, tmp_path / "out.xlsx", "text", "`output=.*out.xlsx`"),
        (good, good, "text", "is the `input` file"),
    ):
        with pytest.raises(InputError, match=words):
            scoring.score_file(predictor, source, output, column)
        assert not target.exists()
    assert read(good) == ROWS


def test_a_failure_on_the_way_keeps_the_old_output(tiny, tmp_path, monkeypatch):
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    source = write(tmp_path / "in.csv", ROWS)
    monkeypatch.setattr(Predictor, "score", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scoring.score_file(Predictor(*tiny), source, target)
    assert target.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} >= {"in.csv", "out.jsonl"}
    assert not list(tmp_path.glob(".out*"))


def test_the_command(checkpoint, tmp_path, capsys):
    folder = str(checkpoint())
    assert main(["--model", folder, "profit rose", " ", "sales fell"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[1] == "no text" and lines[2].endswith("sales fell")
    source, target = write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    assert main(["--model", folder, "--input", str(source), "--output", str(target)]) == 0
    assert "12 rows scored\n3 rows have no text" in capsys.readouterr().out


def test_a_model_without_a_trained_head_is_refused(minilm, capsys):
    assert main(["--model", str(minilm), "profit rose"]) == 2
    assert "no trained classifier" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
def test_a_field_that_the_first_row_lacks_is_not_dropped(tiny, tmp_path, target):
    source = write(tmp_path / "in.jsonl", [{"text": "a"}, {"text": "b", "extra": "keep"}])
    with pytest.raises(InputError, match="'extra'"):
        scoring.score_file(Predictor(*tiny), source, tmp_path / target)
    scoring.score_file(Predictor(*tiny), source, tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl")[1]["extra"] == "keep"


def test_parquet_columns_without_a_value_at_first(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    rows = [{"text": None, "note": None}] * 3 + [{"text": "profit", "note": "late"}]
    source = write(tmp_path / "in.jsonl", rows)
    scoring.score_file(Predictor(*tiny), source, tmp_path / "out.parquet")
    last = read(tmp_path / "out.parquet")[-1]
    assert last["note"] == "late" and last["predicted_label"]


def test_values_without_one_parquet_type(tiny, tmp_path):
    for values in ((1, "a"), (10**30, 1), ({}, {})):
        source = write(tmp_path / "in.jsonl", [{"text": "a", "id": v} for v in values])
        with pytest.raises(InputError, match="instead"):
            scoring.score_file(
                Predictor(*tiny), source, tmp_path / "out.parquet", overwrite_parts=True
            )
        assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("target", "rows"),
    [
        ("out.jsonl", [{"text": "a", "x": 1.5}, {"text": "b", "x": float("inf")}]),
        ("out.jsonl", [{"text": "a", "x": None}, {"text": "b", "x": {"y": [b"c"]}}]),
        ("out.csv", [{"text": "a", "x": None}, {"text": "b", "x": b"c"}]),
        ("out.parquet", [{"text": "a"}, {"text": "b", "x": 1}]),
        ("out.parquet", [{"text": "a", "x": 1}, {"text": "b", "x": 2**63}]),
        ("out.parquet", [{"text": "a", "x": 1}, {"text": "b", "x": {"y": 1}}]),
        ("out.parquet", [{"text": "a", "x": 1}, {"text": "b", "x": 1, "score": 2}]),
    ],
)
def test_what_cannot_be_written_is_named_before_anything_is_scored(
    tiny, tmp_path, monkeypatch, target, rows
):
    monkeypatch.setattr(parts, "PART_ROWS", 1)
    monkeypatch.setattr(Predictor, "score", lambda *_: pytest.fail("scored too early"))
    ending = "jsonl" if target == "out.parquet" else "parquet"
    source = write(tmp_path / f"in.{ending}", rows)
    with pytest.raises(InputError, match=rf"in\.{ending}, .*row 2"):
        scoring.score_file(Predictor(*tiny), source, tmp_path / target)
    assert [path.name for path in tmp_path.iterdir() if path.name != "tiny"] == [source.name]


@pytest.mark.parametrize("by_sentence", [False, True])
def test_rows_without_a_text_are_counted_and_stay_in_their_place(
    checkpoint, tmp_path, capsys, by_sentence
):
    flags = ["--model", str(checkpoint()), *(["--by-sentence"] if by_sentence else [])]
    texts = [None, "profit rose", "", "   ", "\u2003\n", "sales fell"]
    sources = [write(tmp_path / "in.jsonl", [{"id": i, "text": t} for i, t in enumerate(texts)])]
    # As pandas stores a column that has no text at all.
    floats = pyarrow.table({"id": [0, 1], "text": [float("nan"), None]})
    parquet.write_table(floats, tmp_path / "in.parquet")
    sources.append(tmp_path / "in.parquet")
    for source, empty in zip(sources, ([0, 2, 3, 4], [0, 1]), strict=True):
        target = tmp_path / "out.jsonl"
        assert main([*flags, "--input", str(source), "--output", str(target)]) == 0
        assert f"{len(empty)} rows have no text; their prediction is left empty" in (
            capsys.readouterr().out
        )
        found = read(target)
        assert [row["id"] for row in found if row["predicted_label"] is None] == empty
        assert [row["id"] for row in found] == list(range(len(found)))


def test_parquet_never_changes_a_value(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    rows = [{"text": "a", "x": 1}] * 2 + [{"text": "b", "x": 2.5}]
    source, target = write(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet"
    with pytest.raises(InputError, match="instead"):
        scoring.score_file(Predictor(*tiny), source, target)
    pairs = pyarrow.array([[("k", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int64()))
    large = pyarrow.array([2**64 - 1], pyarrow.uint64())
    parquet.write_table(
        pyarrow.table({"text": ["a"], "pairs": pairs, "large": large}), tmp_path / "in.parquet"
    )
    scoring.score_file(Predictor(*tiny), tmp_path / "in.parquet", target, overwrite_parts=True)
    assert read(target)[0]["pairs"] == [("k", 1)]
    assert read(target)[0]["large"] == 2**64 - 1


class Constant:
    """A predictor that costs nothing."""

    num_long = 0

    def __init__(self, model, tokenizer):
        self.settings = {}
        self.model = model
        self.tokenizer = tokenizer

    def encode(self, texts):
        return texts

    def score(self, texts):
        return np.full((len(texts), 3), 1 / 3, np.float32)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tiny, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(parts, "PART_ROWS", 100)
    monkeypatch.setattr("mlx_finbert.data.tables.parquet_records.PARQUET_ROWS", 100)
    peaks = []
    for rows in (1_000, 10_000):
        source = write(tmp_path / f"{rows}.{ending}", [{"text": "profit rose " * 20}] * rows)
        tracemalloc.start()
        scoring.score_file(Constant(*tiny), source, tmp_path / f"out.{ending}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_what_the_system_refuses_is_one_sentence(checkpoint, tmp_path, capsys):
    folder = str(checkpoint())
    source = str(write(tmp_path / "in.csv", ROWS))
    (tmp_path / "file").touch()
    for output in (tmp_path / "file" / "out.csv", tmp_path / "folder.csv"):
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        assert main(["--model", folder, "--input", source, "--output", str(output)]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_a_model_with_one_output_or_broken_weights_is_refused(checkpoint, tmp_path, capsys):
    assert main(["--model", str(checkpoint(labels=["sentiment"], name="one")), "profit"]) == 2
    assert "a regression model" in capsys.readouterr().err
    model, tokenizer = mlx_finbert.load(checkpoint())
    model.classifier.weight = model.classifier.weight * float("nan")
    with pytest.raises(InputError, match=r"logits of the model from .*tiny are not finite"):
        mlx_finbert.predict_proba(model, tokenizer, ["profit"])
