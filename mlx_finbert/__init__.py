"""Fine-tune DistilBERT, BERT (FinBERT) and RoBERTa text classifiers with MLX."""

from mlx_finbert.blas import use_fast_blas

use_fast_blas()  # before the first import of mlx.core

from mlx_finbert._version import __version__  # noqa: E402
from mlx_finbert.checkpoints.load import load, save  # noqa: E402
from mlx_finbert.cpu_backend import tune_cpu_backend  # noqa: E402
from mlx_finbert.errors import InputError  # noqa: E402
from mlx_finbert.inference import Predictor, predict_proba  # noqa: E402

tune_cpu_backend()  # before MLX's first computation


__all__ = ["InputError", "Predictor", "__version__", "load", "predict_proba", "save"]
