"""A run's history on disk: `history.json`, `history.csv` and `curves.png`.

The two tables hold nothing that depends on the clock: the same seed, data and flags on the same
machine give the same bytes.
"""

import csv
import io
import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from mlx_finbert.atomic import write_bytes, write_text
from mlx_finbert.training.fit import Record

MOST_NUMBERED = 30
"""With more labels than this, the confusion matrix is drawn without names and numbers."""


def write_history(history: list[Record], folder: Path) -> None:
    """One object, and one line, for each evaluation."""
    rows = [asdict(record) for record in history]
    write_text(folder / "history.json", json.dumps(rows, indent=2, allow_nan=False) + "\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, [f.name for f in fields(Record)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "history.csv", table.getvalue())


def draw_curves(history: list[Record], path: Path) -> None:
    """Training and validation loss and accuracy over the epochs."""
    from matplotlib.figure import Figure

    epochs = [record.epoch for record in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [getattr(r, name) for r in history], "o-", label="training")
        axes.plot(epochs, [getattr(r, f"val_{name}") for r in history], "o-", label="validation")
        axes.set(xlabel="epoch", title=name)
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)


def draw_confusion(confusion: np.ndarray, label_names: list[str], path: Path) -> None:
    """Counts (num_labels, num_labels), coloured by each true label's share."""
    from matplotlib.figure import Figure

    side = min(16, max(3.5, 0.6 * len(label_names) + 2))
    figure = Figure(figsize=(side + 0.5, side), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(label_names) <= MOST_NUMBERED:
        for (i, j), count in np.ndenumerate(confusion):
            color = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, count, ha="center", va="center", color=color)
        # matplotlib would read what stands between two dollar signs as a formula.
        names = [name.replace("$", r"\$") for name in label_names]
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    save_figure(figure, path)


def save_figure(figure: "matplotlib.figure.Figure", path: Path) -> None:  # noqa: F821
    """A whole PNG at once."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    write_bytes(path, picture.getvalue())
