"""The Swift package under strict concurrency, for both of Core ML's possible declarations."""

import plistlib
import re

import pytest
from swift_tools import PACKAGE, swift

SENDABLE = ["-Xswiftc", "-DSENDABLE_MODEL"]


def compiled(*flags, folder, package=PACKAGE):
    """Compile the library and its command with warnings as errors, in a folder of its own."""
    options = ["--target", "classify", "--scratch-path", folder]
    return swift(
        "build", *options, "-Xswiftc", "-warnings-as-errors", *flags, package=package
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], SENDABLE], ids=["not sendable", "sendable"])
def test_no_warning_whether_a_model_is_sendable_or_not(flags):
    folder = PACKAGE / ".build" / ("sendable" if flags else "strict")
    done = compiled(*flags, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_privacy_manifest_says_that_nothing_is_collected():
    file = PACKAGE / "Sources/TextClassifierKit/Resources/PrivacyInfo.xcprivacy"
    assert plistlib.loads(file.read_bytes()) == {
        "NSPrivacyTracking": False,
        "NSPrivacyTrackingDomains": [],
        "NSPrivacyCollectedDataTypes": [],
        "NSPrivacyAccessedAPITypes": [],
    }


TRAPS = re.compile(r"fatalError|preconditionFailure|try!|as!|[\w)\]]!(?!=)")
LITERALS = re.compile(r'"(\\.|[^"\\])*"|//.*')


def test_nothing_in_the_library_traps_on_data():
    for file in (PACKAGE / "Sources").rglob("*.swift"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not TRAPS.search(LITERALS.sub("", line)), (file, line)


def test_the_test_above_finds_traps():
    for line in ("x = y!", "a.first!.b", "f()!", "z[0]! + 1", "try! g()", "fatalError()"):
        assert TRAPS.search(LITERALS.sub("", line))
    for line in ("a != b", "!a", 'print("Yahoo! Inc.")', "// Yahoo! Inc.", "if !(x) {"):
        assert not TRAPS.search(LITERALS.sub("", line))


def undocumented(text):
    """Public declarations and cases without a documentation comment in the line before."""
    before = ""
    for line in text.splitlines():
        # What a protocol requires has the protocol's comment.
        is_public = re.match(r"\s*(public|package) (?!import)", line) and "extension" not in line
        if is_public and "errorDescription" not in line and not before.startswith("///"):
            yield line.strip()
        if not line.strip().startswith("@"):
            before = line.strip()


def test_everything_public_is_documented():
    for file in (PACKAGE / "Sources").rglob("*.swift"):
        assert list(undocumented(file.read_text(encoding="utf-8"))) == [], file
    assert list(undocumented("/// A.\n@frozen\npublic struct A {\n    public let b: Int\n}")) == [
        "public let b: Int"
    ]
