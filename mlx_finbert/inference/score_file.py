"""Scores a file in constant memory: writes its columns and the predictions next to them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import mlx.core as mx

from mlx_finbert.data.sentences import split_sentences
from mlx_finbert.data.tables.records import Row
from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.data.tables.writers import PARQUET, Write, make_writer
from mlx_finbert.data.tokens import Windows
from mlx_finbert.distributed import barrier, guarded, ranks
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import replaced
from mlx_finbert.files.space import require_space, size_of
from mlx_finbert.inference.documents import document_columns, documents_of, scored_document
from mlx_finbert.inference.manifest import make_manifest
from mlx_finbert.inference.parts import Parts, folder_of, held
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.scored_rows import ScoredRow, scored_texts, text_columns
from mlx_finbert.inference.table import Table, check_target
from mlx_finbert.prefetch import ahead

NUMBER = len("0.123456")
"""The characters of a number; labels take about as many."""


def size_in_part(columns: Iterable[str]) -> int:
    """Return the bytes of a row of a part, which is JSON with the names of the columns."""
    row = ScoredRow(dict.fromkeys(columns, "." * (NUMBER - 2)))
    return len(json.dumps(vars(row)) + "\n")


@dataclass
class FileReport:
    """The outcome of scoring a file."""

    rows: int
    parts: int
    empty: int = 0
    """Rows without a text; their prediction is left empty."""
    num_long: int = 0
    """Texts or sentences over the predictor's `max_length`."""
    parts_found: int = 0
    """Parts already scored by an earlier run."""
    parts_damaged: int = 0
    """Damaged parts of an earlier run, which were scored again."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what was found when reading the table."""


@dataclass
class EncodedPart:
    """A part of the table, ready to be scored."""

    number: int
    units: list[list[str]]
    """The texts to score for each row: its sentences, or its whole text as the only one."""
    windows: Windows
    """The tokens of all units."""


@dataclass
class Job:
    """A file to score and the files to write."""

    predictor: Predictor
    table: Table
    target: Path
    by_sentence: bool
    sentences: Path | None
    raw_cells: bool = False

    def __post_init__(self) -> None:
        others = {"input": self.table.path}
        check_target("output", self.target, others)
        if self.sentences:
            check_target("sentences", self.sentences, others | {"output": self.target})
            if not self.by_sentence:
                raise InputError("`sentences` needs `by_sentence=True`: add it")
        labels = self.predictor.model.args.labels
        columns = document_columns(labels) if self.by_sentence else text_columns(labels)
        schema = self.table.file.schema
        self.writer = make_writer(self.target, columns, schema, has_formulas=self.raw_cells)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the targets for writing inside the block."""
        with ExitStack() as stack:
            stack.enter_context(held(self.target, "output"))
            if self.sentences:
                stack.enter_context(held(self.sentences, "sentences"))
            yield

    def parts(self) -> Parts:
        """Check every row of the table; return the parts to score."""
        rows = self.table.checked_rows(self.writer)
        if self.sentences and self.table.num_empty == rows:
            raise InputError(
                f"{self.table.path}: no row has a text, so `sentences` would be empty; check"
                " `text_column`"
            )
        manifest = make_manifest(
            self.predictor,
            self.table.sha256,
            **self.table.settings,
            by_sentence=self.by_sentence,
            sentences=self.sentences is not None,
        )
        return Parts(folder_of(self.target), rows, manifest)

    def require_space(self, parts: Parts) -> None:
        """Refuse an output that does not fit on the disk; Parquet takes less, and is not checked.

        Raises:
            InputError: says how much is needed and free.
        """
        if self.target.suffix.lower() == PARQUET:
            return
        added = self.writer.added
        # Of the output's columns, those of the source take what they take there.
        needed = parts.rows * (size_in_part(added) + NUMBER * len(added))
        needed += size_of(self.table.path) - size_of(parts.folder)
        require_space(self.target.parent, needed, "output", "the scored rows and their parts")

    def score(self, parts: Parts, rank: int, size: int) -> None:
        """Score the remaining parts of one rank.

        Args:
            parts: of the table.
            rank: this process's number, from 0.
            size: number of processes.
        """
        from tqdm import tqdm

        mine = parts.missing(range(rank, len(parts), size))
        total = sum(parts.size(number) for number in mine)
        # tqdm shows no bar without a terminal; under mlx.launch rank 0's output does reach one.
        disable = None if size == 1 else rank > 0
        with tqdm(total=total, unit="row", disable=disable) as bar:
            for part in ahead(self._encode(*part) for part in self.table.parts(mine)):
                before = self.predictor.num_long
                scored = self._scored(part)
                parts.write(part.number, scored, self.predictor.num_long - before)
                bar.update(len(scored))

    def _encode(self, number: int, rows: list[Row]) -> EncodedPart:
        texts = self.table.texts(rows)
        units = [split_sentences(text) if self.by_sentence else [text] for text in texts]
        windows = self.predictor.encode([*chain.from_iterable(units)])
        return EncodedPart(number, units, windows)

    def _scored(self, part: EncodedPart) -> list[ScoredRow]:
        labels = self.predictor.model.args.labels
        probabilities = self.predictor.score(part.windows)
        if not self.by_sentence:
            return scored_texts([*chain.from_iterable(part.units)], probabilities, labels)
        rows = map(scored_document, documents_of(part.units, probabilities, labels))
        return [row if self.sentences else ScoredRow(row.columns) for row in rows]

    def join(self, parts: Parts) -> FileReport:
        """Write the targets from the table and the parts, then remove the parts."""
        report = FileReport(parts.rows, len(parts), notes=self.table.file.notes)
        with self._targets() as (write, write_sentences):
            for number, rows in self.table.parts(range(len(parts))):
                scored, num_long = parts.read(number)
                write([row | new.columns for row, new in zip(rows, scored, strict=True)])
                write_sentences(sentence_rows(scored, parts.first_row(number)))
                report.empty += sum(new.columns["predicted_label"] is None for new in scored)
                report.num_long += num_long
        parts.remove()
        return report

    @contextmanager
    def _targets(self) -> Iterator[tuple[Write, Write]]:
        """Open the targets; give the functions that write rows and sentence rows."""
        if self.sentences is None:
            with replaced(self.target) as path, self.writer.open(path) as write:
                yield write, lambda rows: None
            return
        columns = SENTENCE_COLUMNS | text_columns(self.predictor.model.args.labels)
        writer = make_writer(self.sentences, columns, has_formulas=self.raw_cells)
        with replaced(self.target) as path, replaced(self.sentences) as sentences:
            with self.writer.open(path) as write, writer.open(sentences) as write_sentences:
                yield write, write_sentences
            # Both files are complete. The new sentences are moved into place first, and must never
            # be seen together with an old output.
            self.target.unlink(missing_ok=True)


SENTENCE_COLUMNS = {"row": int, "sentence": int, "text": str}
"""A sentence's row and its number in the row's text, both from 1, and the sentence."""


def sentence_rows(scored: list[ScoredRow], first: int) -> list[Row]:
    """Make a row for each sentence of scored rows, which are numbered from `first`."""
    return [
        {"row": row, "sentence": count, **sentence}
        for row, new in enumerate(scored, first)
        for count, sentence in enumerate(new.sentences, 1)
    ]


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
    raw_cells: bool = False,
) -> FileReport | None:
    """Write a table's rows with `predicted_label`, one `probability_*` per label, and `score`.

    `score` is P(positive) - P(negative), or the expected value on the labels' scale if
    `scale_positions` knows one; without a scale there is no such column. Every row is
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
        raw_cells: write texts of CSV and TSV unchanged, also if a spreadsheet would run them.

    Returns:
        A report on rank 0, None on the others.

    Raises:
        InputError: names the file, the row and the column; or the process that writes the target;
            or says that the source has changed while it was scored.
    """
    table = Table(source, text_column, options or ReadOptions())
    job = Job(predictor, table, target, by_sentence, sentences, raw_cells)
    group = group or ranks()
    with (
        guarded("the scored parts are kept: run the same command again to continue"),
        nullcontext() if group.rank() else job.held(),
    ):
        parts = job.parts()
        # Rank 0 prepares the folder of the parts for all processes.
        if not group.rank():
            job.require_space(parts)
        left = None if group.rank() else parts.claim(overwrite_parts)
        barrier(group)
        parts.require()
        job.score(parts, group.rank(), group.size())
        barrier(group)
        if left is None:
            return None
        report = job.join(parts)
    report.parts_found, report.parts_damaged = left.whole, left.damaged
    return report
