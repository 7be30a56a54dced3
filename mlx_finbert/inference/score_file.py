"""Scores a file in constant memory: writes its columns and the predictions next to them."""

from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx

from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.distributed import barrier, guarded, ranks
from mlx_finbert.inference.job import FileReport, Job
from mlx_finbert.inference.parts import Left, Parts
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.table import Table


def score_file(
    predictor: Predictor,
    source: Path,
    target: Path,
    text_column: str = "text",
    options: ReadOptions | None = None,
    by_sentence: bool = False,
    sentences: Path | None = None,
    overwrite_parts: bool = False,
    group: mx.distributed.Group | None = None,
) -> FileReport | None:
    """Write a table's rows with `predicted_label`, one `probability_*` per label, and `score`.

    `score` is P(positive) - P(negative), or the expected value on the labels' scale if
    `sentiment.scale_positions` knows one; without a scale there is no such column. Every row is
    read and checked before the first is scored. Rows are scored in parts, which are kept next to
    the target until the complete target is written at the end. The same call continues after a
    stopped one; only one call at a time can write a target. With several processes, each scores
    its share and rank 0 writes the target.

    Args:
        predictor: holds the model.
        source: a table that `mlx_finbert.data.tables.open_table` reads.
        target: `.csv`, `.tsv`, `.jsonl` or `.parquet`.
        text_column: the source's column of texts.
        options: how to read a source in a text format.
        by_sentence: score each sentence; the columns are then those of `Document.columns`.
        sentences: a second target, with one row per sentence; written just before the first.
        overwrite_parts: discard parts of a run with other settings.
        group: the processes; None for those of `mlx.launch`.

    Returns:
        A report on rank 0, None on the others.

    Raises:
        InputError: names the file, the row and the column; or the process that writes the target;
            or says that the source has changed while it was scored.
    """
    table = Table(source, text_column, options or ReadOptions())
    job = Job(predictor, table, target, by_sentence, sentences)
    group = group or ranks()
    with (
        guarded("the scored parts are kept: run the same command again to continue"),
        nullcontext() if group.rank() else job.held(),
    ):
        parts = job.parts()
        left = claim(parts, overwrite_parts, group)
        job.score(parts, group.rank(), group.size())
        barrier(group)
        if left is None:
            return None
        report = job.join(parts)
    report.parts_found, report.parts_damaged = left.whole, left.damaged
    return report


def claim(parts: Parts, overwrite: bool, group: mx.distributed.Group) -> Left | None:
    """Prepare the folder of the parts for all processes; rank 0 gets the parts left in it."""
    left = None if group.rank() else parts.claim(overwrite)
    barrier(group)
    parts.require()
    return left
