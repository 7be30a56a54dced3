"""Damage the files that mlx-finbert reads and kill its commands, and count what comes of it:

    python scripts/campaign/run.py
    python scripts/campaign/run.py --cases 200 --kills 6 --only Parquet --only train
    python scripts/campaign/run.py --only Parquet --case 17

Prints a line for each reader and each command. A case has the same content in every run. Failures
are listed below the table, each kind once, with the number of its first case, which `--case` shows
with its traceback. The status is 1 if there is a failure. Needs Linux.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "MLX_FINBERT_BACKEND": "plain"}

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from mlx_finbert.backend.process import use_fast_blas

use_fast_blas()  # before MLX is imported

# ruff: noqa: E402
from commands import COMMANDS
from damage import cases_of, copied, made, mutant_of
from kills import kills_of
from mutants import require_known
from outcomes import FAILURES, Case, failures, table
from readers import READERS, Reader
from warm import warm_up

from mlx_finbert.cli.command import command

BY_NAME = {reader.name: reader for reader in READERS}


@command
def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    names = arguments.only or [*BY_NAME, *COMMANDS]
    for name in names:
        require_known(name, [*BY_NAME, *COMMANDS])
    warm_up()
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        root = Path(arguments.folder or folder).resolve()
        if arguments.case is not None:
            return show(BY_NAME[names[0]], arguments.case, root)
        return campaign(names, arguments, root)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000, metavar="N", help="cases a reader")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="kills a command")
    parser.add_argument("--only", action="append", metavar="NAME", help="a reader or command")
    parser.add_argument("--case", type=int, metavar="N", help="show one case of the reader --only")
    parser.add_argument("--folder", metavar="DIR", help="keep the folders that are damaged here")
    parser.add_argument("--json", action="store_true", help="print every case as a line of JSON")
    return parser.parse_args(argv)


def campaign(names: Sequence[str], arguments: argparse.Namespace, root: Path) -> int:
    """Run readers and commands; print the table, or the cases; return the status."""
    found: dict[str, list[Case]] = {}
    for name in names:
        start = time.monotonic()
        if name in BY_NAME:
            cases = cases_of(BY_NAME[name], range(arguments.cases), root)
        else:
            cases = kills_of(COMMANDS[name], arguments.kills, root)
        found[name] = [*cases]
        bad = sum(case.outcome in FAILURES for case in found[name])
        seconds = time.monotonic() - start
        print(f"{name}: {bad} failures, {seconds:.0f} s", file=sys.stderr, flush=True)
    if arguments.json:
        for name, all_cases in found.items():
            for case in all_cases:
                print(json.dumps({"name": name} | case.to_json()))
    else:
        print(table(found))
        if told := failures(found):
            print(f"\n{told}")
    return int(any(case.outcome in FAILURES for cases in found.values() for case in cases))


def show(reader: Reader, number: int, root: Path) -> int:
    """Read one mutant in this process, without limits; print what was done and what comes of it."""
    material = made(reader.material, root)
    mutant = mutant_of(reader, material, number)
    folder = copied(material, root / "case")
    file = reader.path(folder)
    file.write_bytes(mutant.content)
    print(f"{file}: {mutant.mutation}, {len(mutant.content):,} bytes", flush=True)
    print(reader.read(folder, file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
