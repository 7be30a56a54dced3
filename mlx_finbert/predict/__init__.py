"""Scoring texts: a call for a list of them, and a command for files.

`mlx_finbert.predict` is the function; reach the modules here by `from mlx_finbert.predict import`.
"""

from mlx_finbert.predict.documents import Document, read_documents
from mlx_finbert.predict.predictor import Predictor, predict

__all__ = ["Document", "Predictor", "predict", "read_documents"]
