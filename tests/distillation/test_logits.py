"""A teacher's logits on disk."""

import numpy as np
from killed_copies import killed_before

from mlx_finbert.distillation import logits
from mlx_finbert.distillation.logits import read, write

FIRST, SECOND = np.ones((4, 3), np.float32), np.zeros((4, 3), np.float32)


def test_new_logits_replace_those_of_another_teacher(tmp_path):
    old, new = (tmp_path / f"teacher_logits-{name}.safetensors" for name in "ab")
    write(old, FIRST)
    write(new, SECOND)
    assert [*tmp_path.iterdir()] == [new]
    assert np.array_equal(read(new, (4, 3)), SECOND)


def test_a_killed_write_leaves_nothing_after_the_next_one(tmp_path, monkeypatch):
    path = tmp_path / "teacher_logits-a.safetensors"
    # A forked process lacks MLX's threads, so the copy writes without MLX.
    monkeypatch.setattr(logits, "write_safetensors", lambda _, file: file.write_bytes(b"half"))
    assert not killed_before(0, lambda: write(path, FIRST), ["rename", "fsync"])
    assert [*tmp_path.iterdir()]
    assert read(path, (4, 3)) is None
    monkeypatch.undo()
    write(path, FIRST)
    assert [*tmp_path.iterdir()] == [path]
    assert np.array_equal(read(path, (4, 3)), FIRST)
