"""Scoring of texts: a list of them, or the rows of a file."""

from mlx_finbert.inference.documents import Document, read_documents
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.inference.probabilities import predict_proba

__all__ = ["Document", "Predictor", "predict_proba", "read_documents"]
