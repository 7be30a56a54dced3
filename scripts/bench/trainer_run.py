"""A complete run of transformers' Trainer on PyTorch, as a contender of batches.py."""

import sys
import time
from pathlib import Path
from typing import Any

from job import RunJob
from trainer import quiet_arguments, tokenized
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer
from workers import serve


class TransformersRun:
    """A run of the job in the given folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = RunJob.read(folder)
        self.about: dict[str, Any] = {}

    def __call__(self, number: int) -> dict[str, Any]:
        """Train with this seed; the answer has the logits of the test rows, (rows, labels)."""
        job, start = self.job, time.perf_counter()
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        trainer = Trainer(
            model=AutoModelForSequenceClassification.from_pretrained(self.folder, dtype="float32"),
            args=quiet_arguments(
                per_device_train_batch_size=job.batch_size, seed=number, **job.arguments
            ),
            train_dataset=tokenized(tokenizer, job.texts, job.labels, job.max_length),
            processing_class=tokenizer,
        )
        trainer.train()
        seconds = time.perf_counter() - start
        test = tokenized(tokenizer, job.test_texts, [0] * len(job.test_texts), job.max_length)
        return {"seconds": seconds, "logits": trainer.predict(test).predictions.tolist()}


if __name__ == "__main__":
    serve(lambda: TransformersRun(Path(sys.argv[1])))
