"""The log of a run: `log.jsonl`, one event a line."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from mlx_finbert.atomic import write_text
from mlx_finbert.training.callback import Callback
from mlx_finbert.training.record import Record, StepFigures


class JsonLines(Callback):
    """One JSON object a line, written at once.

    Each has `event` (`start`, `step`, `evaluation` or `end`), `time` (UTC, ISO 8601), `step` (the
    steps done) and the event's figures; null stands for a figure that is not finite.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_start(self, settings: dict[str, Any], total_steps: int, resumed_at: int) -> None:
        write_text(self.path, "".join(lines_until(self.path, resumed_at)) if resumed_at else "")
        self.file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115
        self.step = resumed_at
        self.write("start", {"total_steps": total_steps, "settings": finite(settings)})

    def on_step(self, figures: StepFigures) -> None:
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
        self.file.write(json.dumps(line, default=str) + "\n")
        self.file.flush()


def lines_until(path: Path, step: int) -> list[str]:
    """The lines up to a step, without those that a killed process left unfinished."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [f"{line}\n" for line in lines if _is_until(line, step)]


def _is_until(line: str, step: int) -> bool:
    try:
        return json.loads(line)["step"] <= step
    except (ValueError, TypeError, KeyError):
        return False


def finite(figures: dict[str, Any]) -> dict[str, Any]:
    """With None for what JSON has no number for, as an overflowed norm in half precision."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in figures.items()}
