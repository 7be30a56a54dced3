"""Fine-tune DistilBERT, BERT (FinBERT) and RoBERTa text classifiers with MLX."""

from mlx_finbert.blas import use_fast_blas

use_fast_blas()  # before the first import of mlx.core

from mlx_finbert.checkpoint import load, save  # noqa: E402
from mlx_finbert.cpu_backend import tune_cpu_backend  # noqa: E402
from mlx_finbert.errors import InputError  # noqa: E402
from mlx_finbert.predict import Predictor, predict  # noqa: E402

tune_cpu_backend()  # before MLX's first computation

__version__ = "0.1.0"
__all__ = ["InputError", "Predictor", "__version__", "load", "predict", "save"]
