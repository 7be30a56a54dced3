"""Swift for the tests: builds targets of `convert/swift` and runs them, or skips."""

import platform
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "convert" / "swift"
SCRIPT = ROOT / "scripts" / "swift.sh"

NO_SWIFT = 77
"""Exit status of the script where Swift is not available."""

CRASH = "Program crashed", '"swift-build"'
"""What SwiftPM 6.0.3 says of its own death, seen once in some hundred builds on Linux."""

STATIC = ["--static-swift-stdlib"] if platform.system() == "Linux" else []
"""With it a binary also runs outside the toolchain's folder."""


def swift(*arguments, package=PACKAGE, **more):
    """Run a command of SwiftPM on a package; skip the test where Swift is not available.

    Returns:
        The completed process, with its output as text; `check` is up to the caller.
    """
    require_swift()
    command = [SCRIPT, *map(str, arguments), "--package-path", str(package)]
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode and all(words in done.stdout + done.stderr for words in CRASH):
        done = subprocess.run(command, capture_output=True, text=True, **more)
    return done


@cache
def build(product, configuration="release", package=PACKAGE):
    """Build an executable once per session; return its path."""
    options = ["-c", configuration, "--product", product, *STATIC]
    done = swift("build", *options, package=package)
    assert done.returncode == 0, done.stdout + done.stderr
    return package / ".build" / configuration / product


def run(binary, *arguments, **more):
    """Run a built executable with this system's files and programs; return its output."""
    command = [SCRIPT, "exec", str(binary), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def require_swift():
    """Skip the test, with the script's sentence, where Swift is not available."""
    if sentence := _why_not():
        pytest.skip(sentence)


@cache
def _why_not():
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True)
    if done.returncode == NO_SWIFT:
        return done.stdout.strip().removeprefix("skipped: ")
    assert done.returncode == 0, done.stdout + done.stderr
    return None
