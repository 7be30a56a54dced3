"""The figures of a classifier on the validation rows."""

import mlx.core as mx

from mlx_finbert.data.loader import Loader
from mlx_finbert.evaluation.metrics import measure
from mlx_finbert.inference.logits import Forward
from mlx_finbert.models import Classifier


class ClassifierValidation:
    """Measure a classifier on the rows of a loader without a seed; see `objective.Validation`."""

    def __init__(self, model: Classifier, loader: Loader, processes: mx.distributed.Group) -> None:
        self.loader = loader
        self._forward = Forward(model, processes)

    def __call__(self) -> dict[str, float]:
        metrics = measure(self._forward.all_logits(self.loader), self.loader.label_ids)
        return {
            "val_loss": metrics.loss,
            "val_accuracy": metrics.accuracy,
            "val_macro_f1": metrics.macro_f1,
            "val_weighted_f1": metrics.weighted_f1,
            "val_mcc": metrics.mcc,
        }
