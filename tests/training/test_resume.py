"""Resuming after a kill, bit for bit, and damaged checkpoints."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from mlx_finbert.data import load_texts
from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.data.text_hashes import chances
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import file_sha256
from mlx_finbert.train import main
from mlx_finbert.training.callbacks import steps_in
from mlx_finbert.training.checkpoints import (
    checkpoints_of,
    find_checkpoint,
    rotate,
    step_of,
    write_checksums,
)
from mlx_finbert.training.run import complete
from mlx_finbert.training.state import Record

ARGUMENTS = [
    "--max-steps", "40", "--batch-size", "4", "--learning-rate", "3e-3", "--eval-steps", "7",
    "--save-steps", "10", "--save-total-limit", "2", "--lr-scheduler-type", "cosine",
    "--dtype", "bfloat16", "--plateau-monitor", "val_loss", "--plateau-patience", "1",
    "--plateau-factor", "0.5", "--early-stopping-patience", "30",
    "--gradient-accumulation-steps", "2", "--metric-for-best-model", "val_macro_f1",
]  # fmt: skip
EARLIER_NAMES = {
    "best_metric": "metric_for_best_model",
    "early_stopping_min_delta": "early_stopping_threshold",
    "epochs": "num_train_epochs",
    "eval_every": "eval_steps",
    "keep": "save_total_limit",
    "label_smoothing": "label_smoothing_factor",
    "schedule": "lr_scheduler_type",
}
"""Keys of a `config.yaml` of an earlier version, and what they are now."""
SAME = ("model.safetensors", "history.json", "history.csv", "metrics.json", "config.json")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the tests' data lies, and the run that they share."""
    return tmp_path_factory.mktemp("resume")


@pytest.fixture
def table(place, write_news):
    """The data as it was before any test changed it."""
    return write_news(place / "news.csv", 30)


def command(model, table, out, *more):
    flags = ["--model", str(model), "--data", str(table), "--output-dir", str(out)]
    return [*flags, *ARGUMENTS, *more]


def killed_after(step, argv, out):
    """Run in a new process and kill it with SIGKILL after this number of steps."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlx_finbert.train", *argv],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    log = out / "log.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.read_text().count('"event": "step"') >= step:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


def events(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [(e["event"], e["step"], e.get("loss")) for e in lines if e["event"] != "start"]


@pytest.mark.slow
@pytest.mark.usefixtures("backend")
def test_a_killed_run_goes_on_bit_for_bit(checkpoint, table, tmp_path):
    model = checkpoint()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(model, table, whole)) == 0
    killed_after(23, command(model, table, killed), killed)
    steps = [path.name for path in checkpoints_of(killed)]
    assert "step-00000020" in steps and not (killed / "metrics.json").exists()
    assert main(["--resume-from-checkpoint", str(killed)]) == 0
    for name in SAME:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    last = "checkpoints/step-00000040"
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        assert (whole / last / name).read_bytes() == (killed / last / name).read_bytes(), name
    assert events(whole) == events(killed)


@pytest.fixture
def finished(checkpoint_in, table, place, tmp_path):
    """A copy of a finished run, which is trained once."""
    if not (place / "out").exists():
        assert main(command(checkpoint_in(place / "tiny"), table, place / "out")) == 0
    return shutil.copytree(place / "out", tmp_path / "out")


def test_the_last_checkpoints_and_the_best_stay(checkpoint, table, tmp_path, monkeypatch):
    monkeypatch.setattr(Record, "is_better_than", lambda self, other, metric: other is None)
    argv = command(checkpoint(), table, tmp_path / "out", "--batch-size", "1", "--eval-steps", "10")
    assert main([*argv, "--gradient-accumulation-steps", "1"]) == 0
    steps = [step_of(path) for path in checkpoints_of(tmp_path / "out")]
    assert steps == [10, 30, 40]
    assert json.loads((tmp_path / "out" / "best.json").read_text())["step"] == 10


def test_rotation_spares_the_best(tmp_path):
    for step in (10, 20, 30, 40):
        (tmp_path / f"checkpoints/step-{step:08d}").mkdir(parents=True)
    rotate(tmp_path, keep=1, best_step=20)
    assert [path.name[-2:] for path in checkpoints_of(tmp_path)] == ["20", "40"]


def test_the_report_has_each_step_of_a_resumed_run_once(finished):
    before = steps_in(finished / "log.jsonl")
    for path in checkpoints_of(finished):
        if step_of(path) == 40:
            shutil.rmtree(path)
    assert main(["--resume-from-checkpoint", str(finished)]) == 0
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    numbers = [line["step"] for line in lines if line["event"] == "step"]
    assert numbers == list(range(1, 41)) and sum(e["event"] == "start" for e in lines) == 2
    after = steps_in(finished / "log.jsonl")
    assert [{**s, "time": 0} for s in after] == [{**s, "time": 0} for s in before]
    assert "Loss over the steps" in (finished / "report.html").read_text()


def test_a_step_has_its_own_loss_and_the_mean_since_the_evaluation(finished):
    steps = steps_in(finished / "log.jsonl")[:7]
    losses = [step["step_loss"] for step in steps]
    assert len(set(losses)) == 7
    for count, step in enumerate(steps, 1):
        assert step["loss"] == pytest.approx(sum(losses[:count]) / count, rel=1e-5)


def test_a_run_of_an_earlier_version_has_a_report(finished):
    for path in checkpoints_of(finished):
        if step_of(path) == 40:
            shutil.rmtree(path)
    log = finished / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        line.pop("step_loss", None)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (finished / "report.html").unlink()
    assert main(["--resume-from-checkpoint", str(finished)]) == 0
    assert "Loss over the steps" in (finished / "report.html").read_text()


@pytest.mark.parametrize("fault", ["truncated", "altered", "missing"])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_damage_is_found_and_the_one_before_it_offered(finished, fault, name, caplog):
    good, bad = checkpoints_of(finished)[-2:]
    path = bad / name
    data = bytearray(path.read_bytes())
    if fault == "missing":
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    advice = rf"`resume_from_checkpoint=.*{good.name}`"
    with pytest.raises(InputError, match=rf"{bad.name}/{name} is .*{advice}$"):
        find_checkpoint(bad)
    assert find_checkpoint(finished).path == good
    assert f"{bad.name}/{name} is" in caplog.text and "checkpoint skipped" in caplog.text


def test_a_resumed_run_keeps_its_settings_and_its_data(finished, table, capsys):
    assert main(["--resume-from-checkpoint", str(finished), "--num-train-epochs", "9"]) == 2
    assert "--num-train-epochs is 9: the run to resume has 4" in capsys.readouterr().err
    table.write_text(table.read_text().replace("rose", "fell"))
    assert main(["--resume-from-checkpoint", str(finished)]) == 2
    assert "is not what this run was trained on" in capsys.readouterr().err


def test_data_that_has_changed_is_told_in_numbers(finished, table, capsys):
    whole = table.read_text()
    parts = SplitSettings().draw(load_texts(str(table)))
    text = parts.train.texts[0]
    one = next(line for line in whole.splitlines() if line.startswith(f"{text},"))
    other = f"{text}," + ("positive" if one.endswith("negative") else "negative")
    for content, words in (
        (whole.replace(one + "\n", ""), "1 training text is gone"),
        (whole.replace(one, other), "1 training text is relabelled"),
        ("\n".join(["text,label", *whole.splitlines()[:0:-1]]), "but in another order"),
    ):
        table.write_text(content)
        assert main(["--resume-from-checkpoint", str(finished)]) == 2
        assert words in capsys.readouterr().err
    # A new test row is allowed.
    unseen = next(f"Row {i}" for i in range(99) if chances([f"Row {i}"], "test", 0)[0] < 0.2)
    table.write_text(f"{whole}\n{unseen},neutral\n")
    assert main(["--resume-from-checkpoint", str(finished)]) == 0


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "more",
    [
        [
            "--dtype", "float16", "--gradual-unfreezing", "--layer-decay", "0.8",
            "--group-by-length", "parts", "--group-parts", "2",
        ],
        [
            "--dtype", "float32", "--freeze-layers", "1", "--class-weights", "balanced",
            "--group-by-length", "at-first", "--group-window", "3",
            # The fresh head keeps the rate of its run, not that of earlier versions.
            "--new-head", "--learning-rate", "5e-4",
        ],
    ],
    ids=["float16", "float32"],
)  # fmt: skip
def test_a_run_goes_on_from_any_checkpoint(checkpoint, table, tmp_path, more):
    out = tmp_path / "out"
    argv = command(checkpoint(), table, out, "--save-total-limit", "9", *more)
    assert main(argv) == 0
    last = checkpoints_of(out)[-1]
    files = [out / name for name in SAME] + [last / "optimizer.safetensors", last / "state.json"]
    before = [path.read_bytes() for path in files]
    assert main(["--resume-from-checkpoint", str(checkpoints_of(out)[0])]) == 0
    assert [path.read_bytes() for path in files] == before


@pytest.fixture
def twins(tmp_path):
    """Data with pairs of near duplicates, whose split is another where they stay together."""
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    rows = [
        f"{name * (i + 1)} {verb} by {percent} percent,{label}"
        for i in range(9)
        for name in ("a", "b")
        for label, verb in verbs.items()
        for percent in (3, 7)
    ]
    path = tmp_path / "twins.csv"
    path.write_text("\n".join(["text,label", *rows]))
    return path


def test_a_run_of_a_version_without_the_flags_goes_on_with_its_rows_and_batches(
    checkpoint, twins, tmp_path, capsys
):
    table, out = twins, tmp_path / "out"
    together = SplitSettings().draw(load_texts(str(table))).train.texts
    apart = SplitSettings(split_near_duplicates="apart").draw(load_texts(str(table))).train.texts
    assert together != apart
    earlier = ["--group-by-length", "windows", "--group-window", "100"]
    earlier += ["--head-learning-rate", "3e-3", "--split-near-duplicates", "apart"]
    assert main(command(checkpoint(), table, out, "--save-total-limit", "9", *earlier)) == 0
    before = [(out / name).read_bytes() for name in SAME]
    first = checkpoints_of(out)[0]
    lines = (first / "config.yaml").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("group_", "head_", "split_near"))]
    text = "".join(kept)
    for then, name in EARLIER_NAMES.items():
        text, found = re.subn(rf"^{name}:", f"{then}:", text, flags=re.MULTILINE)
        assert found == 1, name
    (first / "config.yaml").write_text(text)
    sums = json.loads((first / "checksums.json").read_text())
    sums["config.yaml"] = file_sha256(first / "config.yaml")
    (first / "checksums.json").write_text(json.dumps(sums))
    capsys.readouterr()
    assert main(["--resume-from-checkpoint", str(first)]) == 0
    assert [(out / name).read_bytes() for name in SAME] == before
    assert "near duplicates" not in capsys.readouterr().out


def test_a_run_that_stopped_early_has_come_to_its_end(checkpoint, table, tmp_path, capsys):
    out = tmp_path / "out"
    stopping = ["--early-stopping-patience", "1", "--early-stopping-threshold", "10"]
    assert main(command(checkpoint(), table, out, "--save-steps", "1", *stopping)) == 0
    before = [(out / name).read_bytes() for name in SAME]
    (ending,) = re.findall(r"stopped early after step \d+", capsys.readouterr().out)
    assert main(["--resume-from-checkpoint", str(out)]) == 0
    assert ending in capsys.readouterr().out
    assert [(out / name).read_bytes() for name in SAME] == before


def test_a_better_model_from_before_the_kill_is_not_called_an_older_one(finished, capsys):
    first = checkpoints_of(finished)[0]
    future = json.loads((finished / "best.json").read_text()) | {"step": 39, "epoch": 4.4}
    (finished / "best.json").write_text(json.dumps(future))
    sums = json.loads((finished / "checksums.json").read_text())
    sums["best.json"] = file_sha256(finished / "best.json")
    (finished / "checksums.json").write_text(json.dumps(sums))
    (first.parent / ".part-half").mkdir()
    assert main(["--resume-from-checkpoint", str(first)]) == 0
    assert "the model of epoch" in capsys.readouterr().out
    assert not (first.parent / ".part-half").exists()
    (finished / "best.json").unlink()
    assert main(["--resume-from-checkpoint", str(first)]) == 2
    assert f"{finished / 'best.json'} is missing, and only" in capsys.readouterr().err
    (finished / "checksums.json").unlink()
    assert main(["--resume-from-checkpoint", str(first)]) == 2
    assert "has no best.json" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["best.json", "model.safetensors", "config.json"])
def test_a_damaged_best_model_is_named(finished, capsys, name):
    whole = (finished / name).read_bytes()
    (finished / name).write_bytes(whole[:-2] + b" " + whole[-1:])
    assert main(["--resume-from-checkpoint", str(finished)]) == 2
    words = f"{finished / name} is damaged (wrong checksum), and only the folder of the run has"
    assert words in capsys.readouterr().err
    (finished / name).write_bytes(whole)
    assert main(["--resume-from-checkpoint", str(finished)]) == 0


def test_data_that_lies_elsewhere_now(finished, table, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    moved = table.rename(tmp_path / "other" / "moved.csv")
    monkeypatch.chdir(finished / "checkpoints")
    last = checkpoints_of(finished)[-1].name
    assert main(["--resume-from-checkpoint", last, "--data", str(moved)]) == 0


def test_data_that_was_on_the_hub_under_a_revision(finished, table, tmp_path):
    last = checkpoints_of(finished)[-1]
    config = yaml.safe_load((last / "config.yaml").read_text())
    on_the_hub = config | {"data": "me/news", "data_revision": "v2", "revision": "v3"}
    (last / "config.yaml").write_text(yaml.safe_dump(on_the_hub))
    write_checksums(last, [path for path in last.iterdir() if path.name != "checksums.json"])
    resume = {"resume_from_checkpoint": str(finished)}
    same = complete(resume | {"data": "me/news"})
    assert (same.data_revision, same.revision) == ("v2", "v3")
    assert complete(resume | {"data_revision": "v4"}).data_revision == "v4"
    elsewhere = complete(resume | {"data": "you/news", "data_revision": "v4", "model": "you/bert"})
    assert (elsewhere.data_revision, elsewhere.revision) == ("v4", None)
    assert main(["--resume-from-checkpoint", str(finished), "--data", str(table)]) == 0


def test_places_without_checkpoints(finished, tmp_path, capsys):
    for place, words in (
        (tmp_path, "holds no checkpoints"),
        (finished / "checkpoints" / "step-1", "no such"),
    ):
        assert main(["--resume-from-checkpoint", str(place)]) == 2
        assert words in capsys.readouterr().err


def test_a_finished_run_has_nothing_left_to_do(finished):
    before = (finished / "model.safetensors").read_bytes()
    assert main(["--resume-from-checkpoint", str(finished)]) == 0
    assert (finished / "model.safetensors").read_bytes() == before
