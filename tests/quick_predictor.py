"""A predictor without a model, for tests of what happens around it."""

import hashlib
from types import SimpleNamespace

import numpy as np

from mlx_finbert.inference import manifest
from mlx_finbert.inference import score_file as files

LABELS = ["negative", "neutral", "positive"]


class QuickPredictor:
    """Probabilities that no other text has."""

    num_long = 0
    tokenizer = None

    def __init__(self, name="one", labels=LABELS):
        self.model = SimpleNamespace(args=SimpleNamespace(labels=labels))
        self.settings = {"name": name}

    def encode(self, texts):
        return texts

    def score(self, texts):
        digests = [hashlib.sha256(f"{self.settings} {text}".encode()).digest() for text in texts]
        count = len(self.model.args.labels)
        values = np.array([list(digest[:count]) for digest in digests], np.float32) + 1
        return values.reshape(-1, count) / values.reshape(-1, count).sum(axis=1, keepdims=True)


class Stopped(QuickPredictor):
    """One that is stopped by Ctrl-C after so many parts."""

    def __init__(self, parts, **options):
        super().__init__(**options)
        self.parts = parts

    def score(self, texts):
        if not self.parts:
            raise KeyboardInterrupt
        self.parts -= 1
        return super().score(texts)


class Alone:
    """The group of one process, without MLX."""

    @staticmethod
    def rank():
        return 0

    @staticmethod
    def size():
        return 1


def without_mlx(monkeypatch):
    """Let `score_file` with a QuickPredictor and `group=Alone` do nothing with MLX."""
    monkeypatch.setattr(files, "barrier", lambda group: None)
    monkeypatch.setattr(manifest, "model_sha256", lambda *model: "model")
