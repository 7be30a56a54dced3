"""One training step beside its bare matrix products, and where the rest of its time goes.

    python scripts/bench/roofline.py [--model NAME ...] [--shape BxL ...] [--forward] [--json]

A step is one of three in a row, as in training, where the host is one ahead. The weights are
random, the table of words has as many rows as Financial PhraseBank looks up, and dropout is on.
`products` are the matrix products of the step alone (forward, and both of the backward pass), of
the same shapes, in a row, on the same streams and by the same library; `share` is their part of the
whole step, the median over the rounds. The kinds of operation are timed alone too; `other` is what
they leave of the step. `attention` is what that takes beside its products, such as softmax and
dropout (of long rows a little more: its products are timed on all scores, and are faster in
blocks); `update` is sum and norm of the gradients, and Adam. `host` is the time of a core that
building the graph and handing the operations over takes, beside MLX's own threads: not a part of
the sum, but where MLX computes on all cores it waits for it. `--forward` measures a batch in
prediction instead, of which there is one on each stream.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from machine import described, machine
from rounds import count
from step_parts import MODELS, a_batch, a_model, a_step, forwards, kinds, steps
from step_products import Products

from mlx_finbert.blas import SHARES
from mlx_finbert.device import streams
from mlx_finbert.inference.logits import Forward

SHAPES = ((16, 32), (16, 128), (8, 512))
IN_A_ROW = 3
PRODUCTS_OF_ATTENTION = "products of attention"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--shape", nargs="+", type=shape, default=SHAPES, metavar="BxL")
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="default: 5")
    parser.add_argument("--forward", action="store_true", help="a batch in prediction instead")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    found = {"machine": machine(), "rounds": arguments.rounds, "steps": []}
    for model in arguments.model:
        for batch_size, length in arguments.shape:
            one = measure_forward if arguments.forward else measure
            found["steps"].append(one(model, batch_size, length, arguments.rounds))
            print(f"{model} ({batch_size}, {length})", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=2) if arguments.json else table(found))


def shape(text: str) -> tuple[int, int]:
    """`16x32`."""
    batch_size, length = map(int, text.split("x"))
    if batch_size % SHARES:
        raise argparse.ArgumentTypeError(f"{text}: a CPU computes {SHARES} equal parts of a batch")
    return batch_size, length


def measure(model: str, batch_size: int, length: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of the step, of its products and of the other kinds of operation."""
    step, update = a_step(model, batch_size, length)
    products = Products(step.model.args, batch_size // len(streams()), length)
    timed = {
        "step": (lambda: steps(step, update, IN_A_ROW), IN_A_ROW),
        "products": (lambda: products(IN_A_ROW), IN_A_ROW),
        **{name: (run, 1) for name, run in kinds(step, update).items()},
        PRODUCTS_OF_ATTENTION: (products.attention, 1),
    }
    return {"model": model, "batch_size": batch_size, "length": length} | in_rounds(timed, rounds)


def measure_forward(name: str, batch_size: int, length: int, rounds: int) -> dict[str, Any]:
    """The same of a batch in prediction, forward alone."""
    model, batch = a_model(name), a_batch(batch_size, length)
    forward, products = Forward(model), Products(model.args, batch_size, length, backward=False)
    side_by_side = len(streams())
    timed = {
        "step": (lambda: forwards(forward, batch, IN_A_ROW), IN_A_ROW * side_by_side),
        "products": (lambda: products(IN_A_ROW), IN_A_ROW * side_by_side),
    }
    return {"model": name, "batch_size": batch_size, "length": length} | in_rounds(timed, rounds)


def in_rounds(timed: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, Any]:
    """Share and milliseconds, medians over the rounds.

    Args:
        timed: by name, a function and how many times over it does its work; `step` and `products`
            among them.
        rounds: how many, without a first one, which compiles.
    """
    found = [{name: times_of(*what) for name, what in timed.items()} for _ in range(rounds + 1)][1:]
    shares = [times["products"][0] / times["step"][0] for times in found]
    parts = {name: 1e3 * median(times[name][0] for times in found) for name in timed}
    if PRODUCTS_OF_ATTENTION in parts:
        parts["attention"] -= parts.pop(PRODUCTS_OF_ATTENTION)
    parts["other"] = 2 * parts["step"] - sum(parts.values())
    parts["host"] = 1e3 * median(times["step"][1] for times in found)
    return {"share": median(shares), "milliseconds": parts}


def times_of(run: Callable[[], Any], times: int) -> tuple[float, float]:
    """Seconds of one of so many times, and those of a core that this thread took."""
    start, own = time.perf_counter(), time.thread_time()
    run()
    return (time.perf_counter() - start) / times, (time.thread_time() - own) / times


def table(found: dict[str, Any]) -> str:
    """For people: milliseconds a step, by kind."""
    names = list(found["steps"][0]["milliseconds"])
    lines = [f"{'model':<12}{'shape':>10}{'share':>7}" + "".join(f"{n:>12}" for n in names)]
    for row in found["steps"]:
        where = f"({row['batch_size']}, {row['length']})"
        values = "".join(f"{row['milliseconds'][name]:>12.1f}" for name in names)
        lines.append(f"{row['model']:<12}{where:>10}{row['share']:>7.2f}{values}")
    return f"{described(found['machine'])}\n{found['rounds']} rounds, milliseconds\n" + "\n".join(
        lines
    )


if __name__ == "__main__":
    main()
