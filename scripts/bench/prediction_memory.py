"""The prediction of memory.py: files of many rows, and a very small model."""

import csv
import random
import time
from pathlib import Path

import prepared  # noqa: F401

import mlx_finbert
from mlx_finbert.data import load_texts
from mlx_finbert.models import build
from mlx_finbert.predict import main as predict

TINY = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "id2label": dict(enumerate(["negative", "neutral", "positive"])),
}
WORDS = 3, 30
"""Minimum and maximum number of words of a text."""
MAX_LENGTH = 32
"""Maximum number of tokens; every part has such texts, so that all parts have equal batches."""


def write_model(folder: Path) -> None:
    """Write a small model with random weights and the packaged encoder's tokenizer."""
    _, tokenizer = mlx_finbert.load("minilm")
    model = build(TINY | {"vocab_size": len(tokenizer)})
    mlx_finbert.save(model, tokenizer, folder)


def write_rows(path: Path, count: int) -> None:
    """Write a CSV file of texts with the sample's words; shorter files are prefixes of longer."""
    words = " ".join(load_texts("sample").texts).split()
    drawn = random.Random(0)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        for i in range(count):
            writer.writerow([i, " ".join(drawn.choices(words, k=drawn.randint(*WORDS)))])


def score(folder: Path) -> float:
    """Run the command on `rows.csv` with `model` in this process; return the seconds."""
    start = time.perf_counter()
    flags = {"model": "model", "input": "rows.csv", "output": "scored.csv"}
    argv = [part for flag, name in flags.items() for part in (f"--{flag}", str(folder / name))]
    argv += ["--max-length", str(MAX_LENGTH)]
    if status := predict(argv):
        raise SystemExit(status)
    return time.perf_counter() - start
