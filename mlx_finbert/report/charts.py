"""The charts of the results, drawn on given axes."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mlx_finbert.evaluation.calibration import Reliability
from mlx_finbert.evaluation.text import shortened

if TYPE_CHECKING:
    # Importing matplotlib at runtime here would make every `--help` slow.
    from matplotlib.axes import Axes

COLORS = {
    "ink": "#1d2126",
    "muted": "#6b7580",
    "line": "#d9dde2",
    "before": "#97a1ac",
    "accent": "#1f4e9e",
    "on-accent": "#fefefe",
}
"""Colours of the light page; the style sheet has others for dark screens."""

MOST_NUMBERED = 30
"""With more labels than this, the confusion matrix has no names and numbers."""
DARK_SHARE = 0.7
"""Above this share, the number in a cell of the confusion matrix is light."""
LONGEST_NAME = 24
DASHED: dict[str, Any] = {"linewidth": 0.8, "dashes": (3, 3)}


def confusion_size(count: int) -> tuple[float, float]:
    """Width and height in inches for this number of labels."""
    side = 2 + 0.4 * max(count, 4) if count <= MOST_NUMBERED else 6
    return side + 0.3, side


def draw_confusion(axes: "Axes", confusion: np.ndarray, names: list[str]) -> None:
    """Draw counts (num_labels, num_labels), coloured by the share of the true label's rows."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    cells = np.argwhere(confusion)
    tiles = [Rectangle((j + 0.03, i + 0.03), 0.94, 0.94) for i, j in cells]
    # Transparent, to suit light and dark pages; at least 0.08, so that small shares stay visible.
    colors = [(COLORS["accent"], 0.08 + 0.92 * share[i, j]) for i, j in cells]
    axes.add_collection(PatchCollection(tiles, facecolors=colors, linewidths=0))
    count = len(names)
    axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal", xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(True)
    axes.set(xticks=[], yticks=[])
    if count <= MOST_NUMBERED:
        number_cells(axes, confusion, share)
        ticks, short = np.arange(count) + 0.5, [shortened(name, LONGEST_NAME) for name in names]
        level = count <= 4 and max(map(len, short)) <= 10
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(ticks, short, color=COLORS["ink"], **({} if level else turned))
        axes.set_yticks(ticks, short, color=COLORS["ink"])


def number_cells(axes: "Axes", confusion: np.ndarray, share: np.ndarray) -> None:
    """Write the counts, light on dark cells and pale for zeros."""
    for (i, j), count in np.ndenumerate(confusion):
        color = "on-accent" if share[i, j] > DARK_SHARE else "ink" if count else "before"
        axes.text(j + 0.5, i + 0.5, f"{count:,}", ha="center", va="center", color=COLORS[color])


def draw_reliability(axes: "Axes", before: Reliability, after: Reliability | None) -> None:
    """Draw the share of correct rows over the probability; dot areas show the number of rows."""
    axes.plot([0, 1], [0, 1], color=COLORS["muted"], **DASHED)
    for table, color in ((before, "before"), (after, "accent")):
        if table:
            held = table.rows > 0
            x, y, rows = table.confidence[held], table.accuracy[held], table.rows[held]
            axes.plot(x, y, color=COLORS[color], linewidth=0.8, alpha=0.6)
            areas = 12 + 300 * rows / rows.sum()
            axes.scatter(x, y, areas, color=COLORS[color], alpha=0.8, linewidths=0, zorder=3)
    axes.grid()
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xticks=ticks, yticks=ticks)
    axes.set(xlabel="mean probability of the predicted label", ylabel="share of correct rows")
