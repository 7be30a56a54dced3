"""Core ML exports of full-size models: time, peak memory, size and operations.

    python scripts/bench/export.py [--json]

The weights are random, since their values do not matter here. Each export runs in its own process,
without PyTorch, and is verified as usual. The time includes the verification and the import of
coremltools. `/ forward` is this time divided by the time of one forward pass of the MLX model over
one row of 128 tokens, on the CPU of the same process.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mlx_finbert.convert.without_torch import torch_hidden
from mlx_finbert.models.parameters import named_parameters

MODELS = ("distilbert", "bert")
LAYOUTS = ("ane", "plain")
LENGTH = 128
VOCAB_SIZE = 30522


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "LAYOUT"), help="in this process")
    arguments = parser.parse_args()
    if arguments.one:
        with torch_hidden():
            print(json.dumps(measure(*arguments.one)))
        return
    rows = [in_a_process(model, layout) for model in MODELS for layout in LAYOUTS]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)


def in_a_process(model: str, layout: str) -> dict[str, Any]:
    argv = [sys.executable, __file__, "--one", model, layout]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, layout: str) -> dict[str, Any]:
    """Measure one export."""
    import mlx.core as mx

    import mlx_finbert
    from mlx_finbert.convert.coreml import ExportOptions, export

    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(name, Path(folder))
        model, tokenizer = mlx_finbert.load(folder)
        mx.eval(model.parameters())
        forward = forward_seconds(model)
        start = time.perf_counter()
        options = ExportOptions(lengths=[LENGTH], layout=layout)
        report = export(model, tokenizer, Path(folder) / "app" / "M.mlpackage", options)
        seconds = time.perf_counter() - start
    if not report.passed:
        sys.exit(str(report))
    weights = sum(value.size for value in named_parameters(model).values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "model": name,
        "layout": layout,
        "seconds": round(seconds, 1),
        "over_forward": round(seconds / forward),
        "peak_mb": round(peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)),
        "package_mb": round(report.packages[0].bytes / 1e6, 1),
        "bytes_per_weight": round(report.packages[0].bytes / weights, 3),
        "operations": report.packages[0].functions[0].operations,
    }


def write_checkpoint(name: str, folder: Path) -> None:
    """Write a model with random weights and a vocabulary of made-up words."""
    import mlx.core as mx

    from mlx_finbert.checkpoints.save import write_model
    from mlx_finbert.models import build

    mx.random.seed(0)
    labels = dict(enumerate(("negative", "neutral", "positive")))
    write_model(build({"model_type": name, "vocab_size": VOCAB_SIZE, "id2label": labels}), folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # One ordinary character, so that texts have other tokens than the unknown one.
    words += ["1", *(f"word{i}" for i in range(VOCAB_SIZE - len(words) - 1))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def forward_seconds(model: Any) -> float:
    """The median time of five forward passes."""
    import mlx.core as mx

    ids = mx.ones((1, LENGTH), mx.int32)
    times = []
    with mx.stream(mx.cpu):
        for _ in range(6):
            start = time.perf_counter()
            mx.eval(model(ids, ids))
            times.append(time.perf_counter() - start)
    return sorted(times[1:])[2]


def print_table(rows: list[dict[str, Any]]) -> None:
    print("model       layout  seconds  / forward  peak MB  package MB  bytes/weight")
    for row in rows:
        print(
            f"{row['model']:<11} {row['layout']:<6} {row['seconds']:>8} {row['over_forward']:>10}"
            f" {row['peak_mb']:>8} {row['package_mb']:>11} {row['bytes_per_weight']:>13}"
        )
    for row in rows:
        counts = ", ".join(f"{count} {kind}" for kind, count in row["operations"].items())
        print(f"{row['model']}, {row['layout']}: {counts}")


if __name__ == "__main__":
    main()
