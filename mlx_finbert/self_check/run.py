"""Carries out all checks and reports what they found."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import mlx.core as mx

from mlx_finbert.backend.ways import own_way, reference_way
from mlx_finbert.self_check.checks import (
    checks_against_numpy,
    checks_of_files,
    checks_of_two_ways,
)
from mlx_finbert.self_check.config import CheckSettings
from mlx_finbert.self_check.machine import Machine, this_machine
from mlx_finbert.self_check.outcome import Check, Finding, carried_out
from mlx_finbert.self_check.timed_process import Timing
from mlx_finbert.self_check.timing import cases, timing

ON_A_CPU = "of MiniLM in float32 only: the other cases take minutes on a CPU"

FIRST_RUN = "the first run here takes longer, as MLX builds kernels"


@dataclass
class Report:
    """What all checks found."""

    machine: Machine
    way: str
    """How this machine computes."""
    other_way: str | None
    """What that was compared with; None if this machine has only one way."""
    findings: list[Finding] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """The names of the checks that failed."""
        return [finding.name for finding in self.findings if finding.passed is False]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.wrong

    @property
    def verdict(self) -> str:
        """The last line."""
        run = sum(finding.passed is not None for finding in self.findings)
        faults = sum(bool(timing.fault) for timing in self.timings)
        also = f"; {faults} of {len(self.timings)} cases could not be timed" if faults else ""
        if self.passed:
            return f"right: {run} checks in {self.seconds:.0f} s{also}"
        return f"WRONG: {len(self.wrong)} of {run} checks: {'; '.join(self.wrong)}{also}"

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "passed": self.passed,
            "wrong": self.wrong,
            "seconds": round(self.seconds, 1),
            "machine": asdict(self.machine),
            "way": self.way,
            "other_way": self.other_way,
            "checks": [finding.to_dict() for finding in self.findings],
            "timings": [asdict(timing) for timing in self.timings],
        }


def run(settings: CheckSettings, environment: dict[str, str], say: Callable[[str], None]) -> Report:
    """Carry out all checks.

    Args:
        settings: what to check.
        environment: the environment variables of the user, with which models are timed.
        say: receives every line as soon as it is known.
    """
    start = time.perf_counter()
    own, other = own_way(), reference_way()
    machine = this_machine(environment)
    report = Report(machine, own.name, other.name if other else None)

    def carry_out(title: str, checks: Iterator[Check]) -> None:
        say(f"\n{title}")
        for check in checks:
            report.findings.append(carried_out(check))
            say(str(report.findings[-1]))

    say(str(machine))
    quick = settings.quick
    carry_out(f"{own.name} against NumPy in float64 ({FIRST_RUN})", checks_against_numpy(quick))
    carry_out(
        f"{own.name} against {other.name}" if other else "two ways to compute",
        checks_of_two_ways(own, other, quick),
    )
    carry_out("files", checks_of_files(quick))
    if not quick:
        on_cpu = mx.default_device() == mx.cpu
        say(f"\ntimes{f' {ON_A_CPU}' if on_cpu else ''}")
        for case in cases(on_cpu, machine.device_memory_gb * 1e9):
            report.timings.append(timing(case, environment))
            say(str(report.timings[-1]))
    report.seconds = time.perf_counter() - start
    say(f"\n{report.verdict}")
    return report
