"""Fine-tune DistilBERT, BERT (FinBERT) and RoBERTa text classifiers with MLX.

The commands print notes, such as how many rows were left out. From Python they are records of the
logger `mlx_finbert` at the level INFO; to see them:

    logging.basicConfig(format="%(message)s")
    logging.getLogger("mlx_finbert").setLevel(logging.INFO)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlx_finbert._version import __version__
from mlx_finbert.errors import InputError

if TYPE_CHECKING:
    from mlx_finbert.checkpoints.load import load
    from mlx_finbert.checkpoints.save import save
    from mlx_finbert.convert.export_coreml import export_coreml
    from mlx_finbert.evaluation.evaluate import Evaluation
    from mlx_finbert.inference import Predictor, predict_proba
    from mlx_finbert.report.evaluate_classifier import evaluate_classifier
    from mlx_finbert.training.callbacks import Callback
    from mlx_finbert.training.fine_tune import fine_tune
    from mlx_finbert.training.result import Result

__all__ = [
    "Callback",
    "Evaluation",
    "InputError",
    "Predictor",
    "Result",
    "__version__",
    "evaluate_classifier",
    "export_coreml",
    "fine_tune",
    "load",
    "predict_proba",
    "save",
]

MODULES = {
    "Callback": "mlx_finbert.training.callbacks",
    "Evaluation": "mlx_finbert.evaluation.evaluate",
    "Predictor": "mlx_finbert.inference",
    "Result": "mlx_finbert.training.result",
    "evaluate_classifier": "mlx_finbert.report.evaluate_classifier",
    "export_coreml": "mlx_finbert.convert.export_coreml",
    "fine_tune": "mlx_finbert.training.fine_tune",
    "load": "mlx_finbert.checkpoints.load",
    "predict_proba": "mlx_finbert.inference",
    "save": "mlx_finbert.checkpoints.save",
}
"""The modules of the functions and classes that need MLX."""


def __getattr__(name: str) -> Any:
    """Import MLX on first use; on Linux, load a fast BLAS before it."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlx_finbert.backend.process import use_fast_blas

    use_fast_blas()
    return getattr(import_module(MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
