"""Complete runs with a small checkpoint, and the files that they write."""

import csv
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

import mlx_finbert
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.cli.flags import parse
from mlx_finbert.errors import InputError
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.run import rows_of, run
from mlx_finbert.training.run_folder import RunFolder
from mlx_finbert.training.step import TrainStep

FILES = {
    "README.md", "best.json", "card.json", "checkpoints", "checksums.json", "config.json",
    "config.yaml", "confusion.png", "curves.png", "history.csv", "history.json", "log.jsonl",
    "metrics.json", "mistakes.csv", "model.safetensors", "reliability.csv", "report.html",
    "seen_texts.tsv", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """60 rows whose label depends on one word."""
    path = tmp_path / "news.csv"
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(60):
            label = list(verbs)[i % 3]
            writer.writerow([f"sales {verbs[label]} by {i} percent", label])
    return path


def settings(checkpoint_folder, table, output, **more):
    values = {"num_train_epochs": 2, "batch_size": 8, "learning_rate": 3e-3} | more
    return TrainSettings(
        model=str(checkpoint_folder), data=str(table), output_dir=str(output), **values
    )


@pytest.mark.usefixtures("charts")
def test_a_run_leaves_a_folder_that_works(checkpoint, table, tmp_path, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    result = run(settings(checkpoint(), table, tmp_path / "out", num_train_epochs=25))
    assert {p.name for p in result.folder.iterdir()} == FILES
    assert all(len(p.read_bytes()) > 5000 for p in result.folder.glob("*.png"))
    assert result.end == "finished"
    assert result.test.accuracy == 1.0
    model, tokenizer = mlx_finbert.load(result.folder)
    probabilities = mlx_finbert.predict_proba(model, tokenizer, ["sales rose", "sales fell"])
    assert [model.args.labels[i] for i in probabilities.argmax(axis=1)] == ["positive", "negative"]
    history = json.loads((result.folder / "history.json").read_text())
    rows = list(csv.DictReader((result.folder / "history.csv").read_text().splitlines()))
    assert [{k: float(v) for k, v in row.items()} for row in rows] == history
    assert json.loads((result.folder / "metrics.json").read_text())["accuracy"] == 1.0
    said = " ".join(caplog.messages)
    assert "60 rows (negative 20, neutral 20, positive 20); 42 train, 8 validation, 10 test" in said
    assert "are padding" in said


def test_the_written_config_repeats_the_run(checkpoint, table, tmp_path):
    first = run(settings(checkpoint(), table, tmp_path / "a", seed=3, max_length=20))
    config = first.folder / "config.yaml"
    argv = ["--config", str(config), "--output-dir", str(tmp_path / "b")]
    second = run(parse(TrainSettings, "train", "", argv))
    written = yaml.safe_load(config.read_text())
    assert written["seed"] == 3
    assert "output_dir" not in written and "overwrite" not in written
    for name in ("history.json", "history.csv", "model.safetensors", "metrics.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name


@pytest.mark.slow
def test_another_seed_is_another_run(checkpoint, table, tmp_path):
    folder = checkpoint()
    one, two = (run(settings(folder, table, tmp_path / f"{s}", seed=s)).folder for s in (0, 1))
    assert (one / "history.json").read_bytes() != (two / "history.json").read_bytes()


def test_the_head_of_a_checkpoint_keeps_its_order_of_labels(checkpoint, table, tmp_path):
    folder = checkpoint(labels=["Positive", "Negative", "Neutral"])
    result = run(settings(folder, table, tmp_path / "out", num_train_epochs=25))
    model, tokenizer = mlx_finbert.load(result.folder)
    assert model.args.labels == ["Positive", "Negative", "Neutral"]
    assert result.test.accuracy == 1.0
    assert mlx_finbert.predict_proba(model, tokenizer, ["sales rose"]).argmax() == 0


def test_the_split_does_not_depend_on_the_models_order_of_labels(
    checkpoint, table, tmp_path, caplog
):
    caplog.set_level(logging.INFO, "mlx_finbert")
    supports = []
    for i, labels in enumerate(
        (["positive", "negative", "neutral"], ["negative", "neutral", "positive"])
    ):
        folder = checkpoint(labels=labels, name=f"m{i}")
        caplog.clear()
        run(settings(folder, table, tmp_path / f"o{i}", num_train_epochs=1))
        supports.append([line for line in caplog.messages if "training tokens" in line])
    assert supports[0] and supports[0] == supports[1]


def test_input_that_cannot_be_used_writes_nothing(checkpoint, table, tmp_path):
    generic = checkpoint(labels=["LABEL_0", "LABEL_1", "LABEL_2"], name="generic")
    two = checkpoint(labels=["negative", "positive"], name="two")
    good = checkpoint()
    out = tmp_path / "out"
    for bad, words in (
        (settings(generic, table, out), "`model_labels`"),
        (settings(two, table, out), "negative, neutral, positive"),
        (settings(good, table, out, max_length=41), "`max_length` is 41: from 3 to 40"),
        (settings(good, table, out, labels=["a", "b", "c"]), "no value is one of a, b, c"),
        (settings(good, tmp_path / "missing.csv", out), "no such file"),
        (settings(tmp_path / "missing", table, out), "no such folder"),
    ):
        with pytest.raises(InputError, match=words):
            run(bad)
        assert not out.exists()
    run(settings(two, table, out, new_head=True))
    with pytest.raises(InputError, match="`overwrite=True`"):
        run(settings(good, table, out))
    run(settings(good, table, out, overwrite=True, num_train_epochs=1))


def test_rows_that_are_cut_are_counted(checkpoint, table, tmp_path, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    run(settings(checkpoint(), table, tmp_path / "out", num_train_epochs=1, max_length=5))
    assert "42 of 42 rows have more than 5 tokens and were cut" in caplog.text


def test_default_folders_are_numbered(checkpoint, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = checkpoint()
    for name in ("runs/tiny-news-csv", "runs/tiny-news-csv-2"):
        argv = ["--model", str(folder), "--data", str(table), "--num-train-epochs", "1"]
        assert main(argv) == 0
        assert (tmp_path / name / "config.json").exists()


def test_a_run_that_diverges_at_once_fails_and_saves_no_model(checkpoint, table, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", str(out)]
    argv += ["--batch-size", "100", "--learning-rate", "1e38", "--warmup-ratio", "0"]
    assert main(argv) == 1
    assert "not finite after 1 steps; no model was saved" in capsys.readouterr().out
    assert {p.name for p in out.iterdir()} == {"log.jsonl"}


def test_a_run_that_diverges_later_keeps_the_best(checkpoint, table, tmp_path, monkeypatch):
    on_evaluation = RunFolder.on_evaluation

    def spoil_after_the_first(self, *arguments):
        on_evaluation(self, *arguments)
        self.model.classifier.weight = self.model.classifier.weight * float("nan")

    monkeypatch.setattr(RunFolder, "on_evaluation", spoil_after_the_first)
    result = run(settings(checkpoint(), table, tmp_path / "out"))
    assert result.end == "diverged"
    assert {p.name for p in result.folder.iterdir()} == FILES
    assert np.isfinite(mlx_finbert.predict_proba(*mlx_finbert.load(result.folder), ["sales"])).all()


def test_a_failed_update_is_told_with_the_rows_of_the_file(
    checkpoint, table, tmp_path, monkeypatch, caplog
):
    failed = []

    def fail(self, update, *arguments):
        failed.append(update)
        raise RuntimeError("no memory is left")

    monkeypatch.setattr(TrainStep, "_gradients_of", fail)
    wished = settings(checkpoint(), table, tmp_path / "out")
    base = TrainingRun.of(wished.model)
    splits = rows_of(wished, wished.draw(wished.load_texts()), base)
    assert run(wished, splits=splits).end == "failed"
    texts = [splits.train.texts[row] for row in failed[0].rows]
    rows = ", ".join(str(int(text.split()[3]) + 1) for text in texts)
    assert f"update 1 failed (training rows {rows}, batch" in caplog.text


def test_an_interrupted_overwriting_run_leaves_no_report_of_the_old_one(
    checkpoint, table, tmp_path, monkeypatch
):
    folder = checkpoint()
    out = run(settings(folder, table, tmp_path / "out")).folder
    old = (out / "README.md").read_text()
    on_evaluation = RunFolder.on_evaluation

    def interrupt(self, *arguments):
        on_evaluation(self, *arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunFolder, "on_evaluation", interrupt)
    result = run(settings(folder, table, out, overwrite=True, seed=5))
    assert result.end == "interrupted"
    of_test_rows = {"metrics.json", "confusion.png", "mistakes.csv", "reliability.csv"}
    assert {p.name for p in out.iterdir()} == FILES - of_test_rows
    assert (out / "README.md").read_text() != old


def test_files_that_a_run_would_replace_need_overwrite(checkpoint, table, tmp_path):
    out = tmp_path / "project"
    out.mkdir()
    (out / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"holds README.md already.*`overwrite=True`"):
        run(settings(checkpoint(), table, out))
    assert (out / "README.md").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told_before_the_training(
    checkpoint, table, tmp_path, capsys
):
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "out")
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", out]
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and str(tmp_path / "file") in captured.err
    assert "steps of" not in captured.out


def test_the_maximum_length_is_kept_for_use(checkpoint, table, tmp_path):
    own = settings(checkpoint(), table, tmp_path / "out", num_train_epochs=1, max_length=5)
    folder = run(own).folder
    assert mlx_finbert.load(folder)[1].model_max_length == 5


def test_bad_input_is_one_line_and_status_2(capsys):
    assert main(["--data", "missing.csv"]) == 2
    assert capsys.readouterr().err == "error: --data missing.csv: there is no such file or folder\n"


def test_ctrl_c_saves_and_says_so(checkpoint, table, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            sys.executable, "-u", "-m", "mlx_finbert.train", "--model", str(checkpoint()),
            "--data", str(table), "--output-dir", str(out), "--num-train-epochs", "100000",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "history.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert re.search(
        r"stopped after step [\d,]+; the model of epoch .*; continue with --resume-from-checkpoint",
        output,
    )
    assert "Traceback" not in output
    for folder in (out, checkpoints_of(out)[-1]):
        mlx_finbert.load(folder)


def test_the_tutorials_plateau_works_as_flags(checkpoint, table, tmp_path):
    """ReduceLROnPlateau(monitor='accuracy', factor=0.5, patience=2, min_lr=1e-6)."""
    argv = ["--model", str(checkpoint()), "--data", str(table), "--num-train-epochs", "6"]
    argv += ["--output-dir", str(tmp_path / "out"), "--batch-size", "8", "--save-epochs", "0"]
    argv += ["--learning-rate", "3e-6", "--lr-scheduler-type", "constant", "--warmup-ratio", "0"]
    argv += ["--plateau-monitor", "accuracy", "--plateau-factor", "0.5", "--plateau-patience", "2"]
    argv += ["--plateau-min-lr", "1e-6", "--plateau-min-delta", "1"]
    assert main(argv) == 0
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert [r["learning_rate"] for r in history] == pytest.approx(
        [3e-6, 3e-6, 3e-6, 1.5e-6, 1.5e-6, 1e-6]
    )


def test_every_precision_and_option_reaches_the_step(checkpoint, table, tmp_path):
    argv = ["--model", str(checkpoint()), "--data", str(table), "--max-steps", "3"]
    argv += ["--batch-size", "8", "--save-epochs", "0", "--class-weights", "sqrt-balanced"]
    argv += ["--label-smoothing-factor", "0.1", "--layer-decay", "0.8", "--gradual-unfreezing"]
    argv += ["--freeze-embeddings", "--optimizer", "adam", "--gradient-checkpointing"]
    for dtype in ("bfloat16", "float16"):
        out = tmp_path / dtype
        assert main([*argv, "--output-dir", str(out), "--dtype", dtype]) == 0
        assert json.loads((out / "config.json").read_text())["dtype"] == "float32"


def test_early_stopping_and_the_best_metric(checkpoint, table, tmp_path, capsys):
    argv = ["--model", str(checkpoint()), "--data", str(table), "--num-train-epochs", "9"]
    argv += ["--output-dir", str(tmp_path / "out"), "--metric-for-best-model", "val_loss"]
    argv += ["--early-stopping-patience", "2", "--early-stopping-threshold", "10"]
    assert main(argv) == 0
    assert "stopped early after step 9; the model of epoch" in capsys.readouterr().out
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert len(history) == 3
