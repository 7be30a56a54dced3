"""Scoring texts: a call for a list of them, and a command for files."""

from mlx_finbert.predict.predictor import Predictor, predict

__all__ = ["Predictor", "predict"]
