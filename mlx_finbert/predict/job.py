"""The work on one file: scoring its parts, and joining them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from mlx_finbert.background import ahead
from mlx_finbert.data.records import Row
from mlx_finbert.data.sentences import split_sentences
from mlx_finbert.data.windows import Windows
from mlx_finbert.data.writers import open_writer
from mlx_finbert.errors import InputError
from mlx_finbert.predict.columns import ScoredRow, scored_texts, text_columns
from mlx_finbert.predict.documents import document_columns, documents_of, scored_document
from mlx_finbert.predict.manifest import Manifest, make_manifest
from mlx_finbert.predict.parts import Parts, in_parts
from mlx_finbert.predict.predictor import Predictor
from mlx_finbert.predict.table import Table, check_target


@dataclass
class FileReport:
    """What was written."""

    rows: int
    parts: int
    empty: int = 0
    """Rows without a text, whose prediction is left empty."""
    num_long: int = 0
    """Texts, or sentences, over the predictor's `max_length`."""
    parts_found: int = 0
    """Parts that an earlier run had scored."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what reading the table found."""


@dataclass
class EncodedPart:
    """A part of the table, ready to be scored."""

    number: int
    units: list[list[str]]
    """What is scored of each row: its sentences, or its text as the only one."""
    windows: Windows
    """The tokens of all units."""


@dataclass
class Job:
    """A file to score, and where to write."""

    predictor: Predictor
    table: Table
    target: Path
    by_sentence: bool
    sentences: Path | None

    def __post_init__(self) -> None:
        others = {"--input": self.table.path}
        check_target("--output", self.target, others)
        if self.sentences:
            check_target("--sentences", self.sentences, others | {"--output": self.target})
            if not self.by_sentence:
                raise InputError("--sentences goes with --by-sentence: add it")

    @property
    def columns(self) -> list[str]:
        """The names of the columns that scoring adds."""
        labels = self.predictor.model.args.labels
        return document_columns(labels) if self.by_sentence else text_columns(labels)

    def manifest(self) -> Manifest:
        """What the parts depend on."""
        return make_manifest(
            self.predictor,
            self.table,
            by_sentence=self.by_sentence,
            sentences=self.sentences is not None,
        )

    def score(self, parts: Parts, rank: int, size: int) -> None:
        """Score what one rank of so many has still to do."""
        from tqdm import tqdm

        mine = {number for number in parts.missing() if number % size == rank}
        total = sum(parts.size(number) for number in mine)
        # Without a terminal there is no bar, but mlx.launch hands on to one what rank 0 prints.
        disable = None if size == 1 else rank > 0
        with tqdm(total=total, unit="row", disable=disable) as bar:
            for part in filter(None, ahead(self._encoded(mine))):
                before = self.predictor.num_long
                scored = self._scored(part)
                parts.write(part.number, scored, self.predictor.num_long - before)
                bar.update(len(scored))

    def _encoded(self, numbers: set[int]) -> Iterator[EncodedPart | None]:
        """The parts of these numbers, read and tokenized; None for each of the others."""
        for number, rows in enumerate(in_parts(self.table.rows())):
            yield self._encode(number, rows) if number in numbers else None

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
        """Write the targets from the table and the parts, and remove the parts."""
        if self.sentences:
            self._join_sentences(parts)
        report = FileReport(parts.rows, len(parts))
        with open_writer(self.target, self.table.path) as write:
            for number, rows in enumerate(in_parts(self.table.rows())):
                scored, num_long = parts.read(number)
                write([row | new.columns for row, new in zip(rows, scored, strict=True)])
                report.empty += sum(new.columns["predicted_label"] is None for new in scored)
                report.num_long += num_long
        parts.remove()
        return report

    def _join_sentences(self, parts: Parts) -> None:
        # The source would lend its columns' types to ours of the same names.
        with open_writer(self.sentences, source=Path("--sentences")) as write:
            written = 0
            for number in range(len(parts)):
                scored, _ = parts.read(number)
                rows = [
                    {"row": row, "sentence": count, **sentence}
                    for row, new in enumerate(scored, parts.first_row(number))
                    for count, sentence in enumerate(new.sentences, 1)
                ]
                if rows:
                    write(rows)
                written += len(rows)
            if not written:
                raise InputError(f"{self.table.path}: no row has a text, so there is no sentence")
