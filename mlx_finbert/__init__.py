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
    from mlx_finbert.inference import Predictor, predict_proba

__all__ = ["InputError", "Predictor", "__version__", "load", "predict_proba", "save"]

MODULES = {
    "Predictor": "mlx_finbert.inference",
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
