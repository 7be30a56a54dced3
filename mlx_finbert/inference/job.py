"""The work on one file: scoring its parts, and joining them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from mlx_finbert.data.sentences import split_sentences
from mlx_finbert.data.tables.records import Row
from mlx_finbert.data.tables.writers import Write, make_writer
from mlx_finbert.data.windows import Windows
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import replaced
from mlx_finbert.inference.documents import document_columns, documents_of, scored_document
from mlx_finbert.inference.manifest import make_manifest
from mlx_finbert.inference.parts import Parts, folder_of, held
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.scored_rows import ScoredRow, scored_texts, text_columns
from mlx_finbert.inference.table import Table, check_target
from mlx_finbert.prefetch import ahead


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
    parts_damaged: int = 0
    """Parts of an earlier run that were damaged, and were scored again."""
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
        labels = self.predictor.model.args.labels
        columns = document_columns(labels) if self.by_sentence else text_columns(labels)
        self.writer = make_writer(self.target, columns, self.table.file.schema)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the targets for writing while the block runs."""
        with ExitStack() as stack:
            stack.enter_context(held(self.target, "--output"))
            if self.sentences:
                stack.enter_context(held(self.sentences, "--sentences"))
            yield

    def parts(self) -> Parts:
        """The parts to score, after a look at every row of the table."""
        rows = self.table.checked_rows(self.writer)
        if self.sentences and self.table.num_empty == rows:
            raise InputError(f"{self.table.path}: no row has a text, so there is no sentence")
        manifest = make_manifest(
            self.predictor,
            self.table.sha256,
            **self.table.settings,
            by_sentence=self.by_sentence,
            sentences=self.sentences is not None,
        )
        return Parts(folder_of(self.target), rows, manifest)

    def score(self, parts: Parts, rank: int, size: int) -> None:
        """Score what one rank of so many has still to do."""
        from tqdm import tqdm

        mine = parts.missing(range(rank, len(parts), size))
        total = sum(parts.size(number) for number in mine)
        # Without a terminal there is no bar, but mlx.launch hands on to one what rank 0 prints.
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
        """Write the targets from the table and the parts, and remove the parts."""
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
        """What writes rows, and what writes those of the sentences."""
        if self.sentences is None:
            with replaced(self.target) as path, self.writer.open(path) as write:
                yield write, lambda rows: None
            return
        columns = SENTENCE_COLUMNS | text_columns(self.predictor.model.args.labels)
        writer = make_writer(self.sentences, columns)
        with replaced(self.target) as path, replaced(self.sentences) as sentences:
            with self.writer.open(path) as write, writer.open(sentences) as write_sentences:
                yield write, write_sentences
            # Both are whole. An old output must never be there with the new sentences, which take
            # their place first.
            self.target.unlink(missing_ok=True)


SENTENCE_COLUMNS = {"row": int, "sentence": int, "text": str}
"""Where a sentence is from, both numbers from 1, and the sentence."""


def sentence_rows(scored: list[ScoredRow], first: int) -> list[Row]:
    """A row for each sentence of scored rows, the first of which has this number."""
    return [
        {"row": row, "sentence": count, **sentence}
        for row, new in enumerate(scored, first)
        for count, sentence in enumerate(new.sentences, 1)
    ]
