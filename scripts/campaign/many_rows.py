"""`predict` on a long file: its memory, its output after kills, and its progress bar."""

import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

from copies import in_a_copy
from materials import model, rows

FEW = 10_000
MORE_MEMORY = 1.05
KILLS = 3

PROGRESS = re.compile(r"\d+%[^\r\n]*\d+/\d+ \[[\d:]+<[\d:?]+, +[\d.?k]+(row/s|s/row)")
"""A bar with rows, the time that is left and rows a second."""


def many_rows(count: int, root: Path) -> tuple[str, list[str]]:
    """Score few and many rows, also with kills between.

    Returns:
        The figures, and what is wrong.
    """
    start = root / "start"
    start.mkdir()
    in_a_copy(lambda say: model(start))
    peaks, seconds = {}, {}
    for number in (min(FEW, count), count):
        write(root / f"{number}.csv", number)
        before = time.monotonic()
        peaks[number] = peak(root, number, root / f"{number}-scored.csv")
        seconds[number] = time.monotonic() - before
    killed = root / "killed-scored.csv"
    kills = sum(kill_once(root, count, killed, i + 1) for i in range(KILLS))
    bar = progress(root, count, killed)
    whole = root / f"{count}-scored.csv"
    lines = [
        f"{number:>12,} rows{peaks[number] / 1e6:>10.1f} MB{seconds[number]:>8.0f} s"
        for number in peaks
    ]
    lines += [f"{kills} kills; {bar or 'no progress'}"]
    few, many = peaks[min(FEW, count)], peaks[count]
    faults = {
        f"memory grew by {many / few - 1:.1%}": many > MORE_MEMORY * few,
        "the output after kills is another": sha256(killed) != sha256(whole),
        f"only {kills} of {KILLS} runs were killed in time": kills < KILLS,
        "no progress with rows a second and the time left": not bar,
    }
    return "\n".join(lines), [fault for fault, is_there in faults.items() if is_there]


def write(path: Path, count: int) -> None:
    """Write a table of rows; shorter tables are beginnings of longer ones."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("id,text\n")
        pool = [text for text, _ in rows(5_000)]
        for i in range(count):
            file.write(f"{i},{pool[i % len(pool)]} {i}\n")


def argv(root: Path, count: int, target: Path) -> list[str]:
    names = {"model": root / "start", "input": root / f"{count}.csv", "output": target}
    flags = [part for name, path in names.items() for part in (f"--{name}", str(path))]
    return [sys.executable, "-m", "mlx_finbert.predict", *flags]


def peak(root: Path, count: int, target: Path) -> int:
    """Score a file in a process of its own; return the peak of its memory in bytes."""
    process = subprocess.Popen(argv(root, count, target), stdout=subprocess.DEVNULL)
    highest = 0
    while process.poll() is None:
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            highest = max(highest, next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")))
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"predict ended with status {process.returncode}")
    return highest * 1024


def kill_once(root: Path, count: int, target: Path, number: int) -> bool:
    """Kill a run as soon as a share of the parts is there; return whether it was in time."""
    parts = target.with_name(f"{target.name}.parts")
    wanted = -(-count // 1024) * number // (KILLS + 1)
    process = subprocess.Popen(argv(root, count, target), stdout=subprocess.DEVNULL)
    while process.poll() is None:
        if len([*parts.glob("part-*")]) >= wanted and parts.is_dir():
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.02)
    return False


def progress(root: Path, count: int, target: Path) -> str:
    """Score the rest in a terminal; return the last line of the bar that has all figures."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))  # no bar fits a new terminal, which has no width
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    process = subprocess.Popen(argv(root, count, target), stdout=end, stderr=end, env=environment)
    os.close(end)
    said = b""
    # Reading ends in an error when the process has closed the terminal.
    with suppress(OSError):
        while piece := os.read(terminal, 4096):
            said += piece
    os.close(terminal)
    process.wait()
    found = [match[0] for match in PROGRESS.finditer(said.decode("utf-8", "replace"))]
    return found[-1] if found else ""


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
