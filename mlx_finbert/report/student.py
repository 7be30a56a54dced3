"""A distilled student and its teacher on the same rows."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mlx_finbert.report.markup import section, table, text

FIGURES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "calibration error"}
"""The figures of a model, with their names."""
DIFFERENCES = ("accuracy", "macro_f1")
"""The figures whose difference has an interval: drawing rows would enlarge the other one."""


@dataclass(frozen=True)
class ModelFigures:
    """What a model achieves, and what it costs."""

    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error."""
    parameters: int
    bytes_on_disk: int
    """Size of its weights' files."""
    texts_per_second: float


@dataclass(frozen=True)
class StudentAndTeacher:
    """The figures of both on N rows; the student's are calibrated if the run calibrates."""

    name: str
    """The user's name for the teacher."""
    rows: int
    student: ModelFigures
    teacher: ModelFigures
    agreement: float
    """Share of the rows to which both give the same label."""
    intervals: dict[str, list[float]]
    """95% intervals of the student's figures minus the teacher's, for `DIFFERENCES`."""
    timed_rows: int
    """Rows whose scoring was timed."""
    seen_by_teacher: int | None
    """Rows that the teacher saw in its own training; None if it does not record its texts."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @property
    def speedup(self) -> float:
        return self.student.texts_per_second / self.teacher.texts_per_second

    @property
    def notes(self) -> list[str]:
        """Sentences on what the figures mean."""
        notes = [
            f"both give the same label to {self.agreement:.1%} of the {self.rows:,} rows",
            f"texts a second were measured in this process, in turns, on {self.timed_rows:,} of the"
            " rows, tokenizing included, and are the best of several rounds: the student is"
            f" {self.speedup:.2f} times as fast",
        ]
        if self.seen_by_teacher is None:
            notes.append(
                "the teacher does not record the texts that it was trained on: some of the rows may"
                " be among them, which flatters it"
            )
        elif self.seen_by_teacher:
            notes.append(
                f"{self.seen_by_teacher:,} of the rows are texts that the teacher was trained on or"
                " chosen by, which flatters it"
            )
        return notes

    def cells(self) -> Iterator[tuple[str, str, str, str]]:
        """For each figure its name, the student's and the teacher's value, and the difference."""
        student, teacher = self.student, self.teacher
        for name, title in FIGURES.items():
            own, taught = getattr(student, name), getattr(teacher, name)
            difference = f"{own - taught:+z.4f}"
            if name in self.intervals:
                low, high = self.intervals[name]
                difference += f" ({low:+z.4f} to {high:+z.4f})"
            yield title, f"{own:.4f}", f"{taught:.4f}", difference
        for title, own, taught in (
            ("parameters", f"{student.parameters:,}", f"{teacher.parameters:,}"),
            ("size on disk", megabytes(student.bytes_on_disk), megabytes(teacher.bytes_on_disk)),
            (
                "texts a second",
                f"{student.texts_per_second:,.1f}",
                f"{teacher.texts_per_second:,.1f}",
            ),
        ):
            yield title, own, taught, ""

    def lines(self) -> Iterator[str]:
        """Lines for a terminal."""
        yield f"{'':<19}{'student':>14}{'teacher':>14}  difference (95% interval)"
        for title, own, taught, difference in self.cells():
            yield f"{title:<19}{own:>14}{taught:>14}  {difference}".rstrip()
        yield from self.notes


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def student_section(found: StudentAndTeacher) -> str:
    """The section of the page with a table of both models."""
    note = f"The student was distilled from {found.name}. " + " ".join(
        f"{sentence[0].upper()}{sentence[1:]}." for sentence in found.notes
    )
    rows = [tuple(map(text, cells)) for cells in found.cells()]
    head = ("", "student", "teacher", "difference, 95% interval")
    return section("Student and teacher", note, table(head, rows, "numbers"))
