"""An exported Swift package in a place of its own: no network, and no repository next to it."""

import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import contextmanager

from model_server import ModelServer
from swift_tools import PACKAGE, SCRIPT, require_swift, swift

IS_LINUX = platform.system() == "Linux"

STAND_INS = """\
// swift-tools-version: 6.0
import PackageDescription

let v5: [SwiftSetting] = [.swiftLanguageMode(.v5)]
let package = Package(
    name: "StandIns",
    products: [
        .library(name: "StandIns", type: .dynamic, targets: ["CoreAI", "CoreML", "CryptoKit"])
    ],
    targets: [
        .target(name: "Evaluator", path: "Evaluator"),
        .target(name: "CoreAI", dependencies: ["Evaluator"], path: "CoreAI"),
        .target(name: "CoreML", dependencies: ["Evaluator"], path: "CoreML", swiftSettings: v5),
        .target(name: "CryptoKit", path: "CryptoKit"),
    ]
)
"""


def flags_of_stand_ins(package):
    """Build the stand-ins for Apple's frameworks in the package's `.build`; return its flags.

    The package itself has none, and stays as it was exported.
    """
    if not IS_LINUX:
        return []
    folder = package / ".build" / "stand-ins"
    for name in ("Evaluator", "CoreAI", "CoreML", "CryptoKit"):
        shutil.copytree(PACKAGE / "Stubs" / name, folder / name)
    (folder / "Package.swift").write_text(STAND_INS)
    done = swift("build", "-Xlinker", "--allow-shlib-undefined", package=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    built = folder / ".build" / "debug"
    linked = [f"-L{built}", "-lStandIns", "-rpath", str(built)]
    return ["-Xswiftc", f"-I{built / 'Modules'}", *(x for f in linked for x in ("-Xlinker", f))]


def swift_without_network(*arguments, package, **environment):
    """Run a command of SwiftPM where nothing but the machine itself can be reached."""
    require_swift()
    apart = ["unshare", "--net"] if IS_LINUX and os.geteuid() == 0 else []
    command = [*apart, SCRIPT, *arguments, "--package-path", str(package)]
    own = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, env=own)


@contextmanager
def core_ml(package):
    """What a test of the package needs to run its models, as environment variables."""
    if not IS_LINUX:
        yield {}
        return
    before = tempfile.tempdir
    # Inside the package, as the toolchain's root has no other folder of this system.
    tempfile.tempdir = str(package / ".build")
    try:
        with ModelServer() as server:
            yield {
                "MODEL_EVALUATOR": server.environment["MODEL_EVALUATOR"],
                "XDG_DATA_HOME": str(package / ".build" / "data"),
            }
    finally:
        tempfile.tempdir = before
