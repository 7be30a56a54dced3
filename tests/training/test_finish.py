"""The end of a run: the calibrated best model, for all tools and after any kill."""

import csv
import json
import os
import shutil
import signal

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.data.loader import Loader
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.evaluation.evaluate import run as evaluate
from mlx_finbert.models import FAMILIES
from mlx_finbert.train import main
from mlx_finbert.training import finish, run_folder
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.run_folder import RunFolder

FLAGS = [
    "--num-train-epochs", "3", "--batch-size", "8", "--learning-rate", "1e-2", "--max-length", "32",
    "--metric-for-best-model", "val_loss", "--save-epochs", "1", "--save-total-limit", "9",
]  # fmt: skip
LORA = ["--lora-rank", "4"]
INTERRUPTED = 130
TEXTS = ["sales rose by 3 percent", "sales fell", "orders unchanged"]


class Killed(BaseException):
    """Ends a run while it writes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the tests' data lies, and the runs that they share."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def table(place):
    """Rows with random labels in a third of them, so that no model can be certain."""
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    random = np.random.default_rng(0)
    rows = [
        f"sales {verb} by {i} percent,{random.choice([label, label, *verbs])}"
        for i in range(100)
        for label, verb in verbs.items()
    ]
    path = place / "news.csv"
    path.write_text("\n".join(["text,label", *rows]))
    return path


@pytest.fixture
def command(checkpoint_in, place, table):
    """Factory of arguments: `command(output, *flags)`."""
    if not (place / "tiny").exists():
        checkpoint_in(place / "tiny")
    model = str(place / "tiny")

    def make(output, *more):
        return ["--model", model, "--data", str(table), "--output-dir", str(output), *FLAGS, *more]

    return make


@pytest.fixture
def finished(command, place, tmp_path):
    """Factory of copies of finished runs, each trained once: `finished(*flags)`."""

    def make(*more):
        run = place / " ".join(["run", *more])
        if not run.exists():
            assert main(command(run, *more)) == 0
        return shutil.copytree(run, tmp_path / "finished")

    return make


def files_of(run):
    """The parts that a run and its repetition must share."""
    names = "model.safetensors", "adapters.safetensors", "config.json", "metrics.json", "best.json"
    paths = [run / name for name in names if (run / name).exists()]
    paths += sorted(run.glob("checkpoints/*/*.safetensors"))
    return {path.relative_to(run): path.read_bytes() for path in paths}


def head_of(model):
    return dict(tree_flatten(model.output_layer.parameters()))


def temperature_of(run):
    return json.loads((run / "metrics.json").read_text())["calibration_temperature"]


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_gives_the_same_probabilities(checkpoint, table, tmp_path, family):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    run = tmp_path / "run"
    argv = ["--model", str(checkpoint(family)), "--data", str(table), "--output-dir", str(run)]
    assert main([*argv, *FLAGS]) == 0
    temperature = temperature_of(run)
    assert abs(temperature - 1) > 0.02
    model, tokenizer = mlx_finbert.load(run)
    expected = mlx_finbert.predict_proba(model, tokenizer, TEXTS)
    twin = AutoModelForSequenceClassification.from_pretrained(run).eval()
    rows = AutoTokenizer.from_pretrained(run)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        found = twin(**rows).logits.softmax(-1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    classify = pipeline("text-classification", str(run), top_k=None)
    for entries, row in zip(classify(TEXTS), expected, strict=True):
        scores = {entry["label"]: entry["score"] for entry in entries}
        assert [scores[label] for label in model.args.labels] == pytest.approx(row, abs=1e-5)
    known = type(twin.config)().to_dict()
    assert set(json.loads((run / "config.json").read_text())) <= {*known, "num_labels"}
    # The checkpoint of the best step holds the same model, uncalibrated.
    best = json.loads((run / "best.json").read_text())["step"]
    raw, _ = mlx_finbert.load(run / "checkpoints" / f"step-{best:08d}")
    for name, value in head_of(raw).items():
        assert mx.allclose(value / temperature, head_of(model)[name], atol=1e-7)
    assert f"temperature {temperature:.3f}" in (run / "README.md").read_text()


def test_figures_before_and_after_are_kept_apart(command, finished):
    run = finished()
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["loss"] != figures["uncalibrated"]["loss"]
    data = command(run)[3]
    calibrated = evaluate(EvaluateSettings(model=str(run), data=data))
    assert calibrated.metrics.loss == pytest.approx(figures["loss"], abs=1e-6)
    assert calibrated.ece == pytest.approx(figures["ece"], abs=1e-6)
    best = json.loads((run / "best.json").read_text())["step"]
    raw = run / "checkpoints" / f"step-{best:08d}"
    uncalibrated = evaluate(EvaluateSettings(model=str(raw), data=data))
    assert uncalibrated.metrics.loss == pytest.approx(figures["uncalibrated"]["loss"], abs=1e-6)


@pytest.fixture
def ctrl_c(monkeypatch):
    """Factory: press Ctrl-C before the third batch of the N-th measurement, so many times."""

    def press(measurement, times=1):
        sampled, begun = Loader.sampled, []

        def pressing(loader):
            begun.append(loader)
            for number, batch in enumerate(sampled(loader)):
                if len(begun) == measurement and number == 2:
                    for _ in range(times):
                        os.kill(os.getpid(), signal.SIGINT)
                yield batch

        monkeypatch.setattr(Loader, "sampled", pressing)

    return press


CALIBRATION, TEST_ROWS = 1, 2
OF_TEST_ROWS = {"metrics.json", "confusion.png", "mistakes.csv", "reliability.csv"}


def test_ctrl_c_while_test_rows_are_measured_keeps_what_is_done(command, tmp_path, ctrl_c, capsys):
    run = tmp_path / "run"
    ctrl_c(TEST_ROWS)
    assert main(command(run, "--batch-size", "4")) == INTERRUPTED
    out = capsys.readouterr().out
    figures = json.loads((run / "metrics.json").read_text())
    rows, in_all = figures["rows"], figures["rows_in_all"]
    assert figures["interrupted"] and 0 < rows < 20 < in_all == 60
    assert np.sum(figures["confusion"]) == rows
    assert (
        f"Ctrl-C: {rows} of 60 test rows were measured, a random sample; for all rows, run" in out
    )
    assert f"test ({rows} of 60 rows): loss {figures['loss']:.4f}" in out
    said = f"{rows} of 60 test rows were measured, a random sample"
    assert (run / "report.html").read_text().count(said) == 2
    assert f"| test ({rows} of 60) | {figures['loss']:.4f} (" in (run / "README.md").read_text()
    with open(run / "mistakes.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == rows - np.trace(figures["confusion"])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # `evaluate` measures the remaining rows, and so does the run when it is resumed.
    ctrl_c(-1)
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    figures = json.loads((run / "metrics.json").read_text())
    assert (figures["rows"], figures["interrupted"]) == (60, False)


@pytest.mark.slow
def test_ctrl_c_in_the_calibration_leaves_the_model_as_trained(command, tmp_path, ctrl_c, capsys):
    run = tmp_path / "run"
    ctrl_c(CALIBRATION)
    assert main(command(run, "--batch-size", "4")) == INTERRUPTED
    out = capsys.readouterr().out
    assert "Ctrl-C: calibration skipped; the probabilities are not calibrated" in out
    assert "Ctrl-C: no rows were measured" in out and "test:" not in out
    best = json.loads((run / "best.json").read_text())["step"]
    raw = run / "checkpoints" / f"step-{best:08d}" / "model.safetensors"
    assert (run / "model.safetensors").read_bytes() == raw.read_bytes()
    assert "no rows were measured" in (run / "report.html").read_text()
    assert not OF_TEST_ROWS & {path.name for path in run.iterdir()}
    ctrl_c(-1)
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    assert temperature_of(run) != 1


@pytest.mark.slow
def test_a_report_without_test_rows_leaves_none_of_an_earlier_one(command, tmp_path, ctrl_c):
    run = tmp_path / "run"
    assert main(command(run, "--batch-size", "4")) == 0
    assert {path.name for path in run.iterdir()} >= OF_TEST_ROWS
    ctrl_c(CALIBRATION)
    assert main(["--resume-from-checkpoint", str(run)]) == INTERRUPTED
    assert not OF_TEST_ROWS & {path.name for path in run.iterdir()}


def test_a_second_ctrl_c_ends_at_once(command, tmp_path, ctrl_c, capsys):
    run = tmp_path / "run"
    ctrl_c(TEST_ROWS, times=2)
    assert main(command(run, "--batch-size", "4")) == INTERRUPTED
    assert capsys.readouterr().err.endswith("stopped\n")
    assert not OF_TEST_ROWS & {path.name for path in run.iterdir()}
    mlx_finbert.load(run)


def test_mistakes_have_the_rows_and_columns_of_the_file(command, table, tmp_path):
    header, *rows = table.read_text().splitlines()
    rows = [f"{row},{number},N{number}" for number, row in enumerate(rows, 1)]
    table.write_text("\n".join([f"{header},id,ticker", *rows]))
    run = tmp_path / "run"
    assert main(command(run)) == 0
    with open(run / "mistakes.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert found and max(int(row["row"]) for row in found) > 60
    for row in found:
        text, label, number, ticker = rows[int(row["row"]) - 1].split(",")
        assert (row["text"], row["true_label"]) == (text, label)
        assert (row["id"], row["ticker"]) == (number, ticker)
    page = (run / "report.html").read_text()
    assert f"row {found[0]['row']}, " in page and f"ticker: {found[0]['ticker']}" in page


def test_mistakes_of_a_folder_have_the_rows_of_its_test_file(command, table, tmp_path):
    header, *rows = table.read_text().splitlines()
    folder = tmp_path / "news"
    folder.mkdir()
    parts = {"train": rows[:200], "validation": rows[200:240], "test": rows[240:]}
    for name, part in parts.items():
        (folder / f"{name}.csv").write_text("\n".join([header, *part]))
    run = tmp_path / "run"
    argv = [str(folder) if word == str(table) else word for word in command(run)]
    assert main(argv) == 0
    with open(run / "mistakes.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert found
    for row in found:
        assert parts["test"][int(row["row"]) - 1] == f"{row['text']},{row['true_label']}"


def test_a_run_with_one_answer_is_told_so(command, checkpoint, tmp_path, capsys):
    run, model = tmp_path / "run", checkpoint()
    argv = command(run, "--model", str(model), "--learning-rate", "1e-9", "--num-train-epochs", "1")
    path = str(model / "model.safetensors")
    weights = mx.load(path)
    weights["classifier.bias"] = mx.array([0.0, 9.0, 0.0])
    mx.save_safetensors(path, weights)
    assert main(argv) == 0
    said = json.loads((run / "metrics.json").read_text())["notes"]
    nothing = "every row was predicted as 'neutral': the model has learned nothing from the texts"
    assert any(note.startswith("test and validation rows are drawn by a hash") for note in said)
    assert said[-1] == nothing and f"{nothing}\n" in capsys.readouterr().out
    assert "the model has learned nothing from the texts" in (run / "report.html").read_text()


def test_without_calibration_nothing_is_folded(command, tmp_path):
    run = tmp_path / "run"
    assert main(command(run, "--no-calibration")) == 0
    best = json.loads((run / "best.json").read_text())["step"]
    raw = run / "checkpoints" / f"step-{best:08d}"
    assert (run / "model.safetensors").read_bytes() == (raw / "model.safetensors").read_bytes()
    assert temperature_of(run) == 1 and "temperature" not in (run / "README.md").read_text()
    assert not (run / "checkpoints" / "uncalibrated_head.safetensors").exists()


@pytest.mark.slow
def test_a_run_without_checkpoints_leaves_no_folder_for_them(command, tmp_path):
    assert main(command(tmp_path / "run", "--save-epochs", "0")) == 0
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], LORA], ids=["whole", "lora"])
def test_a_run_that_is_interrupted_each_epoch(command, finished, tmp_path, monkeypatch, more):
    whole, stopped = finished(*more), tmp_path / "stopped"
    assert abs(temperature_of(whole) - 1) > 0.01
    steps = [int(path.name.removeprefix("step-")) for path in checkpoints_of(whole)]

    def ctrl_c(self, figures):
        if figures.step in steps[:-1]:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunFolder, "on_step", ctrl_c)
    assert main(command(stopped, *more)) == INTERRUPTED
    bests = []
    for step in steps[:-1]:
        assert checkpoints_of(stopped)[-1].name == f"step-{step:08d}"
        bests.append(json.loads((stopped / "best.json").read_text())["step"])
        raw, _ = mlx_finbert.load(stopped / "checkpoints" / f"step-{bests[-1]:08d}")
        calibrated, _ = mlx_finbert.load(stopped)
        ratio = head_of(raw)["weight"] / head_of(calibrated)["weight"]
        assert ratio.max() - ratio.min() < 1e-4 and abs(ratio.mean() - 1) > 0.01
        is_last = step == steps[-2]
        assert main(["--resume-from-checkpoint", str(stopped)]) == (0 if is_last else INTERRUPTED)
    assert len(set(bests)) > 1
    assert files_of(stopped) == files_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], LORA], ids=["whole", "lora"])
def test_a_finished_run_goes_on_from_each_checkpoint(finished, more):
    run = finished(*more)
    expected = files_of(run)
    for path in reversed(checkpoints_of(run)):
        assert main(["--resume-from-checkpoint", str(path)]) == 0
        assert files_of(run) == expected


def killed_in(place, name, when=lambda *arguments: True):
    """Kill the run when it calls a function, before the function does anything."""
    true = getattr(place, name)

    def function(*arguments):
        if when(*arguments):
            raise Killed
        return true(*arguments)

    return place, name, function


def head_is_kept(folder, *_):
    return (folder.path / "checkpoints" / "uncalibrated_head.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kill",
    [
        lambda: killed_in(run_folder, "write_safetensors"),
        lambda: killed_in(run_folder, "fold_temperature"),
        lambda: killed_in(RunFolder, "save_model", when=head_is_kept),
        lambda: killed_in(finish, "predictions_of"),
        lambda: killed_in(finish, "write_report"),
    ],
    ids=["keeping the head", "folding", "saving", "testing", "reporting"],
)
def test_a_kill_between_two_writes(command, finished, tmp_path, kill):
    whole, killed = finished(), tmp_path / "killed"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*kill())
        main(command(killed))
    assert not (killed / "metrics.json").exists()
    assert main(["--resume-from-checkpoint", str(killed)]) == 0
    assert files_of(killed) == files_of(whole)


@pytest.mark.slow
def test_a_kill_before_a_new_best_replaces_a_calibrated_one(finished):
    run = finished()
    expected = files_of(run)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*killed_in(RunFolder, "save_model"))
        best = json.loads((run / "best.json").read_text())["step"]
        before = [p for p in checkpoints_of(run) if int(p.name.removeprefix("step-")) < best]
        main(["--resume-from-checkpoint", str(before[-1])])
    # Model and uncalibrated head are replaced together, so neither has changed.
    for name, found in files_of(run).items():
        assert found == expected[name], name
    assert (run / "checkpoints" / "uncalibrated_head.safetensors").exists()
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    assert files_of(run) == expected


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], LORA], ids=["whole", "lora"])
def test_a_run_of_an_earlier_version_goes_on(finished, more):
    """A folder of an earlier version: uncalibrated, with the temperature in the config."""
    run = finished(*more)
    expected = files_of(run)
    best = json.loads((run / "best.json").read_text())["step"]
    for path in (run / "checkpoints" / f"step-{best:08d}").glob("*.safetensors"):
        if path.name != "optimizer.safetensors":
            shutil.copy(path, run)
    path = run / ("adapter_config.json" if more else "config.json")
    config = json.loads(path.read_text())
    config.get("config", config)["calibration_temperature"] = temperature_of(run)
    path.write_text(json.dumps(config))
    (run / "checkpoints" / "uncalibrated_head.safetensors").unlink()
    (run / "checksums.json").unlink()
    early, tokenizer = mlx_finbert.load(run)
    assert main(["--resume-from-checkpoint", str(run)]) == 0
    assert files_of(run) == expected
    found = mlx_finbert.predict_proba(*mlx_finbert.load(run), TEXTS)
    np.testing.assert_allclose(mlx_finbert.predict_proba(early, tokenizer, TEXTS), found, atol=1e-6)
