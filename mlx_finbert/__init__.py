"""Fine-tune DistilBERT, BERT (FinBERT) and RoBERTa text classifiers with MLX."""

from mlx_finbert.blas import use_fast_blas
from mlx_finbert.heap import keep_freed_memory

use_fast_blas()  # before the first import of mlx.core
keep_freed_memory()

from mlx_finbert.checkpoint import load, save  # noqa: E402
from mlx_finbert.errors import InputError  # noqa: E402
from mlx_finbert.predict import Predictor, predict  # noqa: E402

__version__ = "0.1.0"
__all__ = ["InputError", "Predictor", "__version__", "load", "predict", "save"]
