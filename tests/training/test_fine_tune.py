"""`mlx_finbert.fine_tune`: runs from Python, their callbacks, and data at hand."""

import csv
import inspect
import json
from html import escape
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
import yaml

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of

SETTINGS = {"max_steps": 12, "batch_size": 8, "learning_rate": 3e-3, "eval_steps": 5}
SAME = ("model.safetensors", "history.json", "metrics.json", "mistakes.csv", "seen_texts.tsv")


@pytest.fixture
def table():
    """60 rows whose label depends on one word, and a further column."""
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    labels = [[*verbs][i % 3] for i in range(60)]
    texts = [f"sales {verbs[label]} by {i} percent" for i, label in enumerate(labels)]
    return pd.DataFrame({"text": texts, "label": labels, "source": ["wire"] * 60})


class Noted(mlx_finbert.Callback):
    """Notes the events, and what the run's folder holds at each."""

    def __init__(self, folder=None):
        self.events = []
        self.folder = folder

    def on_start(self, settings, total_steps, resumed_at):
        self.settings = settings
        self.events.append(("start", total_steps, resumed_at))

    def on_step(self, figures):
        self.events.append(("step", figures.step))

    def on_evaluation(self, record, is_best):
        self.events.append(("evaluation", record.step, is_best))
        self.best = json.loads((self.folder / "best.json").read_text())["step"]

    def on_save(self, state, arrays):
        self.events.append(("save", state["run_state"]["step"], sorted(arrays)))
        self.saved = [path.name for path in checkpoints_of(self.folder)]

    def on_end(self, end):
        self.events.append(("end", end))


def same_files(one, other, names=SAME):
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_data_at_hand_gives_the_run_of_a_file(checkpoint, table, tmp_path):
    model, path = checkpoint(), tmp_path / "news.csv"
    table.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    from_file = mlx_finbert.fine_tune(model, path, output_dir=tmp_path / "file", **SETTINGS)
    at_hand = mlx_finbert.fine_tune(model, table, output_dir=tmp_path / "hand", **SETTINGS)
    assert {p.name for p in from_file.folder.iterdir()} == {
        p.name for p in at_hand.folder.iterdir()
    }
    same_files(from_file.folder, at_hand.folder, [name for name in SAME if name != "metrics.json"])
    assert from_file.test.to_dict(from_file.labels) == at_hand.test.to_dict(at_hand.labels)
    of_file, of_hand = (
        yaml.safe_load((r.folder / "config.yaml").read_text()) for r in (from_file, at_hand)
    )
    assert of_file.pop("data") == str(path)
    assert of_hand.pop("data").startswith("texts in memory (sha256 ")
    assert of_file == of_hand
    assert "texts in memory (sha256 " in (at_hand.folder / "README.md").read_text()


def test_splits_of_a_dataset_are_used(checkpoint, table, tmp_path):
    parts = {"train": table[:40], "validation": table[40:50], "test": table[50:]}
    data = datasets.DatasetDict(
        {k: datasets.Dataset.from_pandas(part, preserve_index=False) for k, part in parts.items()}
    )
    result = mlx_finbert.fine_tune(checkpoint(), data, output_dir=tmp_path / "out", **SETTINGS)
    assert result.predictions.texts == [*table["text"][50:]]
    seen = (result.folder / "seen_texts.tsv").read_text()
    assert (seen.count("\ttrain\t"), seen.count("\tvalidation\t")) == (40, 10)


def test_a_column_of_dates_splits_a_data_frame(checkpoint, table, tmp_path):
    dated = table.assign(day=pd.date_range("2026-01-01", periods=60)).sample(frac=1, random_state=0)
    result = mlx_finbert.fine_tune(
        checkpoint(), dated, output_dir=tmp_path / "out", split_by_column="day", **SETTINGS
    )
    last = dated[dated["day"] >= "2026-02-18"]
    assert result.predictions.texts == [*last["text"]]
    found = mlx_finbert.evaluate_classifier(result, dated)
    assert found.rows.texts == [*last["text"]]
    assert found.metrics.accuracy == result.test.accuracy


def test_the_order_of_events(checkpoint, table, tmp_path):
    noted = Noted(tmp_path / "out")
    result = mlx_finbert.fine_tune(
        checkpoint(), table, callbacks=[noted], output_dir=tmp_path / "out", save_steps=6,
        **SETTINGS | {"max_steps": 7},
    )  # fmt: skip
    assert noted.events == [
        ("start", 7, 0),
        *(("step", i) for i in range(1, 6)), ("evaluation", 5, True),
        ("step", 6), ("evaluation", 6, True), ("save", 6, ["ended", "m", "scale", "step", "v"]),
        ("step", 7), ("evaluation", 7, True),
        ("end", "finished"),
    ]  # fmt: skip
    # The folder was up to date whenever the callback was called.
    assert noted.best == 7
    assert noted.saved == ["step-00000006"]
    assert noted.settings["max_steps"] == 7
    assert result.end == "finished"


class Stopping(mlx_finbert.Callback):
    """Ends the run by an exception."""

    def __init__(self, at):
        self.at = at
        self.end = None

    def on_step(self, figures):
        if figures.step == self.at:
            raise RuntimeError("enough")

    def on_end(self, end):
        self.end = end


def test_a_run_from_memory_goes_on_bit_for_bit(checkpoint, table, tmp_path):
    model, whole, broken = checkpoint(), tmp_path / "whole", tmp_path / "broken"
    more = SETTINGS | {"save_steps": 4, "dtype": "bfloat16"}
    mlx_finbert.fine_tune(model, table, output_dir=whole, **more)
    stopping = Stopping(9)
    with pytest.raises(RuntimeError, match="enough"):
        mlx_finbert.fine_tune(model, table, callbacks=[stopping], output_dir=broken, **more)
    assert stopping.end == "failed"
    assert [path.name for path in checkpoints_of(broken)] == ["step-00000004", "step-00000008"]
    noted = Noted(broken)
    pair = table["text"], table["label"].to_numpy()
    result = mlx_finbert.fine_tune(data=table, resume_from_checkpoint=broken, callbacks=[noted])
    assert noted.events[0] == ("start", 12, 8)
    assert result.folder == broken
    same_files(whole, broken)
    last = "checkpoints/step-00000012"
    same_files(whole / last, broken / last, ["model.safetensors", "optimizer.safetensors"])
    # The same rows in another form, which lack a further column, are the same data.
    again = mlx_finbert.fine_tune(data=pair, resume_from_checkpoint=result)
    assert again.end == "finished"


def test_a_run_from_memory_says_when_the_data_is_another(checkpoint, table, tmp_path):
    mlx_finbert.fine_tune(checkpoint(), table, output_dir=tmp_path / "out", **SETTINGS)
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    other = table.assign(text=table["text"].str.replace("by 2 percent", "by 200 percent"))
    found = r"is not what this run was trained on: 1 training text is new"
    with pytest.raises(InputError, match=found):
        mlx_finbert.fine_tune(data=other, resume_from_checkpoint=tmp_path / "out")
    with pytest.raises(InputError, match="a Python program gave these texts"):
        mlx_finbert.fine_tune(resume_from_checkpoint=tmp_path / "out")
    now = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {p: b for p, b in now.items() if "lock" not in p.name} == before


def test_commands_say_that_the_texts_are_not_kept(checkpoint, table, tmp_path, capsys):
    mlx_finbert.fine_tune(checkpoint(), table, output_dir=tmp_path / "out", **SETTINGS)
    assert main(["--resume-from-checkpoint", str(tmp_path / "out")]) == 2
    assert "--data texts in memory (sha256" in (said := capsys.readouterr().err)
    assert "or another place with --data" in said


def test_without_a_folder_the_run_takes_a_new_one(checkpoint, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = mlx_finbert.fine_tune(checkpoint(), (table["text"], table["label"]), **SETTINGS).folder
    assert folder == Path("runs/tiny-in-memory")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"lr": 1e-5}, "there is no parameter `lr`; did you mean `learning_rate`"),
        ({"epoch": 1}, "there is no parameter `epoch`; did you mean `num_train_epochs`"),
        ({"epochs": 1}, "there is no parameter `epochs`; did you mean `num_train_epochs`"),
        ({"resume": "a"}, "there is no parameter `resume`; did you mean `resume_from_checkpoint`"),
        ({"num_train_epochs": 2.5}, "`num_train_epochs` is 2.5: of type int"),
        ({"num_train_epochs": True}, "`num_train_epochs` is True: of type int"),
        ({"learning_rate": "fast"}, "`learning_rate` is fast: of type float"),
        ({"lr_scheduler_type": "linea"}, "`lr_scheduler_type` is linea: one of "),
        ({"num_train_epochs": 0}, "`num_train_epochs` is 0: must be at least 1"),
        ({"folds": 5}, "`folds` is 5: one call trains one fold; add `fold=1`"),
        ({"callbacks": [Noted]}, "`callbacks` has Noted, which is not an instance"),
        ({"callbacks": [print]}, "`callbacks` has print, which is not an instance"),
        ({"callbacks": Noted()}, "`callbacks` is a single callback: give a list"),
        ({"data": 3}, "`data` is a int: give a path or a name"),
        ({"data": (["a"], ["x"])}, "its training rows have only one label"),
        ({"data": "news.csv"}, "`data=news.csv`: there is no such file"),
        ({"text_column": "headline"}, "lacks one of the columns 'headline'"),
    ],
)
def test_errors_name_parameters_and_nothing_is_written(checkpoint, table, tmp_path, more, words):
    given = {"data": table, "output_dir": tmp_path / "out"} | more
    with pytest.raises(InputError, match=words) as caught:
        mlx_finbert.fine_tune(checkpoint(), **given)
    assert "--" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_values_of_python_become_those_of_the_settings(checkpoint, table, tmp_path):
    ids = table.assign(label=table["label"].map({"negative": -1, "neutral": 0, "positive": 1}))
    noted = Noted(tmp_path / "out")
    mlx_finbert.fine_tune(
        checkpoint(), ids, callbacks=(noted,), output_dir=tmp_path / "out",
        label_map={-1: "negative", 0: "neutral", 1: "positive"},
        class_weights={"negative": 2}, max_steps=np.int64(2), learning_rate=np.float32(0.5),
        weight_decay=0, report_to=(),
    )  # fmt: skip
    expected = {
        "label_map": "-1=negative,0=neutral,1=positive", "class_weights": ["negative=2"],
        "max_steps": 2, "learning_rate": 0.5, "weight_decay": 0.0, "report_to": [],
    }  # fmt: skip
    assert {name: noted.settings[name] for name in expected} == expected
    assert yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["max_steps"] == 2


def test_a_result_prints_short_and_is_a_table_in_a_notebook(checkpoint, table, tmp_path):
    folder = tmp_path / "<b>&"
    result = mlx_finbert.fine_tune(checkpoint(), table, output_dir=folder, **SETTINGS)
    assert str(result) == repr(result)
    assert len(str(result)) < 300
    assert str(result).startswith(f"Result({folder}: finished after 12 steps; validation loss ")
    assert f"accuracy {result.test.accuracy:.4f}, macro-F1 {result.test.macro_f1:.4f})" in str(
        result
    )
    page = result._repr_html_()
    assert f"{escape(str(folder))}: finished after 12 steps" in page
    assert "<b>" not in page
    assert f"<tr><th>test</th><td>{result.test.loss:.4f}</td>" in page
    # Wherever a folder is taken, the result is, too.
    model, _ = mlx_finbert.load(result)
    assert model.args.labels == result.labels


def test_the_signature_shows_the_settings():
    shown = inspect.signature(mlx_finbert.fine_tune).parameters
    assert [*shown][:3] == ["model", "data", "callbacks"]
    assert shown["num_train_epochs"].default == 4
    assert shown["learning_rate"].default is None
    assert "settings" not in shown
    assert "json" not in inspect.signature(mlx_finbert.evaluate_classifier).parameters
    assert {*mlx_finbert.__all__} <= {*dir(mlx_finbert)}
