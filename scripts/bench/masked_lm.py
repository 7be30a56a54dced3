"""What masked-language training saves by computing logits for the masked tokens alone.

    python scripts/bench/masked_lm.py [--model MODEL] [--batch-size N] [--length N] [--rounds N]

Two kinds of step take turns in one process, with the same model, rows, masks and loss: `masked`,
as `pretrain` trains, and `all`, which also computes the logits of the other tokens and multiplies
their losses by 0. `all` also computes the whole last layer, which `masked` needs at its positions
alone. Training is in float32, the rows are random tokens. `/ masked` is the median of the rounds'
ratios; `peak` is the peak memory of MLX.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import prepared  # noqa: F401
from machine import described, machine
from rounds import count, rotated

from mlx_finbert.data.loader import Update
from mlx_finbert.data.masked_loader import MaskedBatch, MaskedLoader
from mlx_finbert.data.masking import Masking

Figures = dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    rows = measured(arguments.model, arguments.batch_size, arguments.length, arguments.rounds)
    found = {"machine": machine(), "steps": rows}
    print(json.dumps(found, indent=2) if arguments.json else printed(found))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="minilm", help="folder or hub id (default: minilm)")
    parser.add_argument("--batch-size", type=count, default=16, help="rows (default: 16)")
    parser.add_argument("--length", type=count, default=128, help="tokens a row (default: 128)")
    parser.add_argument("--rounds", type=count, default=5, help="timed rounds (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


def measured(model: str, batch_size: int, length: int, rounds: int) -> list[Figures]:
    """Time both kinds of step in turn; the first round compiles and does not count."""
    import mlx.core as mx

    step, masked = prepared_step(model, batch_size, length)
    updates = {"masked": masked, "all": replace(masked, batches=[*map(whole, masked.batches)])}
    seconds: dict[str, list[float]] = {name: [] for name in updates}
    peaks, losses = dict.fromkeys(updates, 0), dict.fromkeys(updates, 0.0)
    for number in range(rounds + 1):
        for name in rotated([*updates], number):
            mx.clear_cache()
            mx.reset_peak_memory()
            taken, losses[name] = timed(step, updates[name])
            peaks[name] = mx.get_peak_memory()
            if number:
                seconds[name].append(taken)
    ratios = np.array(seconds["all"]) / np.array(seconds["masked"])
    return [
        {
            "step": name,
            "logits": int(np.prod(updates[name].batches[0].positions.shape)),
            "seconds": seconds[name],
            "over_masked": float(np.median(ratios)) if name == "all" else 1.0,
            "peak_mb": round(peaks[name] / 1e6),
            "loss": losses[name],
        }
        for name in updates
    ]


def prepared_step(model: str, batch_size: int, length: int) -> tuple[Callable, Update]:
    """The training step of `pretrain` with its default settings, and one update."""
    import mlx.core as mx

    from mlx_finbert.models.parameters import trainable_parameters
    from mlx_finbert.pretraining.config import PretrainSettings
    from mlx_finbert.pretraining.prepare import load_model
    from mlx_finbert.training.masked_lm import MaskedLMLoss
    from mlx_finbert.training.optimizer import make_groups
    from mlx_finbert.training.prepare import freeze_schedule_of
    from mlx_finbert.training.step import TrainStep

    mx.random.seed(0)
    settings = PretrainSettings(model=model)
    loaded, tokenizer = load_model(settings)
    masking = Masking.of(tokenizer)
    schedule = freeze_schedule_of(settings, len(loaded.encoder.layer), 1)
    groups = make_groups(trainable_parameters(loaded), len(loaded.encoder.layer), schedule)
    rows = RandomRows(masking, batch_size, length)
    update = next(MaskedLoader(rows, batch_size, 0, masking).updates())
    return TrainStep(loaded, groups, settings.adam(), MaskedLMLoss()), update


class RandomRows:
    """Rows of random tokens, none of them special; see `masked_loader.Rows`."""

    starts: Any = None

    def __init__(self, masking: Masking, number: int, length: int) -> None:
        ids = masking.ordinary
        self._ids = np.random.default_rng(0).choice(ids, (number, length)).astype(np.int32)
        self.lengths = np.full(number, length)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> np.ndarray:
        return self._ids[row]


def whole(batch: MaskedBatch) -> MaskedBatch:
    """The same batch with a place for every token; those that are not masked weigh nothing."""
    shape = batch.input_ids.shape
    labels, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    places = batch.positions.shape
    rows, columns = np.nonzero(batch.weights.reshape(places))
    at = rows, batch.positions[rows, columns]
    labels[at], weights[at] = batch.label_ids.reshape(places)[rows, columns], 1
    positions = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
    return replace(batch, positions=positions, label_ids=labels.ravel(), weights=weights.ravel())


def timed(step: Callable, update: Update) -> tuple[float, float]:
    """The seconds of an update that leaves the weights as they are, and its mean loss."""
    start = time.perf_counter()
    found = step(update, 0, 0.0)
    step.wait()
    return time.perf_counter() - start, found.loss / found.weight


def printed(found: Figures) -> str:
    """The figures as a table."""
    lines = [described(found["machine"]), ""]
    lines.append(f"{'step':<8}{'logits':>8}{'median s':>10}{'/ masked':>10}{'peak MB':>9}")
    for row in found["steps"]:
        lines.append(
            f"{row['step']:<8}{row['logits']:>8,}{np.median(row['seconds']):>10.2f}"
            f"{row['over_masked']:>10.2f}{row['peak_mb']:>9,}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
