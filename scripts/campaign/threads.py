"""Several threads that use one model, and a thread that predicts while other models are trained."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from materials import SHORT_RUN, csv_of, model, rows

THREADS = 8


def threads(rounds: int, root: Path) -> tuple[str, list[str]]:
    """Compare what threads compute with what one thread computes.

    Args:
        rounds: how often each thread predicts.
        root: an empty folder.

    Returns:
        A line for each comparison, and what is wrong.
    """
    import mlx_finbert

    start = root / "start"
    start.mkdir()
    model(start)
    (root / "news.csv").write_bytes(csv_of(60))
    network, tokenizer = mlx_finbert.load(start)
    batches = [[text for text, _ in rows(9 + 7 * i)] for i in range(THREADS)]

    def predict(number: int) -> np.ndarray:
        return np.array(mlx_finbert.predict_proba(network, tokenizer, batches[number]))

    def train(name: str, seed: int) -> bytes:
        out = root / name
        data = str(root / "news.csv")
        mlx_finbert.fine_tune(str(start), data, output_dir=str(out), seed=seed, **SHORT_RUN)
        return (out / "history.csv").read_bytes() + (out / "model.safetensors").read_bytes()

    right = [predict(number) for number in range(THREADS)]
    lines, wrong = [], []
    for told, unequal in (
        (f"{THREADS} threads, one model, {rounds} times", _at_once(predict, right, rounds)),
        ("two trainings while a thread predicts", _during_predictions(predict, train, right)),
    ):
        lines.append(f"{told}: {unequal or 'as in one thread'}")
        wrong += [f"{told}: {unequal}"] if unequal else []
    return "\n".join(lines), wrong


def _at_once(predict: Callable[[int], np.ndarray], right: Sequence[np.ndarray], rounds: int) -> str:
    """Predict in all threads, which start together."""
    together = threading.Barrier(THREADS)

    def unequal(number: int) -> int:
        together.wait()
        return sum(not np.array_equal(predict(number), right[number]) for _ in range(rounds))

    with ThreadPoolExecutor(THREADS) as pool:
        return _told([pool.submit(unequal, number) for number in range(THREADS)])


def _during_predictions(
    predict: Callable[[int], np.ndarray],
    train: Callable[[str, int], bytes],
    right: Sequence[np.ndarray],
) -> str:
    """Train two models one after the other while a thread predicts, and again without it."""
    ended = threading.Event()

    def until_the_end() -> int:
        unequal, number = 0, 0
        while not ended.is_set() or number < THREADS:
            unequal += not np.array_equal(predict(number % THREADS), right[number % THREADS])
            number += 1
        return unequal

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(until_the_end)
        try:
            trained = [train(f"during-{seed}", seed) for seed in (0, 1)]
        finally:
            ended.set()
        unequal = _told([other])
    if trained != [train(f"alone-{seed}", seed) for seed in (0, 1)]:
        unequal = f"{unequal} the trainings have other results".strip()
    return unequal


def _told(futures: Sequence[Any]) -> str:
    """Say what is wrong with the counts of the threads."""
    errors = [error for future in futures if (error := future.exception())]
    if errors:
        return f"{len(errors)} threads fail: {errors[0]!r}"
    count = sum(future.result() for future in futures)
    return f"{count} other results" if count else ""
