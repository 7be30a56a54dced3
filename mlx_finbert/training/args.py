"""Arguments of the training loop."""

from dataclasses import dataclass

from mlx_finbert.training.early_stopping import BestMetric, EarlyStopping, ReduceLROnPlateau
from mlx_finbert.training.schedules import Schedule


@dataclass
class TrainingArgs:
    """Length, learning rate, evaluation and stopping of a run."""

    total_steps: int
    learning_rate: float
    """Peak learning rate."""
    schedule: Schedule
    eval_steps: int = 0
    """Also evaluate every `eval_steps` steps; 0 evaluates only at the end of each epoch."""
    save_steps: int = 0
    """Call `on_save` every `save_steps` steps; 0 disables."""
    best_metric: BestMetric = "last"
    plateau: ReduceLROnPlateau | None = None
    stopping: EarlyStopping | None = None
