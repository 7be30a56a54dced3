"""Files that are either complete or absent."""

import errno
import fcntl
import hashlib
import os

import pytest

from mlx_finbert.files.atomic import (
    file_sha256,
    flush,
    remove_left,
    replaced,
    shortened,
    write_text,
)


def test_a_file_takes_the_place_of_another(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("old", "new é"):
        write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replaced(path) as part:
        part.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_its_name_and_the_name_at_the_end(tmp_path, disk_events):
    write_text(tmp_path / "a.txt", "new")
    inode, folder = (tmp_path / "a.txt").stat().st_ino, tmp_path.stat().st_ino
    assert disk_events == [("fsync", inode), ("rename", inode), ("fsync", folder)]


def test_a_drive_is_emptied_once_where_the_system_can(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda file, command: calls.append(command))
    flush(tmp_path, tmp_path.parent)
    assert calls == [51]


def test_folders_that_cannot_be_flushed_are_no_error_and_a_broken_disk_is(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    number = errno.EINVAL
    flush(tmp_path)
    number = errno.EIO
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_text(tmp_path / "a.txt", "new")
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_names_the_file(tmp_path, full_disk):
    with pytest.raises(OSError) as caught, full_disk():
        write_text(tmp_path / "a.txt", "new" * 1000)
    assert caught.value.filename == str(tmp_path / "a.txt") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 255, "ö" * 127, "a" * 250 + ".csv", ".".join("ab" * 60)])
def test_the_longest_names(tmp_path, name):
    write_text(tmp_path / name, "old")
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / name):
        raise KeyboardInterrupt
    with replaced(tmp_path / name) as part:
        part.write_text("new")
        assert part.name.encode().decode("utf-8") == part.name
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "new")]


def test_what_killed_processes_left_of_one_file_is_removed(tmp_path):
    long = "a" * 251 + ".csv"
    for name in (f".{shortened(long)}.7.part", ".a.csv.7.part", ".b.a.csv.7.part"):
        (tmp_path / name).touch()
    with replaced(tmp_path / "a.csv") as part:
        part.write_text("new")
        remove_left(tmp_path, "a.csv")
        remove_left(tmp_path, long)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", ".b.a.csv.7.part"}


def test_errors_name_the_file_and_not_what_is_written_in_its_place(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replaced(tmp_path / "a.txt") as part:
        part.unlink()
        part.read_text()
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_the_hash_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
