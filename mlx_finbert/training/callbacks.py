"""Callbacks of a training run: progress bar, log file and history."""

import csv
import io
import json
import time
from dataclasses import asdict, fields
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_finbert.files.atomic import failures_named, write_text
from mlx_finbert.files.json_text import parse_json
from mlx_finbert.inference.progress_bar import progress_bar
from mlx_finbert.training.state import Record, StepMetrics


class Callback:
    """Base class of all callbacks; override the methods that you need.

    The progress bar, the log file and the folder of a run are callbacks. Those that are given to
    `fine_tune` come after the folder, so that they find its files up to date; of several processes,
    the first one calls them. An exception ends the run: all callbacks get `on_end("failed")`, the
    exception goes on to the caller, and `resume_from_checkpoint` continues from the last
    checkpoint.
    """

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        """Called before the first step.

        Args:
            settings: the settings of the run by name.
            total_steps: number of steps of the whole run.
            resumed_at: number of steps that are already done; 0 for a new run.
        """

    def on_step(self, figures: StepMetrics) -> None:
        """Called after each step, with its number, loss, learning rate and other figures."""

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        """Called after each evaluation: at the end of an epoch, or every `eval_steps` steps.

        Args:
            record: the figures of the validation rows, and of the training since the last one.
            is_best: whether the weights are now those that the run keeps.
        """

    def on_save(self, state: dict[str, Any], arrays: dict[str, dict[str, mx.array]]) -> None:
        """Called when a checkpoint is due, after the evaluation of the same step.

        Args:
            state: all that changes between steps, apart from arrays, as JSON can hold it.
            arrays: the state of the optimizer, such as its moments `m` and `v`, by part and by
                name; the weights are in the checkpoint that the folder has just got.
        """

    def on_end(self, end: str) -> None:
        """Called once at the end of training, before the test rows are measured.

        Args:
            end: `finished`, `stopped early`, `interrupted` (Ctrl-C), `diverged` or `failed`.
        """


class JsonLines(Callback):
    """Write one JSON object per line and flush each line.

    Each has `event` (`start`, `step`, `evaluation` or `end`), `time` (UTC, ISO 8601), `step` (the
    number of finished steps) and the event's figures; figures that are not finite are null.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        write_text(self.path, "".join(lines_until(self.path, resumed_at)) if resumed_at else "")
        self.file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115
        self.step = resumed_at
        self.write("start", {"total_steps": total_steps, "settings": finite(settings)})

    def on_step(self, figures: StepMetrics) -> None:
        self.step = figures.step
        self.write("step", asdict(figures))

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        self.write("evaluation", asdict(record) | {"is_best": is_best})

    def on_end(self, end: str) -> None:
        self.write("end", {"end": end})
        self.file.close()

    def write(self, event: str, figures: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"event": event, "time": now, "step": self.step} | finite(figures)
        with failures_named(self.path, self.path):
            self.file.write(json.dumps(line, default=str) + "\n")
            self.file.flush()


def lines_until(path: Path, step: int) -> list[str]:
    """The lines up to a step, without incomplete lines of a killed process."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [f"{line}\n" for line in lines if _is_until(line, step)]


def _is_until(line: str, step: int) -> bool:
    try:
        return parse_json(line)["step"] <= step
    except (ValueError, TypeError, KeyError):
        return False


def steps_in(path: Path) -> list[dict[str, Any]]:
    """The steps of a log, each once and in order; none if there is no log that can be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    found = {}
    for line in lines:
        try:
            event = parse_json(line)
            if event["event"] == "step":
                found[int(event["step"])] = event
        except (ValueError, TypeError, KeyError, OverflowError):
            # A line that a killed process left incomplete.
            continue
    return [found[number] for number in sorted(found)]


def finite(figures: dict[str, Any]) -> dict[str, Any]:
    """Replace numbers that are not finite by None, since JSON has no form for them."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in figures.items()}


class Progress(Callback):
    """A progress bar with running loss and accuracy, tokens per second and peak memory."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.tokens = 0
        self.start = time.perf_counter()

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        # Evaluations are printed without a bar, too.
        self.bar = progress_bar(total=total_steps, initial=resumed_at, unit="step")

    def on_step(self, figures: StepMetrics) -> None:
        self.tokens += figures.num_tokens
        self.bar.set_description(f"epoch {figures.epoch + 1}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(
            f"loss {figures.loss:.3f}, acc {figures.accuracy:.3f}, {self.speed_and_memory()}",
            refresh=False,
        )
        self.bar.update()

    def on_evaluation(self, record: Record, is_best: bool) -> None:
        measured = ", ".join(
            f"{name.replace('macro_f1', 'macro-F1')} {value:.4f}"
            for name, value in record.validation.items()
        )
        self.bar.write(
            f"epoch {record.epoch:g}: loss {record.loss:.4f}, accuracy {record.accuracy:.4f};"
            f" validation {measured}{' (kept)' if is_best else ''}"
        )

    def on_end(self, end: str) -> None:
        self.bar.close()

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second, without padding; the time includes evaluations."""
        return self.tokens / (time.perf_counter() - self.start)

    def speed_and_memory(self) -> str:
        """`tokens_per_second` and peak memory, as text."""
        return f"{self.tokens_per_second:,.0f} tok/s, {mx.get_peak_memory() / 1e9:.1f} GB"


def write_history(history: list[Record], folder: Path) -> None:
    """Write `history.json` and `history.csv`, with one entry per evaluation."""
    rows = [asdict(record) for record in history]
    write_text(folder / "history.json", json.dumps(rows, indent=2, allow_nan=False) + "\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, [f.name for f in fields(Record)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "history.csv", table.getvalue())
