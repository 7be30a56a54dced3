"""A description of the machine of a benchmark."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("mlx", "mkl", "numpy", "tokenizers", "transformers", "torch", "accelerate")


def machine() -> dict[str, Any]:
    """CPU, cores, system, versions and date, for JSON."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_name() -> str:
    """The CPU's name, from the system."""
    if sys.platform == "darwin":
        argv = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def installed(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def described(found: dict[str, Any]) -> str:
    """`machine()` as two lines of text."""
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['system']}, {found['date']}\n"
        f"Python {found['python']}, {packages}"
    )
