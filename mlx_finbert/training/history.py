"""A run's history on disk: `history.json` and `history.csv`.

They hold nothing that depends on the clock: the same seed, data and flags on the same
machine give the same bytes.
"""

import csv
import io
import json
from dataclasses import asdict, fields
from pathlib import Path

from mlx_finbert.atomic import write_text
from mlx_finbert.training.record import Record


def write_history(history: list[Record], folder: Path) -> None:
    """One object, and one line, for each evaluation."""
    rows = [asdict(record) for record in history]
    write_text(folder / "history.json", json.dumps(rows, indent=2, allow_nan=False) + "\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, [f.name for f in fields(Record)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "history.csv", table.getvalue())
