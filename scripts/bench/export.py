"""Exports of full-size models to Core ML and Core AI: time, peak memory, size and operations.

    python scripts/bench/export.py [--models bert] [--cases plain-fp32,core-ai] [--length 128]

The weights are random, since their values do not matter here. Each export runs in its own process,
without PyTorch, and is verified as usual. The time includes the verification and the import of
coremltools. `/ forward` is this time divided by the time of one forward pass of the MLX model over
one row of this length, on the CPU of the same process. `written` are the seconds until the asset is
on disk, without its verification.

An asset of Core AI is in float32, since a row in half precision takes Linux minutes: it is compared
with `plain-fp32`, the same weights for Core ML. Its verification runs the first of the golden texts
alone, about as many rows as that of Core ML. Its memory is that of both of its processes, each at
its peak.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlx_finbert.convert.without_torch import torch_hidden
from mlx_finbert.models.parameters import named_parameters

MODELS = ("distilbert", "bert")
CASES: dict[str, dict[str, Any]] = {
    "ane": {"layout": "ane"},
    "plain": {"layout": "plain"},
    "plain-fp32": {"layout": "plain", "precision": "fp32"},
    "core-ai": {"precision": "fp32"},
}
"""The options of each export."""
ASSET, COMPARED_WITH = "core-ai", "plain-fp32"
VERIFIED_TEXTS = 9
VOCAB_SIZE = 30522


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS), help="(default: %(default)s)")
    parser.add_argument("--cases", default=",".join(CASES), help="(default: %(default)s)")
    parser.add_argument("--length", type=int, default=128, help="tokens of a row")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "CASE"), help="in this process")
    given = parser.parse_args()
    if given.one:
        with torch_hidden():
            print(json.dumps(measure(*given.one, given.length)))
        return
    models = chosen(parser, "--models", given.models, MODELS)
    cases = chosen(parser, "--cases", given.cases, CASES)
    rows = [in_a_process(model, case, given.length) for model in models for case in cases]
    print(json.dumps(rows, indent=2) if given.json else table(rows))


def chosen(
    parser: argparse.ArgumentParser, flag: str, given: str, known: Sequence[str] | dict[str, Any]
) -> list[str]:
    """The names in a flag's value; an unknown one ends the program."""
    names = given.split(",")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"{flag}: {unknown[0]!r} is none of {', '.join(known)}")
    return names


def in_a_process(model: str, case: str, length: int) -> dict[str, Any]:
    argv = [sys.executable, __file__, "--one", model, case, "--length", str(length)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, case: str, length: int) -> dict[str, Any]:
    """Measure one export."""
    import mlx.core as mx

    import mlx_finbert

    export = export_to_core_ai if case == ASSET else export_to_core_ml
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(name, Path(folder))
        model, tokenizer = mlx_finbert.load(folder)
        mx.eval(model.parameters())
        forward = forward_seconds(model, length)
        start = time.perf_counter()
        found = export(model, tokenizer, Path(folder) / "app", CASES[case] | {"lengths": [length]})
        seconds = time.perf_counter() - start
    weights = sum(value.size for value in named_parameters(model).values())
    return {
        "model": name,
        "case": case,
        "length": length,
        "seconds": round(seconds, 1),
        "over_forward": round(seconds / forward),
        "peak_mb": peak_mb(resource.RUSAGE_SELF) + found.pop("child_mb", 0),
        "package_mb": round(found["bytes"] / 1e6, 1),
        "bytes_per_weight": round(found.pop("bytes") / weights, 3),
        **found,
    }


def export_to_core_ml(
    model: Any, tokenizer: Any, folder: Path, options: dict[str, Any]
) -> dict[str, Any]:
    """Export to Core ML; returns the bytes and the operations."""
    from mlx_finbert.convert.coreml import ExportOptions, export

    report = export(model, tokenizer, folder / "M.mlpackage", ExportOptions(**options))
    if not report.passed:
        sys.exit(str(report))
    (package,) = report.packages
    return {"bytes": package.bytes, "operations": package.functions[0].operations}


def export_to_core_ai(
    model: Any, tokenizer: Any, folder: Path, options: dict[str, Any]
) -> dict[str, Any]:
    """Export to Core AI; returns the bytes, the operations and what the child process took."""
    from mlx_finbert.convert.coreai import AssetOptions, export, exporter
    from mlx_finbert.convert.coreml import golden_texts

    golden_texts.GOLDEN_TEXTS = golden_texts.GOLDEN_TEXTS[:VERIFIED_TEXTS]
    with timed(exporter, "write_asset") as seconds:
        report = export(model, tokenizer, folder / "M.aimodel", AssetOptions(**options))
    if not report.passed:
        sys.exit(str(report))
    return {
        "bytes": report.bytes,
        "operations": report.figures.operations,
        "verified_rows": report.figures.run_rows,
        "written": round(seconds[0], 1),
        "child_mb": peak_mb(resource.RUSAGE_CHILDREN),
    }


@contextmanager
def timed(module: Any, name: str) -> Iterator[list[float]]:
    """Yield the seconds that each call of a module's function takes in the block."""
    seconds: list[float] = []
    true: Callable[..., Any] = getattr(module, name)

    def call(*arguments: Any) -> Any:
        start = time.perf_counter()
        result = true(*arguments)
        seconds.append(time.perf_counter() - start)
        return result

    setattr(module, name, call)
    try:
        yield seconds
    finally:
        setattr(module, name, true)


def peak_mb(of: int) -> int:
    """The peak memory of this process, or of the largest of its children."""
    return round(
        resource.getrusage(of).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    )


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


def forward_seconds(model: Any, length: int) -> float:
    """The median time of five forward passes."""
    import mlx.core as mx

    ids = mx.ones((1, length), mx.int32)
    times = []
    with mx.stream(mx.cpu):
        for _ in range(6):
            start = time.perf_counter()
            mx.eval(model(ids, ids))
            times.append(time.perf_counter() - start)
    return sorted(times[1:])[2]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The figures, the ratios of Core AI to Core ML and the operations."""
    lines = [
        "model       case        tokens  seconds  written  / forward  peak MB  package MB"
        "  bytes/weight"
    ]
    lines += [
        f"{row['model']:<11} {row['case']:<10} {row['length']:>7} {row['seconds']:>8}"
        f" {row.get('written', '-'):>8} {row['over_forward']:>10} {row['peak_mb']:>8}"
        f" {row['package_mb']:>11} {row['bytes_per_weight']:>13}"
        for row in rows
    ]
    lines += ratios(rows)
    for row in rows:
        counts = ", ".join(f"{count} {kind}" for kind, count in row["operations"].items())
        lines.append(f"{row['model']}, {row['case']}: {counts}")
    return "\n".join(lines)


def ratios(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each model that was exported to both with the same weights."""
    found = {(row["model"], row["case"]): row for row in rows}
    for model in dict.fromkeys(row["model"] for row in rows):
        asset, package = found.get((model, ASSET)), found.get((model, COMPARED_WITH))
        if asset and package:
            told = [f"{asset[key] / package[key]:.2f} x the {name}" for key, name in (
                ("seconds", "seconds"), ("peak_mb", "memory"), ("package_mb", "size"),
            )]  # fmt: skip
            yield f"{model}: {ASSET} takes {', '.join(told)} of {COMPARED_WITH}"


if __name__ == "__main__":
    main()
