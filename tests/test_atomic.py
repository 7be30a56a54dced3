"""Files and folders that are either whole or not there."""

import os

import pytest

from mlx_finbert.atomic import written_beside


def tree(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


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
        if str(target) == str(tmp_path / "model") and not str(source).endswith(".old"):
            raise OSError("disk full")
        true(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="disk full"), written_beside(tmp_path) as part:
        write(part)
    assert tree(tmp_path)["model/old.txt"] == "old"
