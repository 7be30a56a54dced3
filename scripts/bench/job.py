"""What all contenders of a benchmark are given: the same rows and the same sizes.

PyTorch's contenders import this too, so it must not import mlx_finbert: that brings MKL.
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
    """For training alone: indices into `label_names`."""

    def write(self, folder: Path) -> None:
        (folder / "job.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(**json.loads((folder / "job.json").read_text(encoding="utf-8")))


@dataclass
class RunJob(Job):
    """A whole run of transformers' Trainer."""

    test_texts: list[str] = field(default_factory=list)
    """What the model is measured by."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Of `TrainingArguments`."""
