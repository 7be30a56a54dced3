"""transformers' Trainer on PyTorch, with its defaults, as a contender of train.py."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from job import LEARNING_RATE, WARM_UP_BATCHES, Job
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
)
from workers import serve

Row = dict[str, Any]


class TransformersTraining:
    """Epochs of `Trainer`: batches padded to their longest row, fused AdamW, gradients clipped."""

    def __init__(self, folder: Path, sampling: str) -> None:
        self.job = Job.read(folder)
        self.sampling = sampling
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="float32")
        rows = self._tokenized(WARM_UP_BATCHES * self.job.batch_size)
        start = time.perf_counter()
        trainer = self._train(rows, seed=0)
        self.about = {
            "device": trainer.args.device.type,
            "threads": torch.get_num_threads(),
            "warm_up_seconds": time.perf_counter() - start,
        }

    def __call__(self, number: int) -> dict[str, Any]:
        """Run one epoch, from texts."""
        start = time.perf_counter()
        self._train(self._tokenized(), seed=number)
        return {"seconds": time.perf_counter() - start}

    def _tokenized(self, num_rows: int | None = None) -> list[Row]:
        texts, labels = self.job.texts[:num_rows], self.job.labels[:num_rows]
        return tokenized(self.tokenizer, texts, labels, self.job.max_length)

    def _train(self, rows: list[Row], seed: int) -> Trainer:
        trainer = Trainer(
            model=self.model,
            args=quiet_arguments(
                per_device_train_batch_size=self.job.batch_size,
                num_train_epochs=1,
                learning_rate=LEARNING_RATE,
                lr_scheduler_type="constant",
                train_sampling_strategy=self.sampling,
                seed=seed,
            ),
            train_dataset=rows,
            processing_class=self.tokenizer,
        )
        trainer.train()
        return trainer


def tokenized(tokenizer: Any, texts: list[str], labels: list[int], max_length: int) -> list[Row]:
    """The rows in the form of the Trainer's collator."""
    encoded = tokenizer(texts, truncation=True, max_length=max_length)
    columns = encoded.data | {"labels": labels}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def quiet_arguments(**arguments: Any) -> TrainingArguments:
    """Arguments of a run without evaluation, checkpoints and reports."""
    return TrainingArguments(
        output_dir=tempfile.gettempdir(),
        use_cpu=sys.platform == "linux" and not torch.cuda.is_available(),
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **arguments,
    )


if __name__ == "__main__":
    serve(lambda: TransformersTraining(Path(sys.argv[1]), sampling=sys.argv[2]))
