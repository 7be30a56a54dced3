"""Runs mlx.launch and passes on its output, signals to its processes and their failures.

mlx.launch exits with 0 even if a process failed, and leaves its processes when it is terminated.
"""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

FAILED = re.compile(rb"exited with code|exit code: [1-9]|non-zero (status|exit)")
"""Messages of mlx.launch and mpirun."""

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def main(argv: list[str]) -> int:
    """Run mlx.launch with these arguments; return 1 if a process failed, 130 after a signal."""
    if fault := hostfile_fault(argv):
        print(f"error: {fault}", file=sys.stderr)
        return 2
    # In a session of its own, so that a signal for the group reaches the processes only from here
    # and mlx.launch stays to print what they say.
    launcher = subprocess.Popen(
        [Path(sys.executable).with_name("mlx.launch"), "--python", sys.executable, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    stopped = pass_on_signals(launcher)
    has_failed = copy_output(launcher)
    status = launcher.wait()
    if stopped:
        return 130
    if has_failed:
        print("error: a process of this run failed; see its message above", file=sys.stderr)
        return 1
    return status


def hostfile_fault(argv: list[str]) -> str | None:
    """Say what is wrong with a hostfile for which mlx.launch would start nothing."""
    own = argv[: argv.index("-m")] if "-m" in argv else argv
    joined = [word.partition("=")[2] for word in own if word.startswith("--hostfile=")]
    after = [own[i + 1] for i, word in enumerate(own[:-1]) if word == "--hostfile"]
    for name in joined + after:
        try:
            found = json.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return f"--hostfile {name} cannot be read: {error}"
        hosts = found.get("hosts") if isinstance(found, dict) else found
        if not hosts or not isinstance(hosts, list):
            return f"--hostfile {name} lists no hosts: write it like scripts/hosts.example.json"
    return None


def pass_on_signals(launcher: subprocess.Popen) -> list[int]:
    """Send each signal on to the processes that mlx.launch has started; note it in the result."""
    stopped: list[int] = []

    def send(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        for pid in children_of(launcher.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, send)
    return stopped


def children_of(parent: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = (map(int, line.split()) for line in listed.splitlines())
    return [pid for pid, ppid in pairs if ppid == parent]


def copy_output(launcher: subprocess.Popen) -> bool:
    """Print what mlx.launch prints, as it comes; return whether a process has failed."""
    has_failed, last = False, b""
    while found := os.read(launcher.stdout.fileno(), 1 << 16):
        # A message may come in two pieces.
        last = last[-100:] + found
        has_failed = has_failed or FAILED.search(last) is not None
        try:
            sys.stdout.buffer.write(found)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # The training goes on without a reader.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return has_failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
