"""What the loop is told: how long, how fast, and what is watched."""

from dataclasses import dataclass
from typing import Literal

from mlx_finbert.training.early_stopping import BestMetric, EarlyStopping, ReduceLROnPlateau
from mlx_finbert.training.schedules import Schedule

Precision = Literal["float32", "bfloat16", "float16"]
"""MLX's names of the dtypes."""


@dataclass
class TrainingArgs:
    """The course of a run."""

    total_steps: int
    learning_rate: float
    """The peak."""
    schedule: Schedule
    eval_steps: int = 0
    """Also evaluate every so many steps; 0 evaluates at the ends of the epochs alone."""
    save_steps: int = 0
    """Tell the callbacks to save every so many steps; 0 for never."""
    best_metric: BestMetric = "last"
    plateau: ReduceLROnPlateau | None = None
    stopping: EarlyStopping | None = None
