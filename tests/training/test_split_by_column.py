"""`--split-by-column` from the flag to the rows that `evaluate` measures."""

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.evaluation.evaluate import run as evaluate_run
from mlx_finbert.train import main as train
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.run import run

VERBS = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
SHORT = ["--max-steps", "2", "--batch-size", "8", "--max-length", "16", "--save-epochs", "0"]
DAYS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(40)]


def rows():
    """Three rows a day, the days in no order; 3 rows of the future repeat a text of the past."""
    found = [
        {"text": f"sales {verb} by {day} percent", "label": label, "date": date.date().isoformat()}
        for day, date in enumerate(DAYS)
        for label, verb in VERBS.items()
    ]
    for i in range(3):
        found[-1 - i]["text"] = found[i]["text"]
        found[-1 - i]["label"] = found[i]["label"]
    return found[60:] + found[:60]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "news.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label", "date"])
        writer.writeheader()
        writer.writerows(rows())
    return path


@pytest.fixture
def trained(checkpoint, table, tmp_path):
    """Factory of runs: `trained(*flags)`."""
    model = checkpoint()

    def make(*flags, data=table):
        out = tmp_path / "run"
        argv = ["--model", str(model), "--data", str(data), "--output-dir", str(out), *SHORT]
        assert train([*argv, *flags]) == 0
        return out

    return make


def test_evaluate_measures_the_test_rows_of_the_run(trained, capsys):
    out = trained("--split-by-column", "date")
    said = capsys.readouterr().out
    assert "87 train, 9 validation, 24 test" in said
    assert "sorted by date: validation rows begin at 2026-01-30, test rows at 2026-02-02" in said
    assert "3 of 24 rows were left out, because the model saw their texts" in said
    assert json.loads((out / "metrics.json").read_text())["rows"] == 21
    assert yaml.safe_load((out / "config.yaml").read_text())["split_by_column"] == "date"
    found = evaluate_run(EvaluateSettings(model=str(out)))
    assert len(found.rows) == 21
    assert min(row["date"] for row in found.rows.others) == "2026-02-02"
    assert found.heading.endswith("news.csv (test), by column date: 21 of 24 rows")
    assert found.metrics.loss == pytest.approx(
        json.loads((out / "metrics.json").read_text())["loss"], abs=1e-6
    )
    assert evaluate(["--model", str(out), "--split-seed", "5"]) == 0
    assert "--split-seed does not choose the test rows" in capsys.readouterr().out
    validation = evaluate_run(EvaluateSettings(model=str(out), split="validation"))
    assert {row["date"] for row in validation.rows.others} == {
        "2026-01-30", "2026-01-31", "2026-02-01"
    }  # fmt: skip


def test_other_data_needs_no_such_column(trained, tmp_path):
    out = trained("--split-by-column", "date")
    other = tmp_path / "june.csv"
    other.write_text("text,label\n" + "".join(f"orders rose {i},positive\n" for i in range(30)))
    assert len(evaluate_run(EvaluateSettings(model=str(out), data=str(other))).rows) == 30
    drawn = evaluate_run(EvaluateSettings(model=str(out), data=str(other), split="test"))
    assert "split seed 0" in drawn.heading


def test_a_yaml_file_and_python_do_the_same(trained, checkpoint, table, tmp_path):
    flags = trained("--split-by-column", "date", "--test-fraction", "0.3")
    own = {"output_dir": str(tmp_path / "yaml"), "split_by_column": "date", "test_fraction": 0.3}
    config = yaml.safe_load((flags / "config.yaml").read_text()) | own
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    assert train(["--config", str(tmp_path / "run.yaml")]) == 0
    python = run(TrainSettings(**config | {"output_dir": str(tmp_path / "python")}))
    assert python.test is not None
    for other in (tmp_path / "yaml", python.folder):
        for name in ("metrics.json", "seen_texts.tsv", "model.safetensors"):
            assert (other / name).read_bytes() == (flags / name).read_bytes(), name


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_dates_of_other_formats(trained, tmp_path, kind):
    found, path = rows(), tmp_path / f"news.{kind}"
    if kind == "jsonl":
        for row in found:
            row["date"] = int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp())
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow.parquet import write_table

        for row in found:
            row["date"] = datetime.fromisoformat(row["date"])
        write_table(pyarrow.Table.from_pylist(found), path)
    out = trained("--split-by-column", "date", data=path)
    measured = evaluate_run(EvaluateSettings(model=str(out))).rows
    by_text = {row["text"]: row["date"] for row in rows()}
    assert len(measured) == 21
    assert min(by_text[text] for text in measured.texts) == "2026-02-02"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--split-by-column", "day"],
            "row 1 has no column 'day'; its columns are 'date': choose one with --split-by-column",
        ),
        (["--split-by-column", "date", "--folds", "3"], "--split-by-column and --folds both"),
        (
            ["--split-by-column", "date", "--split-column", "part"],
            "--split-by-column and --split-column both choose the test rows: leave out one",
        ),
        (
            ["--split-by-column", "date", "--data", "sample"],
            "sample has its own splits, which --split-by-column would mix: leave it out",
        ),
    ],
)
def test_what_is_refused_in_one_sentence(table, capsys, flags, words):
    assert train(["--data", str(table), *flags]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_value_that_is_no_date_names_its_row(table, capsys):
    table.write_text(table.read_text().replace("2026-01-25", "25 January"))
    assert train(["--data", str(table), "--split-by-column", "date"]) == 2
    line = next(i for i, row in enumerate(rows(), 1) if row["date"] == "2026-01-25")
    assert (
        f"news.csv, row {line}, column 'date' is '25 January', which is neither an ISO date or time"
        " (2026-11-27, 2026-11-27T21:07:00) nor a number: correct or remove the row, or choose"
        " another --split-by-column\n"
    ) in capsys.readouterr().err
