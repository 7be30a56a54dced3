"""The Swift package under strict concurrency, for both of Core ML's possible declarations."""

import plistlib

import pytest
from swift_tools import PACKAGE, swift

SENDABLE = ["-Xswiftc", "-DSENDABLE_MODEL"]


def compiled(*flags, folder, package=PACKAGE):
    """Compile the library with warnings as errors, in a folder of its own."""
    options = ["--target", "TextClassifierKit", "--scratch-path", folder]
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


@pytest.mark.parametrize("word", ["fatalError", "try!", "as!", "preconditionFailure"])
def test_nothing_in_the_library_traps_on_data(word):
    for file in (PACKAGE / "Sources").rglob("*.swift"):
        assert word not in file.read_text(encoding="utf-8"), file
