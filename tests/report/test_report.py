"""The report of a run: the page, the pictures and the tables."""

import csv
import json
import re
import subprocess
import sys
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import mlx_finbert.report
from mlx_finbert.evaluation.calibration import expected_calibration_error, fit_temperature
from mlx_finbert.evaluation.metrics import measure
from mlx_finbert.inference.logits import softmax
from mlx_finbert.report import FILES, Predictions, Report, metrics_of, write_report
from mlx_finbert.report.contents import this_machine

VOID = {"meta", "br", "wbr"}
FOREIGN = {"script", "link", "img", "image", "iframe", "object", "embed", "base", "form"}


def evaluation(number, **more):
    return {
        "step": 10 * number,
        "epoch": float(number),
        "learning_rate": 1e-4 / number,
        "loss": 1 / number,
        "accuracy": 1 - 0.5 / number,
        "grad_norm": 3.0,
        "val_loss": 1.1 / number,
        "val_accuracy": 1 - 0.6 / number,
        "val_macro_f1": 1 - 0.7 / number,
    } | more


def predictions(num_labels=3, rows=60, skill=1.0, texts=None):
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % num_labels
    logits = 2 * (rng.normal(size=(rows, num_labels)) + skill * np.eye(num_labels)[labels])
    texts = texts or [f"text {i}." for i in range(rows)]
    return Predictions("test", texts, labels, logits.astype(np.float32))


def report(num_labels=3, **more):
    values = {
        "title": "a run",
        "model": "minilm",
        "data": "sample",
        "ending": "Finished after 3 epochs.",
        "settings": {"num_train_epochs": 3, "learning_rate": 1e-4, "labels": None},
        "defaults": {"num_train_epochs": 5, "learning_rate": 1e-4, "labels": None},
        "history": [evaluation(i) for i in (1, 2, 3)],
        "best_step": 20,
        "label_names": [f"label {i}" for i in range(num_labels)],
        "predictions": predictions(num_labels),
        "temperature": 1.7,
        "machine": {"device": "a chip"},
    }
    return Report(**values | more)


def written(folder, report):
    """The page of a report."""
    write_report(folder, report)
    return (folder / "report.html").read_text(encoding="utf-8")


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Checked(HTMLParser):
    """A parser that refuses unclosed elements, external files and scripts."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.references, self.styles = [], [], [], []
        self.texts, self.tags, self.drawn = [], [], []
        self.feed(page)
        assert not self.open
        assert len(set(self.ids)) == len(self.ids)
        assert set(self.references) <= set(self.ids)

    def handle_starttag(self, tag, attributes):
        assert tag not in FOREIGN
        self.open += [] if tag in VOID else [tag]
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on") and name != "src", name
            if name == "href":
                assert value.startswith("#")
                self.references.append(value[1:])
            elif name == "id":
                self.ids.append(value)
            elif name == "style":
                self.styles.append(value)
            self.references += re.findall(r"url\(#(.+?)\)", value or "")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        self.drawn += [data] if self.open and self.open[-1] == "text" else []


def test_the_page_is_one_whole(tmp_path):
    page = written(tmp_path, report())
    found = Checked(page)
    assert found.tags.count("svg") == 7
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "") and "@import" not in page
    assert set(re.findall(r"url\((.)", page)) == {"#"}
    assert not re.search(r"\b(nan|inf|None)\b", " ".join(found.texts))
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    for name in ("curves.png", "confusion.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_pictures_take_the_colours_of_the_page(tmp_path):
    found = Checked(written(tmp_path, report(predictions=predictions(skill=2))))
    used = set(re.findall(r"(?:fill|stroke): ([^;]+)", ";".join(found.styles)))
    assert used == {"none", *(f"var(--{n})" for n in (
        "ink", "muted", "line", "before", "accent", "on-accent"))}  # fmt: skip


def test_the_figures_are_those_of_the_predictions(tmp_path):
    made = report()
    page, figures = written(tmp_path, made), metrics_of(made)
    logits, labels = made.predictions.logits.astype(float), made.predictions.label_ids
    raw, after = measure(logits, labels), measure(logits / 1.7, labels)
    assert figures["accuracy"] == raw.accuracy == after.accuracy
    assert (figures["loss"], figures["uncalibrated"]["loss"]) == (after.loss, raw.loss)
    eces = [expected_calibration_error(softmax(x), labels) for x in (logits, logits / 1.7)]
    assert [figures["uncalibrated"]["ece"], figures["ece"]] == eces
    assert figures["split"] == "test" and figures["rows"] == 60
    shown = [figures[n] for n in ("accuracy", "macro_f1", "mcc", "loss", "brier", "ece")]
    for value in (*shown, *figures["intervals_95"]["accuracy"], figures["uncalibrated"]["ece"]):
        assert f"{value:.4f}" in page
    assert "temperature, fitted on validation rows, is 1.700" in page
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_tables_repeat_the_figures(tmp_path):
    made = report()
    page, figures = written(tmp_path, made), metrics_of(made)
    found = rows_of(tmp_path / "mistakes.csv")
    assert len(found) == 60 - np.trace(figures["confusion"]) > 10
    sure = [float(row["probability"]) for row in found]
    assert sure == sorted(sure, reverse=True)
    probabilities = softmax(made.predictions.logits / 1.7)
    for row in found:
        i = int(row["row"]) - 1
        predicted, true = (made.label_names.index(row[f"{k}_label"]) for k in ("predicted", "true"))
        assert (row["text"], true) == (made.predictions.texts[i], made.predictions.label_ids[i])
        assert predicted == probabilities[i].argmax() != true
        assert float(row["probability"]) == pytest.approx(probabilities[i, predicted], abs=1e-6)
        assert float(row["true_probability"]) == pytest.approx(probabilities[i, true], abs=1e-6)
    places = [page.find(f">{row['text']}<") for row in found]
    assert places[0] > 0 and places[:10] == sorted(places[:10]) and set(places[10:]) == {-1}

    table = rows_of(tmp_path / "reliability.csv")
    assert len(table) == 30
    for name, ece in (("after", figures["ece"]), ("before", figures["uncalibrated"]["ece"])):
        bins = [row for row in table if row["scaling"] == name and row["rows"] != "0"]
        assert sum(int(row["rows"]) for row in bins) == 60
        empty = [row for row in table if row["rows"] == "0"]
        assert {(row["confidence"], row["accuracy"]) for row in empty} == {("", "")}
        assert ece == pytest.approx(sum(
            int(row["rows"]) / 60 * abs(float(row["accuracy"]) - float(row["confidence"]))
            for row in bins
        ))  # fmt: skip


def test_mistakes_have_the_row_of_the_file_and_its_other_columns(tmp_path):
    rows = predictions(2, 3, -9)
    day = date(2024, 2, 29)
    rows.numbers = np.array([4012, 17, 5])
    rows.others = [
        {"id": 7, "row": "theirs", "day": day, "tags": ["a", {"b": "ü"}]},
        {"id": None, "row": "x", "data_row": "y", "text": "<i>"},
        {},
    ]
    page = written(tmp_path, report(2, predictions=rows))
    found = {row["row"]: row for row in rows_of(tmp_path / "mistakes.csv")}
    assert found.keys() == {"4012", "17", "5"}
    columns = list(next(iter(found.values())))
    assert columns[0] == "row" and columns[-5:-3] == ["true_label", "predicted_label"]
    assert set(columns[1:-5]) == {
        "id", "data_data_row", "data_row", "day", "tags", "data_text",
    }  # fmt: skip
    one, two = found["4012"], found["17"]
    assert (one["id"], one["data_data_row"], one["day"]) == ("7", "theirs", "2024-02-29")
    assert json.loads(one["tags"]) == ["a", {"b": "ü"}]
    assert (two["id"], two["data_data_row"], two["data_row"]) == ("", "x", "y")
    assert (two["text"], two["data_text"]) == ("text 1.", "<i>")
    told = " ".join(Checked(page).texts)
    assert "row 4012, " in told and "id: 7" in told and "tags: [" in told and "None" not in told


def test_undefined_figures_are_a_dash_and_null(tmp_path):
    rows = predictions(3, 60, 9)
    rows.label_ids = rows.label_ids % 2
    rows.logits = np.float32(9) * np.eye(3, dtype=np.float32)[rows.label_ids]
    page, figures = (
        written(tmp_path, report(predictions=rows)),
        metrics_of(report(predictions=rows)),
    )
    assert figures["macro_f1"] == 1
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["labels"]["label 2"]["precision"] is None
    assert figures["intervals_95"]["recall"][1][2] is None
    assert "label 2</bdi></th><td>-</td><td>-</td><td>-</td><td>0</td><td>0</td>" in page
    assert "nan" not in page


def test_one_answer_to_all_is_told(tmp_path):
    rows = predictions()
    rows.logits[:, 1] = 99
    made = report(predictions=rows)
    said = "every row was predicted as 'label 1': the model has learned nothing from the texts"
    assert metrics_of(made)["notes"] == [said]
    assert said[1:] in unescape(written(tmp_path, made))


def test_rows_that_ctrl_c_left_out_and_that_were_cut_are_told(tmp_path):
    rows = predictions()
    rows.rows_in_all, rows.truncated = 900, 7
    made = report(predictions=rows)
    page, figures = written(tmp_path, made), metrics_of(made)
    assert "Ctrl-C: 60 of 900 test rows were measured, a random sample. 60 test rows, " in page
    assert "7 of the rows were too long and were cut" in page
    told = [figures[name] for name in ("rows", "rows_in_all", "interrupted", "truncated")]
    assert told == [60, 900, True, 7]
    whole = metrics_of(report())
    assert (whole["rows"], whole["rows_in_all"], whole["interrupted"]) == (60, 60, False)


def test_the_same_report_is_the_same_bytes(tmp_path):
    import matplotlib

    for name in "ab":
        write_report(tmp_path / name, report())
        # The user's own settings, which must not affect the pictures.
        matplotlib.rcParams["xtick.labelsize"] = 30
    assert matplotlib.rcParams["xtick.labelsize"] == 30
    matplotlib.rcdefaults()
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


NASTY = [
    "<script>alert('$1 and $2')</script>", "x" * 2000, "\U0001f600" * 300, "a\nb\x00\x1bc", "",
    "]]> <!-- &amp;", "\u202eabc", "\udc80", '" onload="x', "$\\frac{1}{2}$", "{title}", "%s",
]  # fmt: skip


def test_texts_and_names_of_any_kind(tmp_path):
    names = ["$<script>$ \U0001f600", 'a "very" long name of a label & more\x1b\udc80']
    made = report(2, label_names=names, title="<b>\udc80", data="</style>", notes=["<i>"],
                  predictions=predictions(2, 12, -3, NASTY))  # fmt: skip
    page = written(tmp_path, made)
    found = Checked(page)
    assert "<b>" in found.texts and "<i>" in found.texts
    # On both axes of the matrix, and not as a formula.
    assert found.drawn.count("$<script>$ \U0001f600") == 2
    shown = unescape(page)
    assert NASTY[0] in found.texts and "$\\frac{1}{2}$" in found.texts
    assert "x" * 800 + "… (2,000 characters" in shown and "x" * 801 not in shown
    assert not re.search("[\x00-\x08\x0b-\x1f]", page)
    texts = {row["text"] for row in rows_of(tmp_path / "mistakes.csv")}
    assert texts == {text.replace("\udc80", "\\udc80") for text in NASTY}


@pytest.mark.parametrize("num_labels", [2, 30, 31, 77])
def test_any_number_of_labels(tmp_path, num_labels):
    made = report(num_labels, predictions=predictions(num_labels, 3 * num_labels, 1))
    found = Checked(written(tmp_path, made))
    # The matrix has its numbers and, on both axes, the names; or neither.
    matrix = num_labels**2 + 2 * num_labels if num_labels <= 30 else 0
    others = report(num_labels, predictions=None)
    without = Checked(written(tmp_path, others)).tags.count("text")
    reliability_and_axes = 12 + 4
    assert found.tags.count("text") == without + matrix + reliability_and_axes


def test_one_evaluation_and_no_mistake(tmp_path):
    made = report(history=[evaluation(1)], best_step=10, temperature=1.0,
                  predictions=predictions(skill=50))  # fmt: skip
    page = written(tmp_path, made)
    Checked(page)
    assert "all 60 rows are correct" in page and "No temperature scaling" in page
    assert "dashed line marks step" not in page
    assert rows_of(tmp_path / "mistakes.csv") == []


def test_a_history_with_gaps_and_keys_of_its_own(tmp_path):
    history = [
        evaluation(1, loss=None, val_loss=float("nan"), learning_rate=float("nan"), lora=7),
        evaluation(2, grad_norm=float("inf"), learning_rate=None),
        {"step": 30},
    ]
    for row in history:
        row.pop("accuracy", None)
    page = written(tmp_path, report(history=history))
    Checked(page)
    assert "Learning rate" not in page and "Accuracy over the epochs" in page
    assert "dashed line marks step 20" in page


def test_without_predictions_or_history(tmp_path):
    for made in (report(predictions=None), report(predictions=Predictions("test", [], [], []))):
        page = written(tmp_path / "a", made)
        Checked(page)
        assert "Results" not in page and "Loss over the epochs" in page
        assert {path.name for path in (tmp_path / "a").iterdir()} == {"report.html", "curves.png"}
        with pytest.raises(ValueError, match="no predictions"):
            metrics_of(made)
    page = written(tmp_path / "b", report(history=[], best_step=None))
    Checked(page)
    assert "over the epochs" not in page and not (tmp_path / "b" / "curves.png").exists()


def test_settings_that_differ_stand_beside_their_default(tmp_path):
    page = written(tmp_path, report())
    assert "1 of 3 settings differ from their default" in page
    name, *values = (f"<code>{cell}</code>" for cell in ("num_train_epochs", 3, 5))
    row = f"<th scope=row>{name}</th>" + "".join(f"<td>{value}</td>" for value in values)
    assert row in page
    assert "<li><code>learning_rate</code> <code>0.0001</code></li>" in page
    assert "<li><code>labels</code> <code>–</code></li>" in page


def test_the_run_is_told(tmp_path):
    told = written(
        tmp_path,
        report(padding_waste=0.137, tokens_per_second=2310.4, peak_memory=1_130_000_000,
               notes=["7 rows were cut"]),
    )  # fmt: skip
    for words in ("13.7% of", "2,310 tokens per second", "1.13 GB", "a chip", "7 rows were cut",
                  "Finished after 3 epochs.", "minilm on sample"):  # fmt: skip
        assert words in told, words
    assert "GB" not in written(tmp_path, report())


def test_validation_rows_are_named_as_such(tmp_path):
    made = report()
    made.predictions.split = "validation"
    assert "60 validation rows" in written(tmp_path, made)
    assert "made choices on these rows" in (tmp_path / "report.html").read_text()


def test_a_fitted_temperature_lowers_the_loss():
    rows = predictions(rows=600)
    temperature = fit_temperature(rows.logits, rows.label_ids)
    figures = metrics_of(report(predictions=rows, temperature=temperature))
    assert figures["loss"] < figures["uncalibrated"]["loss"]
    assert figures["calibration_temperature"] == temperature > 1


def test_this_machine_is_described():
    found = this_machine()
    assert found["Python"] == sys.version.split()[0]
    assert all(found.values()) and "mlx" in found and "mlx-finbert" in found


def test_the_package_is_apart():
    paths = {*Path(mlx_finbert.report.__file__).parent.glob("*.py")}
    # It also loads what is measured, so nothing of the page imports it.
    (function,) = (path for path in paths if path.name == "evaluate_classifier.py")
    for path in paths - {function}:
        assert function.stem not in path.read_text()
        imported = set(re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE))
        own = {name for name in imported if name.startswith("mlx_finbert.")}
        allowed = (
            "mlx_finbert.report",
            "mlx_finbert.evaluation",
            "mlx_finbert.inference.logits",
            "mlx_finbert.inference.scored_rows",
            "mlx_finbert.files",
            "mlx_finbert.errors",
            "mlx_finbert._version",
        )
        assert all(name.startswith(allowed) for name in own), path


def test_importing_it_is_light():
    code = (
        "import sys, mlx_finbert.report; print({'matplotlib', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
