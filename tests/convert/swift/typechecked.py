"""Compiles Swift against the package's built modules, without linking it."""

import shutil
from functools import cache

from swift_tools import PACKAGE, swift

MANIFEST = """\
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Check",
    platforms: [.macOS(.v14)],
    targets: [.target(name: "Check", path: "Check")]
)
"""


@cache
def build_modules():
    """Build the package; return the folder of its modules, once per session."""
    done = swift("build")
    assert done.returncode == 0, done.stdout + done.stderr
    return PACKAGE / ".build" / "debug" / "Modules"


def typecheck(files, folder):
    """Compile files as one module in Swift 6 mode, with warnings as errors.

    Args:
        files: the text of each file, by name.
        folder: a new folder for the module.

    Returns:
        What the compiler says, or None if it is content.
    """
    modules = build_modules()
    sources = folder / "Check"
    sources.mkdir(parents=True)
    (folder / "Package.swift").write_text(MANIFEST.replace('path: "Check"', 'path: "Check"'))
    for name, text in files.items():
        (sources / name).write_text(text, encoding="utf-8")
    options = ["--target", "Check", "-Xswiftc", "-warnings-as-errors"]
    done = swift("build", *options, "-Xswiftc", f"-I{modules}", package=folder)
    shutil.rmtree(folder / ".build", ignore_errors=True)
    return None if done.returncode == 0 else done.stdout + done.stderr
