"""A training loop as an MLX user would write it, as in mlx-examples; a contender of train.py.

Our model with MLX's own layers, on one stream: `nn.value_and_grad`, `mx.compile`, `optim.AdamW`,
and random batches padded to their longest row.
"""

import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ["MLX_FINBERT_BACKEND"] = "plain"  # before MLX's process is prepared

import numpy as np
from job import LEARNING_RATE, WARM_UP_BATCHES, Job
from our_training import device, threads
from workers import serve

import mlx_finbert


class MlxLoop:
    """Epochs of the loop; all rounds share the compiled step."""

    def __init__(self, folder: Path) -> None:
        self.job = Job.read(folder)
        self.model, self.tokenizer = mlx_finbert.load(folder, dtype="float32")
        self.step = compiled_step(self.model)
        start = time.perf_counter()
        self._train(seed=0, most=WARM_UP_BATCHES)
        seconds = time.perf_counter() - start
        self.about = {"device": device(), "threads": threads(), "warm_up_seconds": seconds}

    def __call__(self, number: int) -> dict[str, Any]:
        """Run one epoch, from texts."""
        start = time.perf_counter()
        self._train(seed=number)
        return {"seconds": time.perf_counter() - start}

    def _train(self, seed: int, most: int | None = None) -> None:
        import mlx.core as mx

        for i, batch in enumerate(self._batches(seed)):
            if i == most:
                break
            loss = self.step(*map(mx.array, batch), mx.random.key(i))
            mx.eval(self.model.state, loss)

    def _batches(self, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        job = self.job
        rows = self.tokenizer(job.texts, truncation=True, max_length=job.max_length)["input_ids"]
        labels = np.array(job.labels, np.int32)
        order = np.random.default_rng(seed).permutation(len(rows))
        for start in range(0, len(rows), job.batch_size):
            chosen = order[start : start + job.batch_size]
            longest = max(len(rows[i]) for i in chosen)
            ids = np.full((len(chosen), longest), self.tokenizer.pad_token_id, np.int32)
            for row, i in zip(ids, chosen, strict=True):
                row[: len(rows[i])] = rows[i]
            mask = np.arange(longest) < np.array([[len(rows[i])] for i in chosen])
            yield ids, mask.astype(np.int32), labels[chosen]


def compiled_step(model: Any) -> Any:
    """Make a training step: a function of ids, mask, labels and a dropout key."""
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optim

    optimizer = optim.AdamW(LEARNING_RATE, weight_decay=0.0, bias_correction=True)
    optimizer.init(model.trainable_parameters())
    state = [model.state, optimizer.state]

    def loss_of(ids: mx.array, mask: mx.array, labels: mx.array, key: mx.array) -> mx.array:
        logits = model(ids, mask, dropout_key=key)
        return nn.losses.cross_entropy(logits, labels, reduction="mean")

    @partial(mx.compile, inputs=state, outputs=state)
    def step(*batch: mx.array) -> mx.array:
        loss, gradients = nn.value_and_grad(model, loss_of)(*batch)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        return loss

    return step


if __name__ == "__main__":
    serve(lambda: MlxLoop(Path(sys.argv[1])))
