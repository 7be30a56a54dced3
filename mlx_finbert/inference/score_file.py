"""Scoring a file: its columns, and the prediction beside them, in constant memory."""

from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx

from mlx_finbert.data.tables.read_options import ReadOptions
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
    """Write a table's rows with `predicted_label`, a `probability_*` a label, and `score`.

    `score` is P(positive) - P(negative), or the expected value on the scale of the labels where
    `sentiment.scale_positions` knows one; without a scale there is no such column. Every row is
    read and checked once before the first is scored. Rows are scored in parts, which are kept
    next to the target until it appears, whole, at the end: the same call goes on with what a
    stopped one has left, and one call at a time writes a target. Where several processes run,
    each scores its share and rank 0 writes the target.

    Args:
        predictor: holds the model.
        source: a table, as `mlx_finbert.data.tables.open_table` reads it.
        target: `.csv`, `.tsv`, `.jsonl` or `.parquet`.
        text_column: of the source.
        options: how a source in a text format is written.
        by_sentence: score each sentence; the columns are then those of `Document.columns`.
        sentences: a second target, with one row a sentence; written just before the first.
        overwrite_parts: begin anew where a run of other settings has left parts.
        group: the processes; those of `mlx.launch` where None.

    Returns:
        A report on rank 0, None on the others.

    Raises:
        InputError: names the file, the row and the column; or the process that writes the target;
            or says that the source was changed meanwhile.
    """
    table = Table(source, text_column, options or ReadOptions())
    job = Job(predictor, table, target, by_sentence, sentences)
    group = group or ranks()
    with (
        guarded("what was scored is kept: run the same command again to go on"),
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
    """Prepare the folder of the parts for all processes; what is left in it, on rank 0."""
    left = None if group.rank() else parts.claim(overwrite)
    barrier(group)
    parts.require()
    return left
