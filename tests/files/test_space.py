"""Space on disks: refused before the work, named in the errors of writes."""

import errno
import os
from pathlib import Path

import mlx.core as mx
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.save import write_safetensors
from mlx_finbert.convert.to_coreml import main as to_coreml
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import replaced, write_bytes
from mlx_finbert.files.folder_commit import replacing
from mlx_finbert.files.space import free_bytes, require_space, size_of, size_text
from mlx_finbert.predict import main as predict
from mlx_finbert.train import main as train

FULL = os.strerror(errno.ENOSPC)


def raise_full(path=None):
    raise OSError(errno.ENOSPC, FULL, path)


def test_work_that_does_not_fit_is_refused_with_both_sizes(tmp_path, free_space):
    free_space(1_499_999)
    words = (
        f"`output`: the models need 1.5 MB, but the disk of {tmp_path} has 1.5 MB free: free some"
        " space, or name a place on another disk"
    )
    with pytest.raises(InputError) as caught:
        require_space(tmp_path, 1_500_000, "output", "the models")
    assert str(caught.value) == words
    require_space(tmp_path, 1_499_999, "output", "the models")


def test_the_space_of_a_folder_that_is_not_yet_made(tmp_path, free_space, monkeypatch):
    assert free_bytes(tmp_path / "a" / "b") > 0
    monkeypatch.chdir(tmp_path)
    assert free_bytes(tmp_path.relative_to(tmp_path) / "a") > 0
    free_space(-1)  # no blocks at all, as on some network disks
    assert free_bytes(tmp_path) is None
    require_space(tmp_path, 1 << 60, "output", "the models")


def test_sizes(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "a").write_bytes(bytes(70))
    (tmp_path / "folder" / "inner" / "b").write_bytes(bytes(7))
    names = "folder", "folder/a", "gone"
    assert [size_of(tmp_path / name) for name in names] == [77, 70, 0]
    sizes = 0, 999, 1500, 2_340_000, 1_234_500_000_000
    told = ["0 bytes", "999 bytes", "1.5 KB", "2.3 MB", "1,234.5 GB"]
    assert [size_text(size) for size in sizes] == told


@pytest.mark.parametrize("names_part", [True, False])
def test_a_file_that_does_not_fit_is_named_with_what_it_needs(tmp_path, free_space, names_part):
    free_space(0)
    with pytest.raises(OSError) as caught, replaced(tmp_path / "a.csv") as part:
        part.write_bytes(bytes(2_000_000))
        raise_full(str(part) if names_part else None)
    assert caught.value.filename == str(tmp_path / "a.csv")
    assert caught.value.strerror == (
        f"{FULL}: it needs more than 2.0 MB, and the disk has 0 bytes free"
    )
    assert not list(tmp_path.iterdir())


def test_a_file_of_which_nothing_fits_needs_more_space(tmp_path, free_space):
    free_space(0)
    with pytest.raises(OSError) as caught, replaced(tmp_path / "a.csv"):
        raise_full()
    assert caught.value.filename == str(tmp_path / "a.csv")
    assert caught.value.strerror == f"{FULL}: it needs more space, and the disk has 0 bytes free"


def test_content_that_does_not_fit_is_told_with_its_size(tmp_path, free_space, monkeypatch):
    free_space(0)
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: raise_full())
    with pytest.raises(OSError) as caught:
        write_bytes(tmp_path / "a.html", bytes(2_000_000))
    assert caught.value.filename == str(tmp_path / "a.html")
    assert caught.value.strerror == f"{FULL}: it needs 2.0 MB, and the disk has 0 bytes free"


def test_a_file_in_a_new_folder_that_does_not_fit_is_named_by_its_place(tmp_path, free_space):
    free_space(0)
    with pytest.raises(OSError) as caught, replacing(tmp_path / "model") as part:
        (part / "weights").write_bytes(bytes(2_000_000))
        raise_full(part / "weights")
    assert caught.value.filename == str(tmp_path / "model" / "weights")
    assert "it needs more than 2.0 MB" in caught.value.strerror


def test_weights_that_do_not_fit_are_not_begun(tmp_path, free_space):
    free_space(3999)
    with pytest.raises(OSError) as caught:
        write_safetensors({"a": mx.zeros((1000,))}, tmp_path / "model.safetensors")
    assert caught.value.filename == str(tmp_path / "model.safetensors")
    assert caught.value.strerror == f"{FULL}: it needs 4.0 KB, and the disk has 4.0 KB free"
    assert not list(tmp_path.iterdir())


def test_weights_that_cannot_be_written_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.mkdir()
    with pytest.raises(OSError, match=r"its 4\.0 KB cannot be written: ") as caught:
        write_safetensors({"a": mx.zeros((1000,))}, path)
    assert caught.value.filename == str(path)


def test_commands_refuse_a_full_disk_before_their_work(
    checkpoint, tmp_path, write_news, free_space, capsys, monkeypatch
):
    model, news = str(checkpoint()), str(write_news(tmp_path / "news.csv", 20))
    out = tmp_path / "out"
    free_space(10_000)
    for main, argv, parameter in (
        (train, ["--data", news, "--output-dir", str(out)], "--output-dir"),
        (train, ["--data", news, "--output-dir", str(out), "--save-epochs", "0"], "--output-dir"),
        (to_coreml, ["--output", str(out / "T.mlpackage"), "--lengths", "7"], "--output"),
    ):
        assert main(["--model", model, *argv]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"error: {parameter}: ") and " has 10.0 KB free: " in error
        assert not out.exists()
    assert to_mlx(["--model", model, "--output", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {out / 'model.safetensors'}: {FULL}: it needs ")
    assert not out.exists()
    free_space(2_000)
    argv = ["--model", model, "--input", news, "--output", str(out / "scored.csv")]
    assert predict(argv) == 2
    assert capsys.readouterr().err.startswith("error: --output: the scored rows and their parts")
    assert not out.exists()


def test_a_model_that_fits_is_saved(tiny, tmp_path, free_space):
    free_space(100_000)
    mlx_finbert.load(mlx_finbert.save(*tiny, tmp_path / "model"))
