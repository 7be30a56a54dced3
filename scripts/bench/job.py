"""The job of a benchmark, with the same rows and sizes for all contenders.

PyTorch's contenders also import this module, so it must not import mlx_finbert, which loads MKL.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

LEARNING_RATE = 2e-5
WARM_UP_BATCHES = 4


@dataclass
class Job:
    """The work of a round."""

    texts: list[str]
    label_names: list[str]
    batch_size: int
    max_length: int
    labels: list[int] | None = None
    """Indices into `label_names`; only for training."""

    def write(self, folder: Path) -> None:
        (folder / "job.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(**json.loads((folder / "job.json").read_text(encoding="utf-8")))


@dataclass
class RunJob(Job):
    """A complete run of transformers' Trainer."""

    test_texts: list[str] = field(default_factory=list)
    """Texts to measure the model on."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments of `TrainingArguments`."""
