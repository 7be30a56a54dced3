"""Long runs that show what a short one hides:

    python scripts/campaign/beyond.py rows [--count 1000000]
    python scripts/campaign/beyond.py soak [--count 200]
    python scripts/campaign/beyond.py threads [--count 20]

- `rows` scores 10,000 and `--count` rows: memory must be the same within 5%, the output after three
  kills the same, and the progress bar has rows a second and the time left
- `soak` trains `--count` times in one process: memory after the last within 10% of that after the
  20th, no more open files, no more threads
- `threads` has 8 threads predict with one model, `--count` times each, and trains two models while
  a thread predicts: the results are those of one thread

The status is 1 if one of these does not hold. Needs Linux.
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}

ROOT = str(Path(__file__).resolve().parents[2])
sys.path[:0] = [ROOT]
# For the processes that are started here.
os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])

from mlx_finbert.backend.process import prepare_process

prepare_process()  # before MLX is imported

# ruff: noqa: E402
from many_rows import many_rows
from soak import soak
from threads import threads

COUNTS = {"rows": 1_000_000, "soak": 200, "threads": 20}


def main(argv: list[str] | None = None) -> int:
    logging.getLogger("mlx_finbert").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=COUNTS, help="what to run")
    parser.add_argument("--count", type=int, metavar="N", help="rows, trainings or predictions")
    arguments = parser.parse_args(argv)
    count = arguments.count or COUNTS[arguments.name]
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        root = Path(folder).resolve()
        runs = {
            "rows": lambda: many_rows(count, root),
            "soak": lambda: soak(count, root),
            "threads": lambda: threads(count, root),
        }
        told, faults = runs[arguments.name]()
    print(told)
    for fault in faults:
        print(f"fault: {fault}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
