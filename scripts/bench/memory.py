"""Peak memory of training, by parameters and tokens, and of prediction, by rows.

    python scripts/bench/memory.py [--case NAME ...] [--rows N ...] [--json]

Each case runs in its own process, without PyTorch. `peak` is the peak memory of MLX, `resident`
that of the process. Training takes three steps with AdamW in float32. All rows have the case's
number of tokens and together contain all whole words of the vocabulary, so that most of the
embeddings are trained. `/ parameter` is the peak divided by the number of parameters, and
`smallest` is the same for a batch of one row of 8 tokens. `/ token` is the difference between the
two peaks divided by the additional tokens. For short batches it is noise, since the update of the
weights needs the most memory there.

Prediction is `python -m mlx_finbert.predict` on made-up CSV files of `--rows` rows, with a model so
small that a million rows take minutes. `/ first` is the resident memory relative to the first file.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from inputs import write_checkpoint
from machine import described, machine
from training_memory import LABELS, Training

PREDICTION = "prediction"
ROWS = [10_000, 100_000, 1_000_000]
SHAPES = [
    ("minilm", 16, 32),
    ("minilm", 16, 128),
    ("distilbert", 16, 32),
    ("distilbert", 16, 128),
    ("distilbert", 8, 512),
    ("distilbert", 16, 512),
]
CASES = {
    case.name: case
    for case in (Training(*shape, again) for shape in SHAPES for again in (False, True))
}

Row = dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    if arguments.one:
        print(json.dumps(measured(json.loads(arguments.one))))
        return
    cases = [CASES[name] for name in arguments.case if name in CASES]
    counts = arguments.rows if PREDICTION in arguments.case else []
    found = {
        "machine": machine(),
        "training": training_rows(cases),
        "prediction": prediction_rows(counts),
    }
    print(json.dumps(found, indent=2) if arguments.json else printed(found))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*CASES, PREDICTION]
    parser.add_argument(
        "--case", nargs="+", choices=names, default=names, help="cases to run (default: all)"
    )
    parser.add_argument(
        "--rows", nargs="+", type=int, default=ROWS, metavar="N", help="sizes of the files to score"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--one", metavar="JSON", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def in_a_process(folder: Path, training: Training | None = None) -> Row:
    """Measure one case in a new process."""
    one = {"folder": str(folder), "training": training and vars(training)}
    argv = [sys.executable, __file__, "--one", json.dumps(one)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measured(one: Row) -> Row:
    """Measure one case in this process."""
    import mlx.core as mx
    from prediction_memory import score
    from training_memory import train

    from mlx_finbert.convert.without_torch import torch_hidden

    folder, found = Path(one["folder"]), {}
    with torch_hidden():
        if one["training"]:
            found["parameters"] = train(folder, Training(**one["training"]))
        else:
            found["seconds"] = score(folder)
    return found | {"peak": mx.get_peak_memory(), "resident": resident_peak()}


def resident_peak() -> int:
    """Peak resident memory in bytes; Linux's ru_maxrss would include the parent process."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def training_rows(cases: list[Training]) -> list[Row]:
    """The figures of each case, also per parameter and per token."""
    with tempfile.TemporaryDirectory() as folder:
        folders = {case.model: Path(folder) / case.model for case in cases}
        for model, place in folders.items():
            write_checkpoint(model, LABELS, place)
        found = {
            case: in_a_process(folders[case.model], case)
            for case in dict.fromkeys([*cases, *(case.smallest for case in cases)])
        }
    return [training_row(case, found[case], found[case.smallest]["peak"]) for case in cases]


def training_row(case: Training, found: Row, smallest_peak: int) -> Row:
    """The figures of one case, compared with the peak of the smallest batch."""
    parameters, peak = found["parameters"], found["peak"]
    more_tokens = case.num_tokens - case.smallest.num_tokens
    return {
        "case": case.name,
        "parameters": parameters,
        "peak_mb": round(peak / 1e6),
        "resident_mb": round(found["resident"] / 1e6),
        "bytes_per_parameter": round(peak / parameters, 1),
        "smallest_bytes_per_parameter": round(smallest_peak / parameters, 1),
        "bytes_per_token": max(0, round((peak - smallest_peak) / more_tokens)),
    }


def prediction_rows(counts: list[int]) -> list[Row]:
    """The figures of files with these numbers of rows."""
    from prediction_memory import write_model, write_rows

    found = []
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model")
        for count in counts:
            write_rows(Path(folder) / "rows.csv", count)
            found.append(in_a_process(Path(folder)))
    return [
        {
            "rows": count,
            "seconds": round(row["seconds"], 1),
            "peak_mb": round(row["peak"] / 1e6),
            "resident_mb": round(row["resident"] / 1e6, 1),
            "over_first": round(row["resident"] / found[0]["resident"], 3),
        }
        for count, row in zip(counts, found, strict=True)
    ]


def printed(found: Row) -> str:
    """The machine and the tables."""
    lines = [described(found["machine"])]
    if found["training"]:
        names = ("peak MB", "resident MB", "/ parameter", "smallest", "/ token")
        lines += ["", table_line("training", *names), *map(training_line, found["training"])]
    if found["prediction"]:
        names = ("peak MB", "resident MB", "/ first", "seconds")
        lines += ["", table_line("prediction", *names), *map(prediction_line, found["prediction"])]
    return "\n".join(lines)


def training_line(row: Row) -> str:
    ratios = row["bytes_per_parameter"], row["smallest_bytes_per_parameter"]
    token = f"{row['bytes_per_token']:,}"
    return table_line(row["case"], row["peak_mb"], row["resident_mb"], *ratios, token)


def prediction_line(row: Row) -> str:
    figures = row["peak_mb"], row["resident_mb"], row["over_first"], row["seconds"]
    return table_line(f"{row['rows']:,} rows", *figures)


def table_line(name: str, *figures: Any) -> str:
    return f"{name:<30}" + "".join(f"{figure:>13}" for figure in figures)


if __name__ == "__main__":
    main()
