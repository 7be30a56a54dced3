"""Reporting to the log file, TensorBoard and Weights & Biases."""

import json
import resource
import sys
import types
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime

import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.training.callbacks import Callback, JsonLines, steps_in
from mlx_finbert.training.integrations import (
    Guarded,
    TensorBoard,
    WeightsAndBiases,
    check_services,
    reporters,
)
from mlx_finbert.training.state import Record, StepMetrics

SETTINGS = {"learning_rate": 1e-4, "labels": None}


def step(number, **figures):
    names = [field.name for field in fields(StepMetrics)]
    return StepMetrics(**dict.fromkeys(names, 0.5) | {"step": number} | figures)


def evaluation(number, **figures):
    names = [field.name for field in fields(Record)]
    return Record(**dict.fromkeys(names, 0.25) | {"step": number} | figures)


def tell(callback, first, last, end="finished"):
    """The calls of a run between two steps, with an evaluation at the last one."""
    callback.on_start(SETTINGS, 40, first - 1)
    for number in range(first, last + 1):
        callback.on_step(step(number))
    callback.on_evaluation(evaluation(last), True)
    if end:
        callback.on_end(end)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events_of(path):
    return [(line["event"], line["step"]) for line in lines_of(path)]


def test_the_log_has_a_line_for_each_event(tmp_path):
    tell(JsonLines(tmp_path / "log.jsonl"), 1, 2)
    start, one, two, evaluated, end = lines_of(tmp_path / "log.jsonl")
    assert (start["event"], start["total_steps"], start["settings"]) == ("start", 40, SETTINGS)
    assert [(line["event"], line["step"], line["loss"]) for line in (one, two)] == [
        ("step", 1, 0.5), ("step", 2, 0.5)
    ]  # fmt: skip
    assert (evaluated["event"], evaluated["val_macro_f1"], evaluated["is_best"]) == (
        "evaluation", 0.25, True
    )  # fmt: skip
    assert (end["event"], end["step"], end["end"]) == ("end", 2, "finished")
    assert datetime.fromisoformat(start["time"]).tzinfo


def test_a_line_is_in_the_file_at_once(tmp_path):
    log = JsonLines(tmp_path / "log.jsonl")
    log.on_start(SETTINGS, 40, 0)
    log.on_step(step(1))
    assert events_of(log.path) == [("start", 0), ("step", 1)]


def test_a_figure_that_is_not_finite_is_null(tmp_path):
    log = JsonLines(tmp_path / "log.jsonl")
    log.on_start(SETTINGS | {"max_grad_norm": float("inf")}, 40, 0)
    log.on_step(step(1, loss=float("nan")))
    start, one = lines_of(log.path)
    assert start["settings"]["max_grad_norm"] is None and one["loss"] is None


def test_a_resumed_log_forgets_what_was_done_again(tmp_path):
    path = tmp_path / "log.jsonl"
    tell(JsonLines(path), 1, 30, end=None)
    tell(JsonLines(path), 21, 22, end="interrupted")
    assert events_of(path) == [
        ("start", 0), *(("step", i) for i in range(1, 21)),
        ("start", 20), ("step", 21), ("step", 22), ("evaluation", 22), ("end", 22),
    ]  # fmt: skip
    tell(JsonLines(path), 23, 23)
    assert events_of(path)[-6:] == [
        ("evaluation", 22), ("end", 22), ("start", 22), ("step", 23), ("evaluation", 23),
        ("end", 23),
    ]  # fmt: skip


@pytest.mark.parametrize("damage", [b'{"event": "step", "st', b"\0\0\0", b"\xff\xfe{", b"5"])
def test_a_line_that_a_killed_process_left_unfinished_is_dropped(tmp_path, damage):
    path = tmp_path / "log.jsonl"
    tell(JsonLines(path), 1, 2, end=None)
    path.write_bytes(path.read_bytes() + damage)
    tell(JsonLines(path), 3, 3)
    assert [number for _, number in events_of(path)] == [0, 1, 2, 2, 2, 3, 3, 3]


def test_the_steps_of_a_log_are_read_once_and_in_order(tmp_path):
    path = tmp_path / "log.jsonl"
    assert steps_in(path) == []
    tell(JsonLines(path), 1, 3)
    path.write_bytes(
        path.read_bytes() * 2 + b'{"event": "step", "st\n5\n\xff\xfe{\n{"event": "step"}'
    )
    steps = steps_in(path)
    assert [(s["step"], s["step_loss"], s["grad_norm"]) for s in steps] == [
        (number, 0.5, 0.5) for number in (1, 2, 3)
    ]


def test_a_new_run_starts_a_new_log(tmp_path):
    path = tmp_path / "log.jsonl"
    tell(JsonLines(path), 1, 2)
    tell(JsonLines(path), 1, 1)
    assert events_of(path) == [("start", 0), ("step", 1), ("evaluation", 1), ("end", 1)]


def test_a_resumed_log_that_is_not_there_starts_anew(tmp_path):
    tell(JsonLines(tmp_path / "log.jsonl"), 21, 21)
    assert events_of(tmp_path / "log.jsonl")[0] == ("start", 20)


def test_services_that_cannot_be_reported_to_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="`report_to` is comet: must be one of tensorboard, wandb"):
        check_services(["comet"])
    for name, modules in (
        ("tensorboard", ["tensorboard", "tensorboard.summary", "tensorboardX"]),
        ("wandb", ["wandb"]),
    ):
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InputError, match=f"`report_to={name}` needs .*pip install {name}"):
            reporters([name], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_named_wandb_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    # Restores the imported modules after the test.
    monkeypatch.setitem(sys.modules, "wandb", None)
    del sys.modules["wandb"]
    with pytest.raises(InputError, match="pip install wandb"):
        check_services(["wandb"])


class Faulty(Callback):
    """A callback that fails in one method."""

    def __init__(self, method):
        self.calls = []
        for name in ("on_start", "on_step", "on_evaluation", "on_end"):
            setattr(self, name, self.fail if name == method else self.note(name))

    def note(self, name):
        return lambda *arguments: self.calls.append(name)

    def fail(self, *arguments):
        raise ConnectionError("no network\nat all")


def test_a_reporter_that_fails_is_left_out_with_one_sentence(caplog):
    faulty = Faulty("on_evaluation")
    guarded = Guarded("`report_to=x`", faulty, 1)
    tell(guarded, 1, 2)
    tell(guarded, 1, 2)
    assert caplog.messages == ["`report_to=x` failed and is now disabled: no network"]
    assert faulty.calls == ["on_start", "on_step", "on_step", "on_start"]


def test_a_reporter_that_cannot_start_is_an_error():
    with pytest.raises(InputError, match="`report_to=x` cannot be started: no network"):
        tell(Guarded("`report_to=x`", Faulty("on_start"), 1), 1, 2)


@contextmanager
def files_of_at_most(size):
    """Let no file get longer, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_at_the_start_names_the_log_and_what_it_needs(tmp_path):
    path = tmp_path / "log.jsonl"
    (log,) = reporters([], tmp_path)
    with files_of_at_most(6), pytest.raises(OSError) as caught:
        log.on_start(SETTINGS, 40, 0)
    assert caught.value.filename == str(path)
    assert "File too large: it needs more than 6 bytes" in caught.value.strerror


def test_a_full_disk_in_the_middle_ends_the_log_but_not_the_run(tmp_path, caplog):
    path = tmp_path / "log.jsonl"
    (log,) = reporters([], tmp_path)
    log.on_start(SETTINGS, 40, 0)
    with files_of_at_most(path.stat().st_size):
        log.on_step(step(1))
        log.on_step(step(2))
    (message,) = caplog.messages
    assert message.startswith("log.jsonl failed and is now disabled: ")
    assert message.endswith(repr(str(path)))
    assert "it needs more than" in message


def test_services_are_told_of_every_nth_step(fake_services, tmp_path):
    board, log = reporters(["tensorboard"], tmp_path, every=3)
    for callback in (log, board):
        tell(callback, 1, 10)
    [writer] = fake_services.writers
    assert [number for name, _, number in writer.scalars if name == "train/loss"] == [3, 6, 9]
    assert [number for event, number in events_of(tmp_path / "log.jsonl") if event == "step"] == (
        list(range(1, 11))
    )


class FakeWriter:
    """A stand-in for `tensorboard.summary.Writer`."""

    def __init__(self, folder):
        self.folder, self.scalars, self.open = folder, [], True

    def add_scalar(self, tag, data, step):
        self.scalars.append((tag, data, step))

    def flush(self):
        assert self.open

    def close(self):
        self.open = False


class FakeRun:
    """A stand-in for the result of `wandb.init`."""

    def __init__(self, **options):
        self.options, self.id = options, options["id"] or "new1"
        self.rows, self.metrics, self.summary, self.open = [], {}, {}, True

    def define_metric(self, name, step_metric=None):
        self.metrics[name] = step_metric

    def log(self, row):
        self.rows.append(row)

    def finish(self):
        self.open = False


@pytest.fixture
def fake_services(monkeypatch):
    """Replace both packages; their objects are collected in `writers` and `runs`."""
    made = types.SimpleNamespace(writers=[], runs=[])

    def make(list_, made_of):
        return lambda *arguments, **options: (
            list_.append(made_of(*arguments, **options)) or list_[-1]
        )

    for name, attributes in (
        ("tensorboard", {}),
        ("tensorboard.summary", {"Writer": make(made.writers, FakeWriter)}),
        ("wandb", {"init": make(made.runs, FakeRun)}),
    ):
        module = types.ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    return made


def test_tensorboard_gets_the_figures_of_steps_and_evaluations(fake_services, tmp_path):
    tell(TensorBoard(tmp_path), 1, 2)
    [writer] = fake_services.writers
    assert writer.folder == str(tmp_path / "tensorboard") and not writer.open
    assert ("train/loss", 0.5, 1) in writer.scalars and ("train/accuracy", 0.5, 2) in writer.scalars
    names = {name for name, _, _ in writer.scalars if name.startswith("validation/")}
    figures = ("loss", "accuracy", "macro_f1", "weighted_f1", "mcc")
    assert names == {f"validation/{name}" for name in figures}


def test_tensorboards_old_events_go_with_a_new_run_alone(fake_services, tmp_path):
    old, other = (tmp_path / "tensorboard" / name for name in ("events.out.tfevents.1.x", "notes"))
    old.parent.mkdir()
    old.touch()
    other.touch()
    tell(TensorBoard(tmp_path), 21, 22)
    assert old.exists()
    tell(TensorBoard(tmp_path), 1, 2)
    assert not old.exists() and other.exists()


@pytest.mark.parametrize("package", ["tensorboard", "tensorboardX"])
def test_either_package_writes_events_that_tensorboard_reads(package, tmp_path, monkeypatch):
    pytest.importorskip(package)
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tensor_util = pytest.importorskip("tensorboard.util.tensor_util")
    if package == "tensorboardX":
        monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    tell(TensorBoard(tmp_path), 1, 3)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    if package == "tensorboardX":
        read = [(event.step, event.value) for event in events.Scalars("train/loss")]
    else:
        found = events.Tensors("train/loss")
        read = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in found]
    assert read == [(1, 0.5), (2, 0.5), (3, 0.5)]


def test_weights_and_biases_gets_settings_figures_and_the_end(fake_services, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    tell(WeightsAndBiases(tmp_path), 1, 2, end="interrupted")
    [run] = fake_services.runs
    assert run.options["config"] == SETTINGS | {"total_steps": 40}
    assert (run.options["project"], run.options["name"]) == ("mlx-finbert", tmp_path.name)
    assert run.options["dir"] == tmp_path and run.options["resume"] is None
    assert [row["step"] for row in run.rows] == [1, 2, 2]
    assert run.rows[0]["train/loss"] == 0.5 and run.rows[2]["validation/macro_f1"] == 0.25
    assert run.metrics == {"step": None, "*": "step"}
    assert run.summary == {"end": "interrupted"} and not run.open
    assert SETTINGS == {"learning_rate": 1e-4, "labels": None}


def test_a_resumed_run_goes_on_in_the_same_one_of_the_service(fake_services, tmp_path):
    tell(WeightsAndBiases(tmp_path), 1, 2)
    tell(WeightsAndBiases(tmp_path), 3, 4)
    tell(WeightsAndBiases(tmp_path), 1, 2)
    options = [run.options for run in fake_services.runs]
    assert [(given["id"], given["resume"]) for given in options] == [
        (None, None), ("new1", "allow"), (None, None)
    ]  # fmt: skip


def test_weights_and_biases_writes_a_run_without_network(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tell(WeightsAndBiases(tmp_path), 1, 3)
    tell(WeightsAndBiases(tmp_path), 3, 4)
    run_id = (tmp_path / "wandb" / "run_id.txt").read_text()
    assert len(list(tmp_path.glob(f"wandb/offline-run-*-{run_id}*/run-{run_id}.wandb"))) == 2
