"""Files and folders that are either whole or not there."""

import errno
import fcntl
import os
from functools import partial
from itertools import count

import pytest

from mlx_finbert import atomic
from mlx_finbert.atomic import (
    COMMITTED,
    REPLACED,
    finish,
    read_whole,
    write_text,
    written_beside,
)
from mlx_finbert.errors import InputError


def tree(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def visible(folder):
    return {n: t for n, t in tree(folder).items() if not n.startswith(".")}


CHANGES = "rename", "replace", "unlink", "rmdir", "mkdir", "fsync"


def killed_before(number, work):
    """Whether a copy of this process, which dies before a change of the disk, gets to its end."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    numbers = count()

    def dying(true):
        def change(*arguments, **more):
            if next(numbers) == number:
                os._exit(1)
            return true(*arguments, **more)

        return change

    for name in CHANGES:
        setattr(os, name, dying(getattr(os, name)))
    try:
        work()
    finally:
        os._exit(0)


def write(part):
    (part / "a.txt").write_text("new")
    (part / "model").mkdir()
    (part / "model" / "b.txt").write_text("new")


def test_files_and_folders_take_their_places(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old.txt").write_text("old")
    (tmp_path / "kept.txt").write_text("kept")
    with written_beside(tmp_path) as part:
        write(part)
    assert tree(tmp_path) == {"a.txt": "new", "model/b.txt": "new", "kept.txt": "kept"}


def test_a_folder_takes_the_place_of_a_file(tmp_path):
    (tmp_path / "model").write_text("a file")
    with written_beside(tmp_path) as part:
        write(part)
    assert tree(tmp_path) == {"a.txt": "new", "model/b.txt": "new"}


def test_a_failure_leaves_all_as_it_was(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), written_beside(tmp_path) as part:
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
    with pytest.raises(OSError, match="disk full"), written_beside(tmp_path) as part:
        write(part)
    assert tree(tmp_path)["model/old.txt"] == "old"
    monkeypatch.undo()
    finish(tmp_path)
    assert tree(tmp_path) == {"a.txt": "new", "model/b.txt": "new"}


def test_a_kill_at_any_point_leaves_the_old_or_the_new(tmp_path):
    old = {"a.txt": "old", "model/old.txt": "old", "gone.txt": "old", "dir/gone.txt": "old"}
    new = {"a.txt": "new", "model/b.txt": "new"}

    def work():
        with written_beside(folder, ["a.txt", "gone.txt", "dir"]) as part:
            write(part)

    found = []
    for number in count():
        folder = tmp_path / str(number)
        for name, text in (old | {"kept.txt": "kept"}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        is_done = killed_before(number, work)
        found.append(read_whole(folder, partial(visible, folder)))
        assert found[-1].pop("kept.txt") == "kept"
        work()
        assert tree(folder) == new | {"kept.txt": "kept"}, number
        if is_done:
            break
    assert all(state in (old, new) for state in found)
    # The old ones first, and many points of either kind.
    assert found == sorted(found, key=lambda state: state == new)
    assert found.count(old) > 5 and found.count(new) > 5


def test_content_is_on_the_disk_before_its_name_and_the_name_at_the_end(tmp_path, monkeypatch):
    events = []

    def noted(name, true):
        def change(first, *more):
            events.append((name, os.stat(first).st_ino))
            return true(first, *more)

        return change

    for name in ("fsync", "rename", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    with written_beside(tmp_path) as part:
        write(part)
        own = [part, *part.rglob("*")]
        inodes = [path.stat().st_ino for path in own]
    write_text(tmp_path / "c.txt", "new")
    inodes.append((tmp_path / "c.txt").stat().st_ino)
    renamed = [inode for name, inode in events if name != "fsync"]
    for inode in inodes:
        flushed = events.index(("fsync", inode))
        assert all(i > flushed for i, (n, found) in enumerate(events) if n != "fsync" == found)
    assert {inodes[0], inodes[-1]} < set(renamed)
    for at, (name, inode) in enumerate(events):
        if name != "fsync" and inode in inodes:
            assert ("fsync", tmp_path.stat().st_ino) in events[at:]


@pytest.fixture(params=["no locks", "a reader that hangs"])
def unlocked(request, monkeypatch):
    """A disk on which nothing keeps writers from readers."""
    if request.param == "no locks":

        def flock(file, operation):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

        monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(atomic, "LOCK_SECONDS", 0.02)
    monkeypatch.setattr(atomic, "PAUSE", 0)


def save(folder, text):
    with written_beside(folder) as part:
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
    with pytest.raises(InputError, match="written again and again: read it when that has ended"):
        read_whole(tmp_path, read)
    assert next(texts) == atomic.TRIES


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
    with pytest.raises(InputError, match=r"Permission denied.*open it once from where it can be"):
        read_whole(tmp_path, lambda: None)
    monkeypatch.undo()
    assert read_whole(tmp_path, lambda: tree(tmp_path)) == {"a.json": "new", "b.json": "new"}
    assert not (tmp_path / COMMITTED).exists()


def test_parts_of_killed_commands_are_removed_and_those_of_running_ones_stay(tmp_path):
    (tmp_path / ".part-dead").mkdir()
    (tmp_path / ".part-dead" / "model").touch()
    with written_beside(tmp_path) as running:
        save(tmp_path, "new")
        assert running.is_dir() and not (tmp_path / ".part-dead").exists()
        (running / "c.txt").write_text("new")
    assert tree(tmp_path) == {"a.json": "new", "b.json": "new", "c.txt": "new"}
