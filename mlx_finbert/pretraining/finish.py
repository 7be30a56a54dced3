"""The end of a pretraining run: how it ended, its figures, the report and the model card."""

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

import mlx.core as mx

from mlx_finbert.files.atomic import write_text
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.pretraining.card import card_of
from mlx_finbert.pretraining.folder import PretrainFolder
from mlx_finbert.pretraining.progress import perplexity
from mlx_finbert.pretraining.texts import Rows, StoredRows, notes_on
from mlx_finbert.report import Report, write_report
from mlx_finbert.report.contents import Tile
from mlx_finbert.report.panels import MASKED_LM_PANELS
from mlx_finbert.training.callbacks import Progress, steps_in
from mlx_finbert.training.finish import how_it_ended, report_of
from mlx_finbert.training.integrations import LOG
from mlx_finbert.training.output_dir import REPORTS
from mlx_finbert.training.state import Record
from mlx_finbert.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """What the model has read."""

    tokens: int
    """Tokens of the steps so far, special tokens included."""
    rows: Rows
    notes: list[str]


def finish(
    end: str,
    trainer: Trainer,
    folder: PretrainFolder,
    rows: Rows,
    progress: Progress,
) -> None:
    """Say how the run ended, and write its report, `metrics.json` and the model card."""
    ending = how_it_ended(end, trainer.run_state, folder.path)
    log.info(f"{trainer.run_state.step:,} steps: {progress.speed_and_memory()}")
    log.info(ending)
    best = trainer.run_state.best
    if best is None:
        return
    steps = steps_in(folder.path / LOG)
    read = sum(step.get("num_tokens", 0) for step in steps) * trainer.step.processes.size()
    reading = Reading(read, rows, notes_on(rows))
    report = report_for(folder, ending, best, steps, reading, progress)
    figures = figures_of(best, reading)
    with replacing(folder.path, REPORTS) as part:
        write_report(part, report)
        text = json.dumps(figures, indent=2, allow_nan=False)
        write_text(part / "metrics.json", text + "\n")
        write_text(part / "README.md", card_of(folder, figures))


def figures_of(best: Record, reading: Reading) -> dict[str, Any]:
    """The content of `metrics.json`: the held-out figures of the weights that were kept."""
    return {
        "split": "validation",
        "loss": best.val_loss,
        "perplexity": finite(perplexity(best.val_loss)),
        "accuracy": best.val_accuracy,
        "step": best.step,
        "epoch": best.epoch,
        "tokens_read": reading.tokens,
        "train": sizes_of(reading.rows.train),
        "validation": sizes_of(reading.rows.validation),
        "notes": reading.notes,
    }


def finite(value: float) -> float | None:
    """A number that JSON can hold; None for infinity."""
    return value if value < float("inf") else None


def sizes_of(rows: StoredRows) -> dict[str, int]:
    """How much a part has, and what its rows leave out."""
    counts = rows.store.counts
    return {
        "texts": counts.texts,
        "tokens": counts.tokens,
        "rows": len(rows),
        "tokens_left_out": rows.dropped,
    }


def report_for(
    folder: PretrainFolder,
    ending: str,
    best: Record,
    steps: list[dict[str, Any]],
    reading: Reading,
    progress: Progress,
) -> Report:
    """The report of a run."""
    rows = reading.rows
    train = rows.train.store.counts
    history = [
        asdict(record)
        | {"perplexity": perplexity(record.loss), "val_perplexity": perplexity(record.val_loss)}
        for record in folder.history
    ]
    report = report_of(
        folder,
        ending,
        best,
        panels=MASKED_LM_PANELS,
        tiles=tiles_of(best),
        tiles_note=f"{len(rows.validation):,} held-out rows with fixed masks, after step"
        f" {best.step:,}.",
        facts={
            "texts": f"{train.texts:,}, {train.tokens:,} tokens",
            "tokens read": f"{reading.tokens:,}, special tokens included",
        },
        tokens_per_second=progress.tokens_per_second,
        peak_memory=mx.get_peak_memory(),
        notes=reading.notes,
    )
    report.history = history
    report.steps = [with_perplexity(step) for step in steps]
    return report


def with_perplexity(step: dict[str, Any]) -> dict[str, Any]:
    """A step of the log with the perplexity of its loss."""
    loss = step.get("step_loss")
    return step if loss is None else step | {"step_perplexity": perplexity(loss)}


def tiles_of(best: Record) -> list[Tile]:
    """The main figures of a model."""
    return [
        Tile("Loss", f"{best.val_loss:.4f}", "cross-entropy of the masked tokens"),
        Tile("Perplexity", f"{perplexity(best.val_loss):.2f}", "exp(loss), lower is better"),
        Tile(
            "Masked accuracy",
            f"{best.val_accuracy:.4f}",
            "share of the masked tokens that are found",
        ),
    ]
