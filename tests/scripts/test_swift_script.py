"""`scripts/swift.sh`: which Swift it uses, and what it says where there is none."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "swift.sh"
SKIPPED = 77


@pytest.fixture
def script(tmp_path):
    """Run the script with other commands before those of the PATH."""

    def run(*arguments, **commands):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        # It hides this machine's Swift, if there is one.
        for name, body in ({"swift": "exit 1"} | commands).items():
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)
        environment = os.environ | {
            "PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin",
            "MLX_FINBERT_SWIFT_CACHE": str(tmp_path / "cache"),
        }
        command = [SCRIPT, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


def swift(version):
    return (
        f'[ "$1" = --version ] && echo "Apple Swift version {version} (swiftlang)" && exit\n'
        'echo "$PWD: $@"; exit 3'
    )


def test_swift_on_the_path_is_used_in_the_package(script, tmp_path):
    done = script("build", "-c", "release", swift=swift("6.1.2"))
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == f"{ROOT}/convert/swift: build -c release\n"
    done = script("build", "--package-path", tmp_path, "--quiet", swift=swift("10.0"))
    assert done.stdout == f"{tmp_path.resolve()}: build --quiet\n"


def test_a_binary_is_run_as_it_is(script):
    done = script("exec", "/bin/echo", "--package-path", "x", swift=swift("6.0"))
    assert (done.returncode, done.stdout) == (0, "--package-path x\n")


@pytest.mark.parametrize("older", [{}, {"swift": swift("5.10")}, {"swift": "exit 1"}])
def test_only_root_can_install_it(script, older, tmp_path):
    done = script("test", uname="echo Linux", id="echo 1000", **older)
    assert done.returncode == SKIPPED
    assert done.stdout == (
        "skipped: Swift 6 is not on the PATH, and only root can install it here\n"
    )
    assert not (tmp_path / "cache").exists()


def test_other_systems_and_containers(script):
    done = script("test", uname="echo Darwin")
    assert done.returncode == SKIPPED
    assert done.stdout == "skipped: Swift 6 is not on the PATH: install Xcode 16 or later\n"
    done = script("test", uname="echo Linux", id="echo 0", unshare="exit 1")
    assert done.returncode == SKIPPED
    assert (
        done.stdout == "skipped: Swift 6 is not on the PATH, and this container permits no mounts\n"
    )


def test_an_installation_that_fails(script, tmp_path):
    commands = {
        "uname": "echo Linux",
        "id": "echo 0",
        "unshare": 'shift 3; exec "$@"',
        "debootstrap": "echo no network; exit 1",
    }
    cache = tmp_path / "cache"
    sentence = f"skipped: Swift could not be installed: see {cache / 'log'}"
    done = script("test", **commands)
    assert (done.returncode, done.stdout) == (SKIPPED, f"{sentence}\n")
    assert (cache / "log").read_text() == "no network\n" and not (cache / "trixie").exists()
    # Not tried again at once.
    again = commands | {"debootstrap": "echo again"}
    done = script("test", **again)
    advice = f"; remove {cache / 'failed'} to try again"
    assert (done.returncode, done.stdout) == (SKIPPED, f"{sentence}{advice}\n")
    (cache / "failed").unlink()
    script("test", **again)
    assert (cache / "log").read_text().startswith("again\n")


def test_an_installation_is_made_once_and_whole(script, tmp_path):
    commands = {
        "uname": "echo Linux",
        "id": "echo 0",
        # The last step needs the files of a real one.
        "unshare": 'shift 3; [ "$1" = bash ] && exit 5; exec "$@"',
        "debootstrap": 'eval target=\\$$#; mkdir "$target"; echo installed',
    }
    assert script("test", **commands).returncode == 5
    assert (tmp_path / "cache" / "trixie").is_dir()
    (tmp_path / "cache" / "log").unlink()
    assert script("test", **commands).returncode == 5
    assert not (tmp_path / "cache" / "log").exists()


def test_without_arguments_it_shows_its_use(script):
    done = script()
    assert done.returncode == 2 and "scripts/swift.sh test" in done.stdout
