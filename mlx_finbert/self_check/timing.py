"""Milliseconds of a training step and texts a second, each case in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from mlx_finbert.errors import first_line
from mlx_finbert.files.json_text import parse_json
from mlx_finbert.labels import generic_labels
from mlx_finbert.self_check.subjects import MINILM
from mlx_finbert.self_check.timed_process import Case, Timing

DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
DISTILBERT: dict[str, Any] = {
    "model_type": "distilbert", "vocab_size": 30522, "max_position_embeddings": 512,
    "dim": 768, "n_heads": 12, "n_layers": 6, "hidden_dim": 3072, "pad_token_id": 0,
    "dropout": 0.1, "attention_dropout": 0.1, "seq_classif_dropout": 0.2,
}  # fmt: skip
"""The sizes and dropout of `distilbert-base-uncased`."""

PRECISIONS = ("float32", "bfloat16")

DISTILBERT_BYTES = 5.9e9
"""Peak memory of a training step of DistilBERT, 16 x 512 (README)."""

LONGEST_STEP = 8.0
"""The most seconds of a step that is timed; a longer one is only estimated."""

TIMEOUT = 300.0
"""Seconds after which a case is given up."""


def cases(on_cpu: bool, memory: float) -> list[Case]:
    """What is timed; on a CPU the first case alone, as the others would take minutes there.

    Args:
        on_cpu: whether the device is a CPU.
        memory: bytes that the device may use; with little, DistilBERT's layers are computed twice.
    """
    short = memory < 2 * DISTILBERT_BYTES
    labels = {"id2label": {str(i): name for i, name in generic_labels(3).items()}}
    shapes = [
        ("MiniLM", MINILM | DROPOUT, 32, 128, False),
        ("DistilBERT", DISTILBERT, 16, 512, short),
    ]
    every = [
        Case(name, config | labels, rows, tokens, precision, again, LONGEST_STEP)
        for name, config, rows, tokens, again in shapes
        for precision in PRECISIONS
    ]
    return every[:1] if on_cpu else every


def timing(case: Case, environment: dict[str, str]) -> Timing:
    """Time a case; a process that fails is reported in the result.

    Args:
        case: the case.
        environment: the environment variables of the user.
    """
    argv = [sys.executable, "-m", f"{__package__}.timed_process", json.dumps(asdict(case))]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=TIMEOUT, env=with_paths(environment)
        )
        if done.returncode == 0:
            return Timing(**parse_json(done.stdout.splitlines()[-1]))
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Timing(case.name, fault=said[-1])
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        return Timing(case.name, fault=first_line(error))


def with_paths(environment: dict[str, str]) -> dict[str, str]:
    """The environment, in which Python finds the modules that this process finds."""
    return environment | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
