"""Atomic replacement of several files in a folder."""

import errno
import fcntl
import os
from functools import partial
from itertools import count

import pytest
from killed_copies import killed_before

from mlx_finbert.errors import InputError
from mlx_finbert.files import folder_commit
from mlx_finbert.files.folder_commit import COMMITTED, REPLACED, finish, read_whole, replacing


def tree(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def visible(folder):
    return {n: t for n, t in tree(folder).items() if not n.startswith(".")}


CHANGES = "rename", "replace", "unlink", "rmdir", "mkdir", "fsync"


def write(part):
    (part / "a.txt").write_text("new")
    (part / "model").mkdir()
    (part / "model" / "b.txt").write_text("new")


def test_files_and_folders_take_their_places(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old.txt").write_text("old")
    (tmp_path / "kept.txt").write_text("kept")
    with replacing(tmp_path) as part:
        write(part)
    assert tree(tmp_path) == {"a.txt": "new", "model/b.txt": "new", "kept.txt": "kept"}


def test_a_folder_takes_the_place_of_a_file(tmp_path):
    (tmp_path / "model").write_text("a file")
    with replacing(tmp_path) as part:
        write(part)
    assert tree(tmp_path) == {"a.txt": "new", "model/b.txt": "new"}


def test_a_failure_leaves_all_as_it_was(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path) as part:
        write(part)
        raise KeyboardInterrupt
    assert tree(tmp_path) == {"a.txt": "old"}


def test_a_folder_that_cannot_be_replaced_is_put_back(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old.txt").write_text("old")
    true = os.replace

    def replace(source, target):
        if target == tmp_path / "model" and REPLACED not in source.parts:
            raise OSError("disk full")
        true(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="disk full"), replacing(tmp_path) as part:
        write(part)
    assert tree(tmp_path)["model/old.txt"] == "old"
    monkeypatch.undo()
    finish(tmp_path)
    assert tree(tmp_path) == {"a.txt": "new", "model/b.txt": "new"}


def test_a_kill_at_any_point_leaves_the_old_or_the_new(tmp_path):
    old = {"a.txt": "old", "model/old.txt": "old", "gone.txt": "old", "dir/gone.txt": "old"}
    new = {"a.txt": "new", "model/b.txt": "new"}

    def work():
        with replacing(folder, ["a.txt", "gone.txt", "dir"]) as part:
            write(part)

    found = []
    for number in count():
        folder = tmp_path / str(number)
        for name, text in (old | {"kept.txt": "kept"}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        is_done = killed_before(number, work, CHANGES)
        was_moving = (folder / COMMITTED).is_dir()
        assert finish(folder) == (["a.txt", "model"] if was_moving else [])
        found.append(read_whole(folder, partial(visible, folder)))
        assert found[-1].pop("kept.txt") == "kept"
        work()
        assert tree(folder) == new | {"kept.txt": "kept"}, number
        if is_done:
            break
    assert all(state in (old, new) for state in found)
    # The old files first, and many kill points with old and with new files.
    assert found == sorted(found, key=lambda state: state == new)
    assert found.count(old) > 5 and found.count(new) > 5


def test_content_is_on_the_disk_before_its_name_and_the_name_at_the_end(tmp_path, disk_events):
    with replacing(tmp_path) as part:
        write(part)
        inodes = {path: path.stat().st_ino for path in (part, *part.rglob("*"))}
    for inode in inodes.values():
        flushed = disk_events.index(("fsync", inode))
        renamed = [i for i, event in enumerate(disk_events) if event == ("rename", inode)]
        assert all(flushed < i for i in renamed)
    assert ("rename", inodes[part]) in disk_events
    # All files are in place before `.committed` is removed.
    *_, moved = (i for i, (_, inode) in enumerate(disk_events) if inode in [*inodes.values()][1:])
    *_, done = (i for i, event in enumerate(disk_events) if event == ("rename", inodes[part]))
    assert ("fsync", tmp_path.stat().st_ino) in disk_events[moved:done]


@pytest.fixture(params=["no locks", "a reader that hangs"])
def unlocked(request, monkeypatch):
    """Simulate a disk without locks."""
    if request.param == "no locks":

        def flock(file, operation):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

        monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(folder_commit, "LOCK_SECONDS", 0.02)
    monkeypatch.setattr(folder_commit, "PAUSE", 0)


def save(folder, text):
    with replacing(folder) as part:
        (part / "a.json").write_text(text)
        (part / "b.json").write_text(text)


def test_a_reader_reads_again_what_was_replaced_meanwhile(tmp_path, unlocked):
    save(tmp_path, "1")
    tries = []

    def read():
        first = (tmp_path / "a.json").read_text()
        tries.append(first)
        if len(tries) < 3:
            save(tmp_path, str(len(tries) + 1))
        if len(tries) == 2:
            raise InputError("two that do not fit")
        return first + (tmp_path / "b.json").read_text()

    assert read_whole(tmp_path, read) == "33"
    assert tries == ["1", "2", "3"]


def test_a_reader_gives_up_with_one_sentence(tmp_path, unlocked):
    texts = count()

    def read():
        save(tmp_path, str(next(texts)))

    save(tmp_path, "first")
    with pytest.raises(
        InputError, match="keeps being rewritten: read it after the writing has ended"
    ):
        read_whole(tmp_path, read)
    assert next(texts) == folder_commit.TRIES


def test_a_fault_of_files_that_stay_is_told_at_once(tmp_path):
    save(tmp_path, "1")
    tries = []

    def read():
        tries.append(1)
        raise InputError("damaged")

    with pytest.raises(InputError, match="damaged"):
        read_whole(tmp_path, read)
    assert len(tries) == 1


def test_what_a_killed_command_left_may_be_beyond_this_process(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch, pytest.raises(PermissionError):
        patch.setattr(os, "replace", refused)
        save(tmp_path, "new")
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(InputError, match=r"Permission denied.*open it once from an account"):
        read_whole(tmp_path, lambda: None)
    monkeypatch.undo()
    assert read_whole(tmp_path, lambda: tree(tmp_path)) == {"a.json": "new", "b.json": "new"}
    assert not (tmp_path / COMMITTED).exists()


def test_parts_of_killed_commands_are_removed_and_those_of_running_ones_stay(tmp_path):
    (tmp_path / ".part-dead").mkdir()
    (tmp_path / ".part-dead" / "model").touch()
    with replacing(tmp_path) as running:
        save(tmp_path, "new")
        assert running.is_dir() and not (tmp_path / ".part-dead").exists()
        (running / "c.txt").write_text("new")
    assert tree(tmp_path) == {"a.json": "new", "b.json": "new", "c.txt": "new"}
