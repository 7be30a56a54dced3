"""Real processes on this machine, connected as `mlx.launch` connects those of several."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

LAUNCH = Path(sys.executable).with_name("mlx.launch")

# Each process takes all cores for itself otherwise, and its threads wait for each other's.
ENVIRONMENT = os.environ | {"MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def free_ports(count):
    """Ports in a row that nobody listens at."""
    for first in range(20_000 + os.getpid() % 20_000, 60_000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", port))
        except OSError:
            continue
        return range(first, first + count)
    raise OSError("no free ports")


def python(*argv, **environment):
    """A process of this interpreter, its outputs as text."""
    return subprocess.Popen(
        [sys.executable, *map(str, argv)],
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def connected(folder, *commands):
    """One process for each list of arguments, with the ranks 0, 1, ..."""
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in free_ports(len(commands))]))
    return [
        python(*argv, MLX_HOSTFILE=str(hosts), MLX_RANK=str(rank))
        for rank, argv in enumerate(commands)
    ]


def launched(count, *argv):
    """What `mlx.launch -n COUNT` with this interpreter printed."""
    port = free_ports(count)[0]
    flags = ["-n", count, "--backend", "ring", "--starting-port", port, "--python", sys.executable]
    command = [sys.executable, LAUNCH, *flags, *argv]
    done = subprocess.run(
        list(map(str, command)),
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout
