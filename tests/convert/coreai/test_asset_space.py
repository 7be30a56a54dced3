"""Disks that are full or cannot be written, in exports to Core AI and their verification."""

import asyncio
import errno
import os
import pickle
import resource
import tempfile
from io import BytesIO

import pytest

pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')

from mlx_finbert.convert.coreai import AssetOptions, export, verification, worker
from mlx_finbert.convert.coreai.child import Child, ChildError, temporary_folder
from mlx_finbert.convert.to_coreai import main as to_coreai
from mlx_finbert.convert.verify import main as verify
from mlx_finbert.errors import InputError

pytestmark = pytest.mark.usefixtures("few_texts")


def test_too_little_space_is_refused_before_the_work(classifier, tmp_path, free_space, monkeypatch):
    free_space(1000)
    monkeypatch.setattr(verification, "Child", None)
    with pytest.raises(InputError, match=r"^`output`: the asset and temporary copies of it need"):
        export(*classifier("bert"), tmp_path / "app" / "T.aimodel", AssetOptions(lengths=[7]))
    assert not (tmp_path / "app").exists()


def test_half_precision_needs_the_space_of_its_twin_too(classifier, tmp_path, free_space):
    """So does what the runtime makes of the asset or of its twin."""
    model, tokenizer = classifier("bert")
    weights = sum(value.size for _, value in leaves(model))
    for options, needed in (({"precision": "fp32"}, 8), ({}, 10), ({"compress": "int8"}, 9)):
        free_space(needed * weights - 1)
        with pytest.raises(InputError, match=f"need {needed * weights / 1e3:.1f} KB, but"):
            options = AssetOptions(lengths=[7], **options)
            export(model, tokenizer, tmp_path / "app" / "T.aimodel", options)


def leaves(model):
    from mlx.utils import tree_flatten

    return tree_flatten(model.parameters())


def test_a_disk_that_gets_full_in_the_child_is_one_sentence(checkpoint, tmp_path, capsys):
    app = tmp_path / "app"
    argv = ["--model", str(checkpoint()), "--output", str(app / "T.aimodel"), "--lengths", "7,13"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Less than the asset has.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
    try:
        assert to_coreai(argv) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: {app / 'T.aimodel'}: {os.strerror(errno.EFBIG)}: it needs more")
    assert said.endswith(" free")
    assert not app.exists()


@pytest.mark.slow
def test_temporary_files_lie_next_to_an_export_and_in_tmpdir(
    checkpoint, tmp_path, capsys, monkeypatch, free_space
):
    folder, package = str(checkpoint()), tmp_path / "app" / "T.aimodel"
    true, written = verification.write_asset, []

    def noted(path, *more):
        written.append(path)
        true(path, *more)

    monkeypatch.setattr(verification, "write_asset", noted)
    argv = ["--model", folder, "--output", str(package), "--lengths", "7", "--compress", "int8"]
    assert to_coreai([*argv, "--precision", "fp32"]) == 0
    assert written and all(path.is_relative_to(package.parent) for path in written)
    assert not list(package.parent.glob(".*"))

    def full(child, task, *arguments):
        if task == "author":
            raise ChildError("it died", errno.ENOSPC)
        return call(child, task, *arguments)

    call, own = Child.__call__, tmp_path / "tmp"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    monkeypatch.setattr(Child, "__call__", full)
    capsys.readouterr()
    told = ["--model", folder, "--package", str(package)]
    assert verify(told) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {own}/mlx-finbert-") and os.strerror(errno.ENOSPC) in said
    free_space(1000)
    assert verify(told) == 2
    assert capsys.readouterr().err.startswith("error: `TMPDIR`: temporary files need ")
    assert not list(own.iterdir())


def test_a_child_that_is_killed_leaves_no_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Child() as child:
        assert len(list(tmp_path.iterdir())) == 1
        child._process.kill()
        with pytest.raises(ChildError, match="ended by SIGKILL, as when memory runs out"):
            child("load", tmp_path / "T.aimodel")
    assert not list(tmp_path.iterdir())


def test_without_a_folder_for_temporary_files_there_is_one_sentence(monkeypatch):
    def nowhere():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(InputError, match="set `TMPDIR` to another folder"):
        temporary_folder()


def test_the_child_tells_which_error_of_the_system_it_was(monkeypatch):
    async def load(_, path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(worker.Worker, "load", load)
    tasks, results = BytesIO(pickle.dumps(("load", ("T.aimodel",)))), BytesIO()
    asyncio.run(worker.serve(tasks, results))
    said = f"[Errno {errno.EROFS}] {os.strerror(errno.EROFS)}: 'T.aimodel'"
    assert pickle.loads(results.getvalue()) == (False, (said, errno.EROFS))


def test_a_folder_that_cannot_be_written_is_named(classifier, tmp_path, monkeypatch):
    def refuse(child, *arguments):
        raise ChildError("[Errno 30] Read-only file system: 'main.mlirb'", errno.EROFS)

    monkeypatch.setattr(Child, "__call__", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)) as error:
        export(*classifier("bert"), tmp_path / "app" / "T.aimodel", AssetOptions(lengths=[7]))
    assert error.value.filename == str(tmp_path / "app" / "T.aimodel")
