"""The rows of the sample: what their columns may hold, reading and writing."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from mlx_finbert.data.label_names import SENTIMENT_ORDER
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.files import load_file
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import write_text

COLUMNS = ("text", "label", "split", "kind", "subject")
KINDS = ("headline", "wire", "report", "tweet", "call")
HARD = "hard"
"""The subject of the sentences that were written to be hard."""
SUBJECTS = (
    "results", "forecasts", "orders", "contracts", "guidance", "dividends", "ratings", "targets",
    "deals", "staff", "courts", "supply", "prices", "macro", "funds", "crypto", "products",
    "ownership", "financing", "plans", "schedules", "boilerplate", "description", "markets", HARD,
)  # fmt: skip


def read(path: Path, split: str | None = None) -> LabelledTexts:
    """Read rows and check them.

    Args:
        path: The file.
        split: The column of the splits, if the file has one.

    Raises:
        InputError: If a column is missing, or a row has a value that it may not have.
    """
    rows = load_file(path, Columns(split=split, label_names=list(SENTIMENT_ORDER)))
    for i, text in enumerate(rows.texts):
        where = f"{path}, row {rows.numbers[i]}"
        if text != " ".join(text.split()):
            raise InputError(f"{where}: the text has white space at an end or twice: remove it")
        require_one_of(KINDS, column(rows, "kind")[i], f"{where}, column 'kind'")
        require_one_of(SUBJECTS, column(rows, "subject")[i], f"{where}, column 'subject'")
    return rows


def require_one_of(allowed: Sequence[str], value: str, where: str) -> None:
    """Refuse another value."""
    if value not in allowed:
        raise InputError(f"{where}: {value!r} is not one of {', '.join(allowed)}")


def column(rows: LabelledTexts, name: str) -> list[str]:
    """The values of a column that is neither text, label nor split; "" where a row has none."""
    return [str(other.get(name) or "") for other in rows.others or [{}] * len(rows)]


def labels(rows: LabelledTexts) -> list[str]:
    """The name of each row's label."""
    return [rows.label_names[i] for i in rows.label_ids]


def write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write rows of `COLUMNS`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    write_text(path, file.getvalue())
