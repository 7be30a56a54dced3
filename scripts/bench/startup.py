"""Startup time of commands: imports, `--help`, and the first finished step of training.

    python scripts/bench/startup.py [--rounds N] [--json]

Each process runs once per round, in sequence. `/ bare` and `/ mlx.core` are the medians of the
rounds' ratios to `python -c pass` and to `python -c "import mlx.core"`. `heavy` lists the large
packages that a process has imported: no `--help` should have any.

The first step is that of `python -m mlx_finbert.train` on the embedded sample with MiniLM, without
PyTorch; its time comes from the run's log. `start` is the time until the log's first line, `step`
the time from there. On Linux, MLX's CPU backend builds fused kernels with g++ and keeps them in
`$TMPDIR/mlx`: each round runs with an empty TMPDIR (cold), then again with the same TMPDIR (warm).
`kernels` is the number of kernels built before the step was finished.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from machine import described, machine
from rounds import count

COMMANDS = [
    "pretrain", "train", "evaluate", "predict", "convert.to_mlx", "convert.fuse", "convert.shrink",
    "convert.to_coreml", "convert.to_coreai", "convert.verify", "compare", "push", "check",
]  # fmt: skip
HEAVY = [
    "transformers", "datasets", "matplotlib", "mlx_lm", "torch", "coremltools", "pyarrow", "pandas",
    "tokenizers", "huggingface_hub", "yaml",
]  # fmt: skip
BARE = {"bare": ["-c", "pass"], "mlx.core": ["-c", "import mlx.core"]}
PROCESSES = BARE | {
    "import mlx_finbert": ["-c", "import mlx_finbert"],
    **{f"{name} --help": ["-m", f"mlx_finbert.{name}", "--help"] for name in COMMANDS},
}
FIRST_STEP = ["train", "--max-steps", "1", "--no-calibration"]

Row = dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="default: 5")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    found = {
        "machine": machine(),
        "rounds": arguments.rounds,
        "processes": process_rows(arguments.rounds),
        "first_step": first_step_rows(arguments.rounds),
    }
    print(json.dumps(found, indent=2) if arguments.json else printed(found))


def process_rows(rounds: int) -> list[Row]:
    """Seconds of each import and each `--help`, their ratios to `BARE`, and heavy packages."""
    # First, so that all bytecode is compiled before the timing.
    heavy = {name: heavy_modules(argv) for name, argv in PROCESSES.items()}
    times = [{name: seconds(argv) for name, argv in PROCESSES.items()} for _ in range(rounds)]
    return [
        {
            "process": name,
            "seconds": [taken[name] for taken in times],
            "median": median(taken[name] for taken in times),
            "over": {bare: median(taken[name] / taken[bare] for taken in times) for bare in BARE},
            "heavy": heavy[name],
        }
        for name in PROCESSES
    ]


def heavy_modules(argv: list[str]) -> list[str]:
    """The large packages that a process has imported."""
    option, what, *rest = argv
    run = f"runpy.run_module({what!r}, run_name='__main__')" if option == "-m" else what
    code = (
        f"import atexit, runpy, sys; sys.argv = ['', *{rest}]\n"
        f"atexit.register(lambda: print(*(m for m in {HEAVY} if m in sys.modules)))\n{run}"
    )
    return run_python(["-c", code]).splitlines()[-1].split()


def seconds(argv: list[str]) -> float:
    """The duration of one process."""
    start = time.perf_counter()
    run_python(argv)
    return time.perf_counter() - start


def run_python(argv: list[str], **environment: str) -> str:
    """Run Python and return its standard output; exit if it fails."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def first_step_rows(rounds: int) -> list[Row]:
    """Seconds to the first finished step, without and with cached kernels."""
    found: dict[str, list[Row]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as kernels:
            for cache in ("cold", "warm") if sys.platform == "linux" else ("warm",):
                found.setdefault(cache, []).append(first_step(Path(kernels)))
    return [
        {"cache": cache} | {name: median(row[name] for row in rows) for name in rows[0]}
        for cache, rows in found.items()
    ]


def first_step(kernels: Path) -> Row:
    """Measure one run; `kernels` is its TMPDIR."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        begun = time.time()
        run_python(without_torch([*FIRST_STEP, "--output-dir", str(output)]), TMPDIR=str(kernels))
        start, done = moments((output / "log.jsonl").read_text(encoding="utf-8"))
    libraries = [path.stat().st_mtime for path in kernels.glob("mlx/**/*.so")]
    return {
        "start": start - begun,
        "step": done - start,
        "seconds": done - begun,
        "kernels": sum(begun < built <= done for built in libraries),
    }


def without_torch(argv: list[str]) -> list[str]:
    """Arguments of `python` that run a command as if PyTorch were not installed."""
    name, *flags = argv
    code = (
        f"import runpy, sys; sys.modules['torch'] = None; sys.argv = ['', *{flags}]\n"
        f"runpy.run_module('mlx_finbert.{name}', run_name='__main__')"
    )
    return ["-c", code]


def moments(log: str) -> tuple[float, float]:
    """The times of the start and the first finished step of a run, as timestamps."""
    lines = [json.loads(line) for line in log.splitlines()]
    first = {line["event"]: line["time"] for line in reversed(lines)}
    return tuple(datetime.fromisoformat(first[event]).timestamp() for event in ("start", "step"))


def printed(found: Row) -> str:
    """The machine and the tables."""
    lines = [described(found["machine"]), f"rounds: {found['rounds']}", ""]
    lines.append(f"{'process':<24}{'seconds':>9}{'/ bare':>9}{'/ mlx.core':>12}  heavy")
    for row in found["processes"]:
        over = row["over"]
        lines.append(
            f"{row['process']:<24}{row['median']:>9.3f}{over['bare']:>9.1f}"
            f"{over['mlx.core']:>12.1f}  {' '.join(row['heavy']) or 'none'}"
        )
    lines.append(
        f"\n{'first step, kernels':<24}{'seconds':>9}{'start':>9}{'step':>9}{'kernels':>9}"
    )
    for row in found["first_step"]:
        lines.append(
            f"{row['cache']:<24}{row['seconds']:>9.2f}{row['start']:>9.2f}{row['step']:>9.2f}"
            f"{row['kernels']:>9.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
