"""What a bug report should say about a machine."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlx.core as mx

from mlx_finbert._version import __version__
from mlx_finbert.backend import VARIABLE
from mlx_finbert.backend.ways import DISABLED

PACKAGES = (
    "mlx", "mlx-metal", "mlx-cpu", "mlx-cuda", "mlx-lm", "numpy", "mkl", "transformers",
    "tokenizers", "safetensors", "datasets", "huggingface_hub", "coremltools", "torch",
)  # fmt: skip

TF32 = "MLX_ENABLE_TF32"
VARIABLES = (VARIABLE, DISABLED, TF32, "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables that change what is computed, or how fast."""

MEMORY = ("max_recommended_working_set_size", "total_memory", "memory_size")
"""MLX's names for what a device may use: Metal's, then CUDA's."""


@dataclass(frozen=True)
class Machine:
    """A machine and its software."""

    mlx_finbert: str
    chip: str
    cores: int
    memory_gb: float
    system: str
    python: str
    packages: dict[str, str]
    device: str
    device_memory_gb: float
    """What MLX recommends to use at most; on a CPU, all memory."""
    environment: dict[str, str]

    def __str__(self) -> str:
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        lines = {
            "mlx-finbert": self.mlx_finbert,
            "chip": f"{self.chip}, {self.cores} cores, {self.memory_gb:.0f} GB",
            "system": self.system,
            "Python": f"{self.python} ({platform.machine()})",
            "packages": packages,
            "MLX device": f"{self.device}, up to {self.device_memory_gb:.0f} GB",
        }
        if self.environment:
            lines["set"] = ", ".join(f"{n}={value}" for n, value in self.environment.items())
        return "\n".join(f"{name:<13}{text}" for name, text in lines.items())


def this_machine(environment: dict[str, str]) -> Machine:
    """Describe the machine; `environment` has the environment variables of the user."""
    device, memory = device_and_memory()
    return Machine(
        mlx_finbert=__version__,
        chip=chip_name(),
        cores=os.cpu_count() or 1,
        memory_gb=round(memory_bytes() / 1e9, 1),
        system=system_name(),
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := installed(name))},
        device=device,
        device_memory_gb=round(memory / 1e9, 1),
        environment={name: environment[name] for name in VARIABLES if name in environment},
    )


def chip_name() -> str:
    """The processor's name, from the system."""
    if sys.platform == "darwin":
        return output_of("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def system_name() -> str:
    """The system's name and version: on a Mac with its build, which Core ML depends on."""
    if sys.platform == "darwin":
        build = output_of("sw_vers", "-buildVersion")
        return f"macOS {platform.mac_ver()[0]}" + (f" ({build})" if build else "")
    return platform.platform()


def output_of(*argv: str) -> str:
    """The output of a program of the system; empty if it fails."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def memory_bytes() -> int:
    """The memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def device_and_memory() -> tuple[str, float]:
    """The device that MLX computes on, in words, and the bytes that it may use."""
    device = mx.default_device()
    try:
        info = mx.device_info(device)
    except RuntimeError:
        # What MLX tells of a device is not worth a check that does not run.
        info = {}
    kind = "cpu" if device == mx.cpu else "gpu"
    name = f"{kind}, {info.get('device_name', 'unknown')}"
    if architecture := info.get("architecture"):
        name += f" ({architecture})"
    memory = next((info[key] for key in MEMORY if key in info), memory_bytes())
    return name, float(memory)


def installed(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
