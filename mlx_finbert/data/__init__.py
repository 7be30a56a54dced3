"""Labelled texts: sources, splits, tokens and batches."""

from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.split import Splits, make_splits
from mlx_finbert.data.texts import LabelledTexts

__all__ = ["LabelledTexts", "Splits", "load_texts", "make_splits"]
