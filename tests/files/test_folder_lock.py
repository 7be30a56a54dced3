"""Locks that give a folder to one process at a time."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import replaced
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.files.folder_lock import (
    LOCK,
    FolderInUse,
    Owner,
    claimed,
    claimed_file,
    owner_of,
)

HOLD = """
import sys, time
from pathlib import Path
from mlx_finbert.files.folder_lock import claimed

with claimed(Path(sys.argv[1]), "wait"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Start another process that holds tmp_path / "run"."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "run"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.stdin.close()
    process.wait()


def test_another_process_is_named_with_the_remedy(tmp_path, other):
    with pytest.raises(FolderInUse) as caught, claimed(tmp_path / "run", "name another --output"):
        pass
    words = f"{tmp_path}/run is in use by process {other.pid} on {socket.gethostname()}, since 2"
    assert str(caught.value).startswith(words)
    assert str(caught.value).endswith(": wait until it ends, or name another --output")
    assert owner_of(tmp_path / "run").pid == other.pid


def test_the_folder_is_free_after_the_end_and_after_a_kill(tmp_path, other, caplog):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert owner_of(tmp_path / "run").pid == other.pid
    for _ in range(2):
        with claimed(tmp_path / "run", "wait"):
            assert owner_of(tmp_path / "run").pid == os.getpid()
            (tmp_path / "run" / "model").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]
    assert not caplog.text


def test_one_process_cannot_claim_twice(tmp_path):
    with claimed(tmp_path, "wait"):
        with pytest.raises(FolderInUse), claimed(tmp_path, "wait"):
            pass
        with pytest.raises(FolderInUse), claimed(tmp_path, "wait"):
            pass


def test_what_was_made_and_stays_empty_is_removed(tmp_path):
    (tmp_path / "kept").mkdir()
    for folder in (tmp_path / "kept", tmp_path / "a" / "b"):
        with pytest.raises(ValueError), claimed(folder, "wait"):
            assert (folder / LOCK).is_file()
            raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_lock_file_that_its_owner_removes_meanwhile_is_opened_again(tmp_path, monkeypatch):
    true, seen = fcntl.flock, []

    def flock(file, operation):
        if not seen:
            (tmp_path / LOCK).unlink()
        seen.append(file)
        true(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with claimed(tmp_path, "wait"):
        assert len(seen) == 2
        monkeypatch.undo()
        with pytest.raises(FolderInUse), claimed(tmp_path, "wait"):
            pass


def test_a_disk_without_locks_is_said(tmp_path, monkeypatch, caplog):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with claimed(tmp_path, "wait"):
        pass
    assert f"{tmp_path} is on a disk without file locks" in caplog.text


def test_an_owner_of_another_host_that_left_its_file_is_said(tmp_path, caplog):
    (tmp_path / LOCK).write_text(json.dumps(vars(Owner(7, "elsewhere", "2026-01-01 00:00:00"))))
    with claimed(tmp_path, "wait"):
        pass
    assert "was in use by process 7 on elsewhere, since 2026-01-01" in caplog.text
    (tmp_path / LOCK).write_text("{")
    with claimed(tmp_path, "wait"):
        pass
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["file", "file/run", "link"])
def test_a_file_where_the_folder_should_be(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    words = rf"{tmp_path / name} is not a folder \(.*\): name another --output$"
    with pytest.raises(InputError, match=words), claimed(tmp_path / name, "name another --output"):
        pass


def test_what_killed_processes_left_is_removed_and_what_running_ones_write_stays(tmp_path):
    for name in (".part-dead1234", ".mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
    for name in (".a.txt.7.part", ".part-file", ".a.txt.part"):
        (tmp_path / name).touch()
    with replaced(tmp_path / "b.txt") as part, replacing(tmp_path / "model"):
        part.write_text("new")
        with claimed(tmp_path, "wait"), claimed(tmp_path / "model", "wait"):
            pass
        assert len([*(tmp_path / "model").glob(".part-*")]) == 1
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".mine", ".part-file", ".a.txt.part", "b.txt", "model"}


def test_a_file_is_written_by_one_process_at_a_time(tmp_path):
    target = tmp_path / "rows.csv"
    (tmp_path / ".rows.csv.7.part").touch()
    (tmp_path / ".rows.csv.writing").mkdir()
    with claimed_file(target, "name another `output`"):
        with (
            pytest.raises(FolderInUse, match="name another `output`"),
            claimed_file(target, "name another `output`"),
        ):
            pass
        with claimed_file(tmp_path / "other.csv", "wait"):
            target.touch()
    assert list(tmp_path.iterdir()) == [target]
