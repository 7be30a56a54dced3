"""Texts without labels, read from tables, and those of them that a student may learn from."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlx_finbert.data import Splits
from mlx_finbert.data.sources.at_hand import refuse_recorded
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.tables import open_table
from mlx_finbert.data.tables.records import Record, require_column
from mlx_finbert.data.tables.text_files import TEXT, TextLines
from mlx_finbert.data.text_hashes import text_hash
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError, is_encodable, quoted
from mlx_finbert.files.paths import local_path


def read_unlabelled(files: Sequence[str], columns: Columns, own_column: str | None) -> list[str]:
    """Read the column of texts of some files; a row without a text gives an empty one.

    Args:
        files: paths.
        columns: the settings for reading tables.
        own_column: the column of the texts; None for that of `columns`, or the lines of a `.txt`.

    Raises:
        InputError: if a file or a row cannot be read; names it, or the parameter.
    """
    texts: list[str] = []
    for name in files:
        refuse_recorded(name, "unlabelled")
        path = local_path(name)
        if not path.is_file():
            raise InputError(f"`unlabelled={name}`: there is no such file")
        texts += texts_of(path, columns, own_column)
    return texts


def texts_of(path: Path, columns: Columns, own_column: str | None) -> Iterator[str]:
    """The texts of one file; with `drop_bad_rows`, without the rows that cannot be read."""
    table = open_table(path, columns.options)
    column = own_column or (TEXT if isinstance(table, TextLines) else columns.text)
    parameter = "unlabelled_column" if own_column else "text_column"
    table.require_columns({parameter: column})
    for record in table.records():
        try:
            yield text_of(record, record.where(path), column, parameter)
        except InputError as error:
            if not columns.drop_bad_rows:
                raise InputError(f"{error}; `drop_bad_rows=True` skips such rows") from None


def text_of(record: Record, where: str, column: str, parameter: str) -> str:
    """The text of a row; empty if it has none."""
    if record.fault:
        raise InputError(f"{where}: {record.fault}")
    text: Any = require_column(record.values, column, where, parameter)
    if not isinstance(text, str | None) or not is_encodable(text or ""):
        raise InputError(
            f"{where}, column {column!r}: {quoted(text)} is not a text of valid characters"
        )
    return text or ""


def with_unlabelled(splits: Splits, drawn: Splits, texts: Sequence[str]) -> Splits:
    """Add unlabelled texts to the rows of a run, without those that are elsewhere in its data.

    Args:
        splits: the rows that the run uses.
        drawn: all rows; a validation or test row counts even if the run does not use it.
        texts: the texts as they were read.

    Raises:
        InputError: if none is left.
    """
    held_out = hashes_of(drawn.validation) | (hashes_of(drawn.test) if drawn.test else set())
    labelled = hashes_of(splits.train)
    counts = dict.fromkeys(
        ("without a text", "of validation or test rows", "of training rows", "repeated"), 0
    )
    kept: dict[str, str] = {}
    for text in texts:
        key = text_hash(text)
        if not text.strip():
            counts["without a text"] += 1
        elif key in held_out:
            counts["of validation or test rows"] += 1
        elif key in labelled:
            counts["of training rows"] += 1
        elif key in kept:
            counts["repeated"] += 1
        else:
            kept[key] = text
    left_out = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    if not kept:
        raise InputError(
            f"`unlabelled` has no text that is left to learn from ({left_out or 'it is empty'}):"
            " give other texts, or leave it out"
        )
    note = f"unlabelled: {len(kept):,} of {len(texts):,} texts are used" + (
        f"; left out: {left_out}" if left_out else ""
    )
    return replace(
        splits,
        unlabelled=[*kept.values()],
        seen=splits.seen.with_unlabelled(kept.values()),
        notes=[*splits.notes, note],
    )


def hashes_of(rows: LabelledTexts) -> set[str]:
    """The hashes of texts, the same for texts that fold alike."""
    return {text_hash(text) for text in rows.texts}
